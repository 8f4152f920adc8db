"""The validation split: Keras's last rows for random orders, else a share of every class."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data import Dataset, StreamedImages, load, split, split_validation
from jcnn.data.validation_split import check_validation_split, sorted_by_class
from tests.animals import animals_dir

NAMES = ("ant", "bee", "cat", "dog", "eel")


def numbered(labels: npt.ArrayLike, *, stratify: bool = False) -> Dataset:
    """Give image `i` the pixels `(i // 256, i % 256)`, so that all images differ."""
    labels = np.asarray(labels, np.int32)
    rows = np.arange(len(labels))
    images = np.stack([rows // 256, rows % 256], axis=-1).astype(np.uint8).reshape(-1, 1, 2, 1)
    return Dataset(images, labels, NAMES, stratify)


def numbers(dataset: Dataset | None) -> list[int]:
    assert dataset is not None
    pixels = np.asarray(dataset.images).reshape(len(dataset), 2).astype(int)
    return [int(high * 256 + low) for high, low in pixels]


def random_labels(n: int, seed: int) -> npt.NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, 5, n).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_rows_in_a_random_order_lose_the_last_as_with_keras(seed: int) -> None:
    dataset = numbered(random_labels(200, seed))
    train, validation, words = split_validation(dataset, 0.2, seed)
    kept, cut_off = split(dataset, 0.2)
    assert (numbers(train), numbers(validation)) == (numbers(kept), numbers(cut_off))
    assert words == "validation: the last 40 of 200 training images"


@given(
    st.lists(st.integers(0, 12), min_size=5, max_size=5).filter(lambda n: sum(map(bool, n)) > 1),
    st.floats(0.02, 0.98),
    st.integers(0, 2**32 - 1),
)
def test_sorted_rows_give_a_share_of_every_class(sizes: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(5), sizes)
    dataset = numbered(labels, stratify=True)
    if math.floor(len(labels) * (1.0 - share)) in (0, len(labels)):
        return  # refused, as `split` refuses it
    if 1 in sizes:
        alone = NAMES[sizes.index(1)]
        with pytest.raises(ValueError, match=f"^validation_split: .* {alone!r} has 1 image, "):
            split_validation(dataset, share, seed)
        return
    train, validation, _ = split_validation(dataset, share, seed)
    found = numbers(validation)
    assert sorted(numbers(train) + found) == list(range(len(labels)))
    for label, size in enumerate(sizes):
        if size:
            expected = min(max(math.floor(size * share + 0.5), 1), size - 1)
            assert np.count_nonzero(labels[found] == label) == expected


def test_the_draw_is_of_the_whole_class_and_follows_the_seed() -> None:
    dataset = numbered(np.repeat(np.arange(5), 200))
    first, again, other = (split_validation(dataset, 0.25, seed)[1] for seed in (7, 7, 8))
    found = numbers(first)
    assert found == numbers(again)
    assert found != numbers(other)
    assert found == sorted(found)  # the order of the rows is kept
    # Each quarter of a class gives about a quarter, within 4.5 standard deviations of a fair draw.
    quarters = np.bincount(np.array(found) // 50, minlength=20)
    assert quarters.min() >= 2
    assert quarters.max() <= 24
    assert split_validation(dataset, 0.25, 7).description == (
        "validation: 250 of 1,000 training images, 0.25 of every class drawn with seed 7, "
        "because the rows are sorted by class"
    )


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("sizes", [(40, 40, 40, 40, 40), (150, 10, 10, 10, 10), (5, 5, 5, 5, 5)])
def test_what_counts_as_sorted(seed: int, sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(seed)
    labels = np.repeat(random.permutation(5), sizes).astype(np.int32)
    assert sorted_by_class(labels)
    assert sorted_by_class(np.concatenate([labels, labels[::-1]]))  # two sorted files, concatenated
    if sizes[0] > 5:
        assert not sorted_by_class(random.permutation(labels))
    assert not sorted_by_class(np.full(9, 3, np.int32))
    assert not sorted_by_class(np.tile(np.arange(5, dtype=np.int32), 8))


def test_two_of_each_of_two_classes_are_cut_fairly() -> None:
    train, validation, _ = split_validation(numbered([0, 0, 1, 1]), 0.5, 0)
    assert validation is not None
    assert train.labels.tolist() == validation.labels.tolist() == [0, 1]


@pytest.mark.parametrize(("rare", "part"), [(0, "validation"), (39, "training")])
def test_a_class_that_would_be_missing_is_refused(rare: int, part: str) -> None:
    labels = np.tile([0, 1], 20)
    labels[rare] = 3
    with pytest.raises(ValueError, match=f"{part} set would have no image of class 'dog'"):
        split_validation(numbered(labels), 0.1, 0)
    with pytest.raises(ValueError, match="class 'dog' has 1 image"):
        split_validation(numbered(np.sort(labels)), 0.1, 0)


def test_streamed_pictures_are_split_unread_as_arrays_are(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = numbered(np.repeat(np.arange(5), 9))
    read: list[int] = []

    def picture(number: int) -> npt.NDArray[np.uint8]:
        read.append(number)
        pixels: npt.NDArray[np.uint8] = np.asarray(whole.images)[number]
        return pixels

    images = StreamedImages(picture, np.arange(45), whole.image_shape)
    streamed = Dataset(images, whole.labels, NAMES)
    found = split_validation(streamed, 0.3, 4)
    assert read == []
    plain = split_validation(whole, 0.3, 4)
    assert numbers(found.train) == numbers(plain.train)
    assert numbers(found.validation) == numbers(plain.validation)
    # An array above the budget, such as a mapped file, is not copied either.
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "10")
    viewed = split_validation(whole, 0.3, 4)
    assert isinstance(viewed.train.images, StreamedImages)
    assert numbers(viewed.train) == numbers(plain.train)
    assert numbers(viewed.validation) == numbers(plain.validation)


def test_a_part_of_the_data_set_own() -> None:
    own = numbered([4, 0, 2])
    dataset = Dataset(np.ones((2, 1, 2, 1), np.uint8), np.array([0, 1], np.int32), NAMES, True, own)
    train, validation, words = split_validation(dataset, 0, 0)
    assert validation is own
    assert (len(train), train.validation) == (2, None)
    assert words == "validation: the 3 images that the source has for it"
    with pytest.raises(ValueError, match=r"^validation_split: got 0\.2; accepted: 0 for this data"):
        split_validation(dataset, 0.2, 0)
    with pytest.raises(ValueError, match=r"^validation: got images of \(1, 2, 1\) of the classes"):
        Dataset(np.ones((2, 1, 2, 1), np.uint8), own.labels[:2] // 4, ("a", "b"), False, own)


def test_no_share_is_no_validation() -> None:
    dataset = numbered(random_labels(9, 1))
    assert split_validation(dataset, 0, 0)[1:] == (None, "")
    labels, words = check_validation_split(dataset, 0, 0)
    assert words == "" and labels.tolist() == dataset.labels.tolist()


def test_every_animal_is_trained_and_validated_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JCNN_MEMORY_BYTES", "0")  # streamed, so that no image is read
    train, _ = load(f"folder:{animals_dir()}", image_shape=(32, 32, 3))
    kept, validation, _ = split_validation(train, 0.2, 0)
    assert validation is not None
    assert np.bincount(kept.labels).tolist() == [400] * 6
    assert np.bincount(validation.labels).tolist() == [100] * 6
