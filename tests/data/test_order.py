"""Orders of an epoch: blocks stay near each other, and processes share the rows of each batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data.blocks import keep_blocks
from jcnn.data.shares import share_of_order


@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_blocks_stay_together_in_groups(rows: int, count: int, least: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, count, rows).astype(np.int32)
    order = rng.permutation(rows).astype(np.int32)
    found = keep_blocks(order, blocks, least)
    assert sorted(found) == list(range(rows))
    # Written from the definition: blocks in the order of their first rows, until `least` rows.
    groups: list[list[int]] = [[]]
    for block in dict.fromkeys(blocks[order].tolist()):
        if len(groups[-1]) >= least:
            groups.append([])
        groups[-1] += [int(row) for row in np.flatnonzero(blocks == block)]
    place = {int(row): n for n, row in enumerate(order)}
    expected = [row for group in groups for row in sorted(group, key=place.__getitem__)]
    assert found.tolist() == expected


def test_each_epoch_is_mixed_and_a_population_has_rows_of_its_own() -> None:
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(100, dtype=np.int32), 100)
    orders = np.stack([rng.permutation(10_000) for _ in range(2)])
    found = keep_blocks(orders, blocks)
    for row, order in zip(found, orders, strict=True):
        np.testing.assert_array_equal(row, keep_blocks(order, blocks))
        first = blocks[row[:2048]]
        assert len(set(first.tolist())) == 21  # of 100 blocks
        assert np.count_nonzero(first[1:] != first[:-1]) > 1800
    assert (found[0] != found[1]).any()


def test_few_images_are_shuffled_as_always() -> None:
    order = np.random.default_rng(1).permutation(2048)
    blocks = np.repeat(np.arange(64, dtype=np.int32), 32)
    np.testing.assert_array_equal(keep_blocks(order, blocks), order)


@given(st.integers(0, 100), st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_shares_are_the_batches(rows: int, batch: int, count: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(rows)
    shares = [share_of_order(order, batch, process, count) for process in range(count)]
    sizes = [
        [len(one) for one in np.array_split(order[start : start + batch], count)]
        for start in range(0, rows, batch)
    ]
    places = [0] * count
    joined: list[int] = []
    for step in sizes:
        parts = sum(step)
        for process in range(count):
            size = parts * (process + 1) // count - parts * process // count
            assert size in (parts // count, -(-parts // count))
            start = places[process]
            joined += shares[process][start : start + size].tolist()
            places[process] += size
    assert joined == order.tolist()
    assert places == [len(share) for share in shares]


def test_shares_of_no_process() -> None:
    rows = np.arange(4)
    with pytest.raises(ValueError, match=r"^process: got 2; expected 0 to 1$"):
        share_of_order(rows, 2, 2, 2)
    with pytest.raises(ValueError, match=r"^count: got 0; expected an int >= 1$"):
        share_of_order(rows, 2, 0, 0)
    with pytest.raises(ValueError, match=r"^batch_size: got 0; expected an int >= 1$"):
        share_of_order(rows, 0, 0, 1)
