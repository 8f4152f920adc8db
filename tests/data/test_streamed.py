"""StreamedImages behaves like an array and reads images on access only."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data import DataError, Dataset, Note, Reading, StreamedImages, split, stratified_split
from jcnn.data.parallel import in_parallel

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 2, 3, 1), np.uint8)


def picture(number: int) -> npt.NDArray[np.uint8]:
    pixels: npt.NDArray[np.uint8] = PIXELS[number]
    return pixels


class Source:
    """A source of images that records which of them were read."""

    def __init__(self) -> None:
        self.read_numbers: list[int] = []

    def read(self, number: int) -> npt.NDArray[np.uint8]:
        """Read one image."""
        self.read_numbers.append(number)
        return picture(number)

    def images(self, numbers: Sequence[int] = range(40)) -> StreamedImages:
        """StreamedImages of these numbers, or of all."""
        return StreamedImages(self.read, np.array(numbers), (2, 3, 1))


def test_describes_itself_as_an_array_does() -> None:
    source = Source()
    streamed = source.images()
    for name in ("shape", "ndim", "dtype", "nbytes"):
        assert getattr(streamed, name) == getattr(PIXELS, name)
    assert len(streamed) == len(PIXELS)
    assert source.read_numbers == []


def test_tells_the_size_of_what_would_never_fit() -> None:
    huge = StreamedImages(Source().read, np.zeros(10**6, np.intp), (2**16, 2**16, 3))
    assert huge.nbytes == 10**6 * 2**32 * 3


rows = st.lists(st.integers(-40, 39), max_size=100).map(lambda found: np.array(found, np.intp))
slices = st.slices(40)


@given(rows | slices)
def test_gives_the_rows_of_the_array(rows: npt.NDArray[np.intp] | slice) -> None:
    streamed = Source().images()
    np.testing.assert_array_equal(streamed[rows], PIXELS[rows], strict=True)


@given(slices, st.data())
def test_selecting_twice_reads_nothing_and_then_the_right_ones(
    first: slice, data: st.DataObject
) -> None:
    source = Source()
    expected = PIXELS[first]
    second = np.array(
        data.draw(st.lists(st.integers(0, len(expected) - 1) if len(expected) else st.nothing())),
        np.intp,
    )
    selected = source.images().select(first).select(second)
    assert source.read_numbers == []
    np.testing.assert_array_equal(np.asarray(selected), expected[second], strict=True)


def test_reads_only_what_is_asked_for() -> None:
    source = Source()
    source.images()[np.array([7, 3, 7])]
    assert sorted(source.read_numbers) == [3, 7, 7]


def test_numpy_reads_them_all() -> None:
    streamed = Source().images()
    np.testing.assert_array_equal(np.asarray(streamed), PIXELS, strict=True)
    np.testing.assert_array_equal(np.array(streamed, np.float32), PIXELS.astype(np.float32))
    with pytest.raises(ValueError, match=r"^copy: got False; streamed images are copied"):
        np.array(streamed, copy=False)


def test_a_data_set_takes_and_splits_them_unread() -> None:
    source = Source()
    labels = np.arange(40, dtype=np.int32) % 2
    streamed = Dataset(source.images(), labels, ("a", "b"))
    whole = Dataset(PIXELS, labels, ("a", "b"))
    cuts = [
        [dataset.take(np.array([5, 1])), *split(dataset, 0.25), *stratified_split(dataset, 0.3, 1)]
        for dataset in (streamed, whole)
    ]
    assert source.read_numbers == []
    for one, other in zip(*cuts, strict=True):
        assert one is not None
        assert other is not None
        assert isinstance(one.images, StreamedImages)
        np.testing.assert_array_equal(np.asarray(one.images), other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_a_data_set_holds_them_to_its_rules() -> None:
    with pytest.raises(ValueError, match=r"^labels: got 3 for 40 images$"):
        Dataset(Source().images(), np.zeros(3, np.int32), ("a",))
    with pytest.raises(ValueError, match=r"^images: got shape \(0, 2, 3, 1\); expected every size"):
        Dataset(Source().images([]), np.zeros(0, np.int32), ("a",))


def test_the_first_bad_picture_is_raised() -> None:
    def read(number: int) -> npt.NDArray[np.uint8]:
        if number in (30, 11):
            raise DataError(f"{number}.png: damaged")
        return picture(number)

    streamed = StreamedImages(read, np.arange(40), (2, 3, 1))
    with pytest.raises(DataError, match=r"^11\.png: damaged$"):
        streamed[:]
    np.testing.assert_array_equal(streamed[:11], PIXELS[:11])


@pytest.mark.parametrize("count", [0, 1, 2, 31, 32, 33, 1000])
def test_work_in_parallel_is_in_order_and_told_from_one_thread(count: int) -> None:
    told: list[tuple[Reading, threading.Thread]] = []

    def notify(event: Reading | Note) -> None:
        assert isinstance(event, Reading)
        told.append((event, threading.current_thread()))

    results = in_parallel(lambda i: i * i, count, "squaring", notify)
    assert results == [i * i for i in range(count)]
    assert {thread for _, thread in told} <= {threading.current_thread()}
    done = [event.done for event, _ in told]
    assert done == sorted(set(done))
    assert done[-1:] == [count] * bool(count)
    assert all((event.what, event.total) == ("squaring", count) for event, _ in told)


def test_work_is_shared_by_threads() -> None:
    # Two calls that wait for each other: a single thread would never finish.
    both = threading.Barrier(2, timeout=10)
    in_parallel(lambda _: both.wait(), 2)


def test_work_ends_with_the_first_failure() -> None:
    begun: list[int] = []
    released = threading.Event()

    def work(i: int) -> None:
        begun.append(i)
        if i == 0:
            raise OSError("first")
        released.wait(10)

    with pytest.raises(OSError, match="first"):
        in_parallel(work, 10_000)
    released.set()
    assert len(begun) < 5_000
