"""`Dataset`: images, labels and class names; and functions that split it."""

import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.data.errors import DataError
from jcnn.data.file_names import FileNames
from jcnn.data.streamed import Images, StreamedImages

_NOTEBOOK_WIDTH = 1000  # pixels


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images of one size, as every source returns them. Checked when built.

    Args:
        images: `(N, H, W, C)` uint8, at least one image: an array (it may be mapped from a
            file), or `StreamedImages`, which are decoded on access.
        labels: `(N,)` int32, each in 0..K-1; or `(N, K)` float32, K finite numbers for each image,
            such as 0 or 1 for each of K labels, or K quantities to predict.
        class_names: K different names; label `k` is class `class_names[k]`, or column `k`.
        stratify: whether `split_validation` draws the same share of every class. True for a
            folder of images; rows that are sorted by class are stratified in any case.
        validation: the source's own validation set, of the same image shape and classes; `fit`
            validates on it.
        names: `(N,)` file names, relative to the folder of the data, for messages and reports;
            None for a source whose images are not files of their own.
        blocks: `(N,)` int32, equal for images that are read together; an epoch's order then keeps
            blocks together (`jcnn.data.blocks`). None if each image is read by itself.

    Raises:
        ValueError: a shape, dtype, label or name is invalid; the message names the argument.
    """

    images: Images
    labels: npt.NDArray[Any]
    class_names: tuple[str, ...]
    stratify: bool = False
    validation: "Dataset | None" = None
    names: Sequence[str] | None = None
    blocks: npt.NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        _check_array("images", self.images, "uint8", "N, H, W, C")
        _check_labels(self.labels)
        if 0 in self.images.shape:
            raise ValueError(f"images: got shape {self.images.shape}; expected every size >= 1")
        if len(self.labels) != len(self.images):
            raise ValueError(f"labels: got {len(self.labels)} for {len(self.images)} images")
        if self.names is not None and len(self.names) != len(self.images):
            raise ValueError(f"names: got {len(self.names)} for {len(self.images)} images")
        if self.blocks is not None and len(self.blocks) != len(self.images):
            raise ValueError(f"blocks: got {len(self.blocks)} for {len(self.images)} images")
        names = self.class_names
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"class_names: got {names!r}; expected a tuple of str")
        seen: set[str] = set()
        for name in names:
            # Composed and decomposed letters look the same: such names cannot be distinguished.
            if unicodedata.normalize("NFC", name) in seen:
                raise ValueError(f"class_names: got {name!r} more than once; expected unique names")
            seen.add(unicodedata.normalize("NFC", name))
        if self.has_classes:
            self._check_classes()
        elif self.labels.shape[1] != len(names):
            raise ValueError(
                f"labels: got {self.labels.shape[1]} columns for {len(names)} class names"
            )
        elif not np.isfinite(self.labels).all():
            raise ValueError("labels: got NaN or an infinite number; expected finite numbers")
        elif self.stratify:
            raise ValueError("stratify: got True for labels (N, K); expected False")
        own = self.validation
        if own is not None and (own.image_shape, own.class_names) != (self.image_shape, names):
            raise ValueError(
                f"validation: got images of {own.image_shape} of the classes {own.class_names}; "
                f"expected {self.image_shape} and {names}"
            )
        if own is not None and own.has_classes != self.has_classes:
            raise ValueError(
                f"validation: got labels of {own.labels.dtype}; expected {self.labels.dtype}"
            )

    def _check_classes(self) -> None:
        names = self.class_names
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(names):
            wrong = low if low < 0 else high
            raise ValueError(
                f"labels: got {wrong} for {len(names)} class names; expected 0 to {len(names) - 1}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def _repr_png_(self) -> bytes | None:
        """A sheet of images of each class, which a notebook shows; None if it cannot be drawn."""
        from jcnn.data.sheet import draw_sheet  # it imports this file

        if self.image_shape[2] not in (1, 3) or not self.has_classes:
            return None
        sheet = draw_sheet(self, ())
        sheet.thumbnail((_NOTEBOOK_WIDTH, sheet.height))
        file = io.BytesIO()
        sheet.save(file, "png")
        return file.getvalue()

    @property
    def has_classes(self) -> bool:
        """Whether an image has one class, labels `(N,)`, and not K numbers, labels `(N, K)`."""
        return self.labels.ndim == 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def take(self, rows: npt.NDArray[np.integer] | slice) -> "Dataset":
        """The data set of these rows, in this order; a slice of an array shares its memory."""
        images = self.images
        chosen = images.select(rows) if isinstance(images, StreamedImages) else images[rows]
        names, blocks = self.names, self.blocks
        if isinstance(names, FileNames):
            names = names.take(rows)
        elif names is not None:
            names = tuple(names[row] for row in np.arange(len(names))[rows])
        if blocks is not None:
            blocks = blocks[rows]
        return replace(self, images=chosen, labels=self.labels[rows], names=names, blocks=blocks)


def split(dataset: Dataset, validation_split: float) -> tuple[Dataset, Dataset | None]:
    """Split off the last rows for validation, before any shuffle, as Keras does.

    `split_validation` uses it for rows in a random order.

    Args:
        dataset: N images.
        validation_split: the share for validation, in `[0, 1)`; the training set is the first
            `floor(N * (1 - validation_split))` rows.

    Returns:
        The training set and the validation set; `(dataset, None)` for a share of 0.

    Raises:
        ValueError: the share is outside `[0, 1)`, or one set would be empty.
    """
    if not 0 <= validation_split < 1:
        raise ValueError(f"validation_split: got {validation_split}; expected 0 <= share < 1")
    if validation_split == 0:
        return dataset, None
    # Keras's own expression in floating point: 10 rows at 0.9 leave 0 for training, not 1.
    cut = math.floor(len(dataset) * (1.0 - validation_split))
    if cut in (0, len(dataset)):
        part = "training" if cut == 0 else "validation"
        raise ValueError(
            f"validation_split: got {validation_split} for {len(dataset)} images; "
            f"no image is left for {part}"
        )
    return dataset.take(slice(cut)), dataset.take(slice(cut, None))


def stratified_split(dataset: Dataset, test_share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split off the same share of every class at random, and shuffle both sets once.

    The result of a seed is the same on every machine and with every NumPy version. Because the
    training set is shuffled, a further `split` of it has images of every class too.

    Args:
        dataset: N images, in any order.
        test_share: the share of each class for the test set, in `(0, 1)`; of `n` images it gets
            `floor(n * test_share + 0.5)`.
        seed: of the shuffle, at least 0.

    Returns:
        The training set and the test set; together they hold every image once.

    Raises:
        ValueError: the share is outside `(0, 1)`, the seed is negative, the images have no
            classes, or a class has too few images for both sets.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share: got {test_share}; expected 0 < share < 1")
    if seed < 0:
        raise ValueError(f"seed: got {seed}; expected an int >= 0")
    if not dataset.has_classes:
        raise ValueError("dataset: got labels (N, K); expected one class for each image, (N,)")
    bits = np.random.PCG64(seed)
    chosen = shuffled_rows(bits, len(dataset))
    sizes = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    counts = np.floor(sizes * test_share + 0.5).astype(np.intp)
    for name, size, count in zip(dataset.class_names, sizes, counts, strict=True):
        if size > 0 and count in (0, size):
            raise ValueError(
                f"test_share: got {test_share}; class {name!r} has {size} images, "
                f"too few for both parts"
            )
    in_test = first_of_each_class(dataset.labels, chosen, counts)
    # Shuffle again: the test set took the first rows of each class of the first shuffle.
    order = shuffled_rows(bits, len(dataset))
    return dataset.take(order[~in_test[order]]), dataset.take(order[in_test[order]])


def split_off_test(dataset: Dataset, source: str) -> tuple[Dataset, Dataset]:
    """Split a source without a test set: a fifth of each class becomes the test set.

    Results on such a source can be compared only while this split does not change.

    Args:
        dataset: all images of the source.
        source: the file or folder, for the message.

    Raises:
        DataError: a class has fewer than 3 images.
    """
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    for name, count in zip(dataset.class_names, counts, strict=True):
        if 0 < count < 3:
            raise DataError(
                f"{source}: class {name!r} has {count} images; expected at least 3, "
                f"so that a fifth of each class is for test"
            )
    return stratified_split(dataset, test_share=0.2, seed=20240)


def first_of_each_class(
    labels: npt.NDArray[np.int32], order: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Mark the first `counts[k]` rows of each class `k` in a permutation of all rows.

    Args:
        labels: `(N,)`.
        order: `(N,)`, a permutation of the rows.
        counts: `(K,)`, each at most the number of rows of its class.

    Returns:
        `(N,)` bool.
    """
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels, minlength=len(counts))
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    marked = np.zeros(len(labels), bool)
    marked[by_class] = place < np.repeat(counts, sizes)
    return marked


