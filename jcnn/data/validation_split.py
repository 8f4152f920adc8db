"""Splits a data set for validation: the last rows, or the same share of every class."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jcnn.data.dataset import Dataset, first_of_each_class, shuffled_rows, split
from jcnn.data.memory import memory_budget
from jcnn.data.streamed import StreamedImages


class ValidationSplit(NamedTuple):
    """A training set and a validation set.

    Attributes:
        train: the training set.
        validation: the validation set; None without one.
        description: how the validation set was chosen, in one line; "" without one.
    """

    train: Dataset
    validation: Dataset | None
    description: str


def split_validation(dataset: Dataset, validation_split: float, seed: int) -> ValidationSplit:
    """Split off a validation set: the data set's own, or a share of its images.

    If the rows are in random order, the last ones are for validation, as in Keras (`split`). If
    `dataset.stratify` is set or the rows are sorted by class, the same share of every class is
    drawn at random: at least one image of each, and not all. Both sets keep the order of the
    rows. Rows count as sorted by class if at most half as many neighbours differ in their class
    as in a random order. The result depends on the labels, the share and the seed alone.

    Args:
        dataset: N images.
        validation_split: the share for validation, in `[0, 1)`; with 0, the data set's own
            validation set is used, if it has one.
        seed: of the draw.

    Returns:
        Both sets, and how they were chosen. A draw copies images in memory, unless they take more
        than `memory_budget`; streamed images are not read.

    Raises:
        ValueError: the share is outside `[0, 1)`, a share is given although the data set has its
            own validation set, or a set would be empty or lack a class that the other has.
    """
    rows, words = _chosen(dataset, validation_split, seed)
    if not validation_split:
        return ValidationSplit(replace(dataset, validation=None), dataset.validation, words)
    if isinstance(rows, int):
        return ValidationSplit(dataset.take(slice(rows)), dataset.take(slice(rows, None)), words)
    images = dataset.images
    if not isinstance(images, StreamedImages) and images.nbytes > memory_budget():
        # A copy could exceed the memory.
        by_row = StreamedImages(images.__getitem__, np.arange(len(images)), dataset.image_shape)
        dataset = replace(dataset, images=by_row)
    train, validation = (dataset.take(np.flatnonzero(mark)) for mark in (~rows, rows))
    return ValidationSplit(train, validation, words)


def check_validation_split(
    dataset: Dataset, validation_split: float, seed: int
) -> tuple[npt.NDArray[Any], str]:
    """The labels of `split_validation`'s training set and its description. Copies no images.

    Raises:
        ValueError: as in `split_validation`.
    """
    rows, words = _chosen(dataset, validation_split, seed)
    labels = dataset.labels[:rows] if isinstance(rows, int) else dataset.labels[~rows]
    return labels, words


def sorted_by_class(labels: npt.NDArray[np.int32]) -> bool:
    """Whether at most half as many neighbours differ as expected in a random order.

    In a random order of N rows with `n_k` of class k, N - sum(n_k ** 2) / N neighbours differ.
    """
    changes = np.count_nonzero(labels[1:] != labels[:-1])
    sizes = np.bincount(labels).astype(np.float64)
    random = len(labels) - float((sizes**2).sum()) / len(labels)
    return bool(0 < changes <= random / 2)


def _chosen(dataset: Dataset, share: float, seed: int) -> tuple[int | npt.NDArray[np.bool_], str]:
    """The number of training rows, or a mask of validation rows; and a description."""
    n, own = len(dataset), dataset.validation
    if own is not None:
        if share:
            raise ValueError(
                f"validation_split: got {share}; accepted: 0 for this data, which have "
                f"{len(own)} validation images of their own"
            )
        return n, f"validation: the {len(own):,} images that the source has for it"
    head, tail = split(dataset, share)  # raises if a set would be empty
    if tail is None:
        return n, ""
    last = len(head), f"validation: the last {len(tail):,} of {n:,} training images"
    if not dataset.has_classes:
        return last
    by_class = sorted_by_class(dataset.labels)
    if by_class or dataset.stratify:
        marks = _of_every_class(dataset, share, seed)
        why = ", because the rows are sorted by class" * by_class
        count = np.count_nonzero(marks)
        return marks, (
            f"validation: {count:,} of {n:,} training images, {share:.3g} of every class drawn "
            f"with seed {seed}{why}"
        )
    for part, other, name in ((head, tail, "training"), (tail, head, "validation")):
        for label in np.setdiff1d(other.labels, part.labels)[:1]:
            raise ValueError(
                f"validation_split: got {share}; the {name} set would have no image of class "
                f"{dataset.class_names[label]!r}, because the last {len(tail)} of {n} rows are "
                f"for validation; accepted: another share, or a separate validation set"
            )
    return last


def _of_every_class(dataset: Dataset, share: float, seed: int) -> npt.NDArray[np.bool_]:
    sizes = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    for name, size in zip(dataset.class_names, sizes, strict=True):
        if size == 1:
            raise ValueError(
                f"validation_split: got {share}; class {name!r} has 1 image, which cannot be in "
                f"both sets; accepted: 0, or two or more images of every class"
            )
    counts = np.clip(np.floor(sizes * share + 0.5), np.minimum(sizes, 1), np.maximum(sizes - 1, 0))
    order = shuffled_rows(np.random.PCG64(seed), len(dataset))
    return first_of_each_class(dataset.labels, order, counts.astype(np.intp))
