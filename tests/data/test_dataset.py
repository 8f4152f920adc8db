"""Dataset rejects invalid arguments, and is split as in Keras or by class."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data import Dataset, split, split_validation, stratified_split
from jcnn.data.class_names import match_classes
from jcnn.data.sheet import draw_sheet

IMAGES = np.arange(3 * 2 * 4 * 1, dtype=np.uint8).reshape(3, 2, 4, 1)
LABELS = np.array([1, 0, 1], np.int32)
NAMES = ("cat", "dog")


def numbered(labels: list[int], classes: int) -> Dataset:
    """Give image `i` the pixels `(i // 256, i % 256)`, so that all images differ."""
    rows = np.arange(len(labels))
    images = np.stack([rows // 256, rows % 256], axis=-1).astype(np.uint8).reshape(-1, 1, 2, 1)
    return Dataset(images, np.array(labels, np.int32), tuple(f"c{i}" for i in range(classes)))


def numbers(dataset: Dataset) -> list[int]:
    pixels = np.asarray(dataset.images).reshape(len(dataset), 2).astype(int)
    return [int(high * 256 + low) for high, low in pixels]


NUMBERS = np.arange(6, dtype=np.float32).reshape(3, 2) - 1.5


def test_holds_numbers_for_each_image() -> None:
    dataset = Dataset(IMAGES, NUMBERS, NAMES)
    assert dataset.labels is NUMBERS
    assert not dataset.has_classes
    assert Dataset(IMAGES, LABELS, NAMES).has_classes
    assert dataset._repr_png_() is None
    np.testing.assert_array_equal(dataset.take(np.array([2, 0])).labels, NUMBERS[[2, 0]])
    first, last = split(dataset, 0.4)
    assert last is not None
    np.testing.assert_array_equal(np.concatenate([first.labels, last.labels]), NUMBERS)
    # The last rows, also where the rows would count as sorted by class.
    parts = split_validation(dataset, 0.4, 0)
    assert parts.description == "validation: the last 2 of 3 training images"
    other = match_classes(dataset, ("dog", "cat"))
    np.testing.assert_array_equal(other.labels, NUMBERS[:, ::-1])
    for refusing in (lambda: stratified_split(dataset, 0.5, 0), lambda: draw_sheet(dataset, ())):
        with pytest.raises(ValueError, match=r"^dataset: got labels \(N, K\)"):
            refusing()


def test_holds_what_it_is_given() -> None:
    dataset = Dataset(IMAGES, LABELS, NAMES)
    assert len(dataset) == 3
    assert dataset.image_shape == (2, 4, 1)
    assert dataset.images is IMAGES
    assert dataset.labels is LABELS


def test_file_names_follow_their_images() -> None:
    whole = replace(numbered([0, 1, 0, 1, 1, 0, 0, 1], 2), stratify=True)
    named = replace(whole, names=tuple(f"c/{i}.png" for i in numbers(whole)))
    train, test = stratified_split(named, 0.25, 3)
    inner = split_validation(train, 0.5, 1)
    assert inner.validation is not None
    parts = [train, test, inner.train, inner.validation, named.take(np.array([5, 0, 2]))]
    for part in [*parts, named.take(slice(1, None, 3)), named.take(np.flatnonzero(whole.labels))]:
        assert part.names == tuple(f"c/{i}.png" for i in numbers(part))
    assert whole.take(slice(3)).names is None
    with pytest.raises(ValueError, match=r"^names: got 2 for 8 images$"):
        replace(whole, names=("a", "b"))


def test_other_class_numbers_leave_the_rest_as_it_is() -> None:
    own = replace(numbered([0, 1], 2), names=("x", "y"))
    data = replace(numbered([0, 1, 1], 2), stratify=True, names=("a", "b", "c"), validation=own)
    found = match_classes(data, ("c1", "c0"))
    assert found.labels.tolist() == [1, 0, 0]
    assert (found.stratify, found.names, found.images) == (True, data.names, data.images)
    assert found.validation is not None
    assert found.validation.labels.tolist() == [1, 0]
    assert found.validation.names == own.names


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        ([1], LABELS, NAMES, "images: got list; expected a NumPy array"),
        (IMAGES[..., 0], LABELS, NAMES, "images: got shape (3, 2, 4); expected 4 axes"),
        (IMAGES / 255, LABELS, NAMES, "images: got dtype float64; expected uint8"),
        (IMAGES[:0], LABELS[:0], NAMES, "images: got shape (0, 2, 4, 1); expected every size >="),
        (IMAGES[:, :, :0], LABELS, NAMES, "images: got shape (3, 2, 0, 1); expected every size"),
        (IMAGES, [1, 0, 1], NAMES, "labels: got list; expected a NumPy array"),
        (IMAGES, LABELS.astype(int), NAMES, "labels: got dtype int64; expected int32"),
        (IMAGES, LABELS[:, None], NAMES, "labels: got shape (3, 1); expected 1 axes (N)"),
        (IMAGES, LABELS[:2], NAMES, "labels: got 2 for 3 images"),
        (IMAGES, NUMBERS[:, 0], NAMES, "labels: got shape (3,); expected 2 axes (N, K)"),
        (IMAGES, NUMBERS[:, :1], NAMES, "labels: got 1 columns for 2 class names"),
        (IMAGES, NUMBERS * np.float32(np.inf), NAMES, "labels: got NaN or an infinite number"),
        (IMAGES, NUMBERS > 0, NAMES, "labels: got dtype bool; expected int32 for classes, or"),
        (IMAGES, LABELS + 1, NAMES, "labels: got 2 for 2 class names; expected 0 to 1"),
        (IMAGES, LABELS - 1, NAMES, "labels: got -1 for 2 class names; expected 0 to 1"),
        (IMAGES, LABELS, ["cat", "dog"], "class_names: got ['cat', 'dog']; expected a tuple"),
        (IMAGES, LABELS, "ab", "class_names: got 'ab'; expected a tuple of str"),
        (IMAGES, LABELS, ("cat", 1), "class_names: got ('cat', 1); expected a tuple of str"),
        (IMAGES, LABELS, ("cat", "cat"), "class_names: got 'cat' more than once"),
        (IMAGES, LABELS, ("\u00e9", "e\u0301"), "class_names: got 'e\u0301' more than once"),
    ],
)
def test_refuses_by_name(images: Any, labels: Any, names: Any, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)) as refused:
        Dataset(images, labels, names)
    assert "\n" not in str(refused.value)


@given(st.integers(2, 60), st.floats(0.01, 0.99))
def test_split_takes_the_last_rows_as_keras_does(count: int, share: float) -> None:
    dataset = numbered([0] * count, 1)
    cut = math.floor(count * (1.0 - share))  # Keras: data_adapter_utils.train_validation_split
    if cut in (0, count):
        with pytest.raises(ValueError, match=r"^validation_split: .* no image is left for"):
            split(dataset, share)
        return
    train, validation = split(dataset, share)
    assert validation is not None
    assert numbers(train) == list(range(cut))
    assert numbers(validation) == list(range(cut, count))
    assert train.class_names == validation.class_names == dataset.class_names


def test_split_of_nothing_leaves_all() -> None:
    dataset = numbered([0, 1], 2)
    assert split(dataset, 0) == (dataset, None)


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, math.nan])
def test_split_refuses_a_share_outside_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match=f"^validation_split: got {share}; expected 0 <= share"):
        split(numbered([0, 1], 2), share)


@pytest.mark.parametrize(
    ("count", "share", "part"), [(1, 0.5, "training"), (10, 0.9, "training"), (4, 1e-17, "valid")]
)
def test_split_refuses_an_empty_part(count: int, share: float, part: str) -> None:
    message = f"^validation_split: got {share} for {count} images; no image is left for {part}"
    with pytest.raises(ValueError, match=message):
        split(numbered([0] * count, 1), share)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=400),
    st.floats(0.05, 0.95),
    st.integers(0, 2**70),
)
def test_stratified_split_cuts_each_class(labels: list[int], share: float, seed: int) -> None:
    dataset = numbered(labels, 5)
    expected = {c: math.floor(labels.count(c) * share + 0.5) for c in set(labels)}
    if any(expected[c] in (0, labels.count(c)) for c in expected):
        with pytest.raises(ValueError, match=r"^test_share: .* too few for both parts$"):
            stratified_split(dataset, share, seed)
        return
    train, test = stratified_split(dataset, share, seed)
    assert sorted(numbers(train) + numbers(test)) == list(range(len(labels)))
    assert [labels[i] for i in numbers(train)] == train.labels.tolist()
    assert [labels[i] for i in numbers(test)] == test.labels.tolist()
    assert {c: test.labels.tolist().count(c) for c in expected} == expected


def test_stratified_split_mixes_both_parts_from_end_to_end() -> None:
    # Sorted by label, as in mnist5k. Every tenth of a set must hold every class, about
    # equally often: the bounds are 4.5 standard deviations of a fair draw.
    dataset = numbered([c for c in range(10) for _ in range(500)], 10)
    for part, low, high in zip(stratified_split(dataset, 0.2, 3), (13, 1), (67, 24), strict=True):
        for tenth in np.split(part.labels, 10):
            counts = np.bincount(tenth, minlength=10)
            assert low <= counts.min()
            assert counts.max() <= high


def test_stratified_split_follows_its_seed() -> None:
    dataset = numbered([0, 1] * 50, 2)
    first, again, other = (stratified_split(dataset, 0.2, seed) for seed in (7, 7, 8))
    assert numbers(first[0]) == numbers(again[0])
    assert numbers(first[1]) == numbers(again[1])
    assert sorted(numbers(first[1])) != sorted(numbers(other[1]))


@pytest.mark.parametrize("share", [0, 1, -1, math.nan])
def test_stratified_split_refuses_a_share_outside_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match=f"^test_share: got {share}; expected 0 < share < 1$"):
        stratified_split(numbered([0, 1], 2), share, 0)


def test_stratified_split_refuses_a_negative_seed() -> None:
    with pytest.raises(ValueError, match=r"^seed: got -1; expected an int >= 0$"):
        stratified_split(numbered([0, 1], 2), 0.5, -1)