def shuffled_rows(bits: np.random.PCG64, count: int) -> npt.NDArray[np.intp]:
    """A permutation of `range(count)` that does not depend on the NumPy version.

    NumPy guarantees a bit generator's raw stream across versions, but not the result of
    `Generator.permutation`. A stable sort orders equal keys, which are very unlikely.
    """
    return np.argsort(bits.random_raw(count), kind="stable")


def _check_labels(labels: object) -> None:
    """Raise ValueError unless the labels are `(N,)` int32 or `(N, K)` float32."""
    dtype = getattr(labels, "dtype", None)
    if dtype == np.float32:
        _check_array("labels", labels, "float32", "N, K")
    elif dtype is None or dtype == np.int32:
        _check_array("labels", labels, "int32", "N")
    else:
        raise ValueError(
            f"labels: got dtype {dtype}; expected int32 for classes, or float32 for numbers (N, K)"
        )


def _check_array(name: str, array: object, dtype: str, axes: str) -> None:
    """Raise ValueError unless `array` has this dtype and one axis for each letter of `axes`."""
    if not isinstance(array, np.ndarray | StreamedImages):
        raise ValueError(f"{name}: got {type(array).__name__}; expected a NumPy array")
    if array.dtype != dtype:
        raise ValueError(f"{name}: got dtype {array.dtype}; expected {dtype}")
    expected = len(axes.split(","))
    if array.ndim != expected:
        raise ValueError(f"{name}: got shape {array.shape}; expected {expected} axes ({axes})")
