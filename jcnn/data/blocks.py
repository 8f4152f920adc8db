"""The order of an epoch for images that are read in blocks, such as the row groups of Parquet.

A plain shuffle would read a whole block for each image. Here the blocks are shuffled, some of them
at a time form a group, and the images are shuffled within each group.
"""

import numpy as np
import numpy.typing as npt

# A group has at least so many images: more are mixed better, and take more memory when streamed.
LEAST = 2048


def keep_blocks(
    order: npt.NDArray[np.integer], blocks: npt.NDArray[np.int32], least: int = LEAST
) -> npt.NDArray[np.int32]:
    """The rows of a shuffled order, brought together by groups of blocks.

    The result depends on the order alone, so it needs no random numbers of its own. Blocks follow
    each other as they first appear in the order; rows of a group keep the order.

    Args:
        order: `(N,)`, a permutation of the rows; or `(M, N)`, one in each row.
        blocks: `(N,)`, the block of each row.
        least: images of a group; the last group may have fewer.

    Returns:
        int32 of the shape of `order`.
    """
    if order.ndim > 1:
        return np.stack([keep_blocks(one, blocks, least) for one in order])
    its = blocks[order]
    found, first, inverse, sizes = np.unique(
        its, return_index=True, return_inverse=True, return_counts=True
    )
    visits = np.argsort(first)
    before = np.cumsum(sizes[visits]) - sizes[visits]
    group = np.empty(len(found), np.int64)
    number = start = 0
    for block, rows in zip(visits, before, strict=True):
        if rows - start >= least:
            number, start = number + 1, rows
        group[block] = number
    return order[np.argsort(group[inverse], kind="stable")].astype(np.int32)
