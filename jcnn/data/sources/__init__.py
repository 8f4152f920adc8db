"""The table of data sources, and `load`, which reads a data set by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from jcnn.data._files import show
from jcnn.data.dataset import Dataset
from jcnn.data.errors import DataError
from jcnn.data.events import Note, Notify, silent
from jcnn.data.image_files import check_image_shape
from jcnn.data.request import OnBadImage, Request, Resize
from jcnn.data.sources.embedded import digits, mnist5k
from jcnn.data.sources.folder import read_folder
from jcnn.data.sources.idx import read_idx_dir
from jcnn.data.sources.npz import read_npz
from jcnn.data.sources.parquet import read_parquet
from jcnn.data.sources.tar import read_tar
from jcnn.data.sources.tfds.read import read_tfds
from jcnn.suggest import did_you_mean


@dataclass(frozen=True)
class Source:
    """One row of the table.

    Args:
        name: the name for `load`; in "idx:DIR" the capitals stand for the user's argument.
        description: one line.
        read: returns the training set and the test set.
        takes_data_dir: whether `load` takes `data_dir`, a folder with the source's files.
        takes_image_shape: whether the source reads images of any size, and so takes
            `image_shape`, `resize` and `on_bad_image`.
        any_size: whether the pictures usually differ in size, so that a training brings them to
            the model's unless it is told another.
    """

    name: str
    description: str
    read: Callable[[Request], tuple[Dataset, Dataset]]
    takes_data_dir: bool = False
    takes_image_shape: bool = False
    any_size: bool = False


def _tfds(name: str, description: str) -> Source:
    """A data set of tensorflow-datasets under its own name."""

    def read(request: Request) -> tuple[Dataset, Dataset]:
        return read_tfds(request, name)

    return Source(name, description, read, takes_data_dir=True, takes_image_shape=True)


# To add a source, write a function from a `Request` to two data sets in a new file, and a row here.
SOURCES: tuple[Source, ...] = (
    Source(
        "mnist5k",
        "5,000 real MNIST digits, 28 x 28 grey, 10 classes; needs no file",
        lambda _request: mnist5k(),
    ),
    Source(
        "digits",
        "1,797 small real digits, 8 x 8 grey, 10 classes; needs no file",
        lambda _request: digits(),
    ),
    _tfds("fashion_mnist", "70,000 images of clothes, 28 x 28 grey, 10 classes"),
    _tfds("mnist", "70,000 handwritten digits, 28 x 28 grey, 10 classes"),
    _tfds("kmnist", "70,000 handwritten Hiragana, 28 x 28 grey, 10 classes"),
    _tfds("cifar10", "60,000 photographs, 32 x 32 colour, 10 classes"),
    _tfds("cifar100", "60,000 photographs, 32 x 32 colour, 100 classes"),
    Source(
        "tfds:NAME",
        "any image classification of tensorflow-datasets: NAME/CONFIG:VERSION",
        lambda request: read_tfds(request, request.argument),
        takes_data_dir=True,
        takes_image_shape=True,
    ),
    Source(
        "idx:DIR",
        "the four IDX files in folder DIR, in the format of MNIST",
        lambda request: read_idx_dir(request.argument),
    ),
    Source(
        "npz:FILE",
        "a NumPy archive: x_train, y_train, x_test, y_test, or images, labels",
        lambda request: read_npz(request.argument),
    ),
    Source(
        "folder:DIR",
        "pictures of any size in DIR/CLASS/..., or in DIR/train, val and test",
        read_folder,
        takes_image_shape=True,
        any_size=True,
    ),
    Source(
        "tar:GLOB",
        "tar files that hold NAME.jpg beside NAME.cls or NAME.json, as of WebDataset",
        read_tar,
        takes_image_shape=True,
        any_size=True,
    ),
    Source(
        "parquet:GLOB",
        "Parquet files with images and labels, as of Hugging Face; needs pyarrow",
        read_parquet,
        takes_image_shape=True,
        any_size=True,
    ),
)


def load(
    name: str,
    data_dir: str | Path | None = None,
    *,
    image_shape: tuple[int, int, int] | None = None,
    resize: Resize = "stretch",
    on_bad_image: OnBadImage = "error",
    notify: Notify = silent,
) -> tuple[Dataset, Dataset]:
    """Read a data set by its name; `SOURCES` lists the names and what each source takes.

    Args:
        name: such as "mnist5k" or "idx:DIR".
        data_dir: the folder with the source's files, for sources that take one.
        image_shape: `(H, W, C)` to resize the images to, for sources of images of any size; C is
            1 (grey) or 3 (red, green, blue). None leaves them unchanged.
        resize: how to resize, as in `read_image`.
        on_bad_image: "error" raises for an image that cannot be read; "skip" leaves it out, with
            a `Note`.
        notify: called with `Reading` as images are read, and with each `Note`.

    Returns:
        The training set and the test set, with one image shape and the same class names.

    Raises:
        ValueError: the name is unknown, or an argument is invalid, missing or not taken by the
            source.
        FileNotFoundError: a file is missing.
        DataError: a file is invalid, or fewer than two classes have training images.
    """
    source, words = _find(name)
    if not source.takes_data_dir and data_dir is not None:
        raise ValueError(f"data_dir: got {str(data_dir)!r}; {source.name!r} takes none")
    for argument, value, choices in (
        ("resize", resize, get_args(Resize)),
        ("on_bad_image", on_bad_image, get_args(OnBadImage)),
    ):
        if value not in choices:
            guess = did_you_mean(value, choices)
            raise ValueError(f"{argument}: got {value!r}; accepted: {', '.join(choices)}{guess}")
        if value != choices[0] and not source.takes_image_shape:
            raise ValueError(f"{argument}: got {value!r}; {source.name!r} takes {choices[0]} only")
    if image_shape is not None:
        if not source.takes_image_shape:
            raise ValueError(f"image_shape: got {image_shape}; {source.name!r} takes none")
        check_image_shape(image_shape)
    folder = None if data_dir is None else Path(data_dir)
    train, test = source.read(Request(words, folder, image_shape, resize, on_bad_image, notify))
    _check_classes(name, train, test, notify)
    return train, test


def _check_classes(name: str, train: Dataset, test: Dataset, notify: Notify) -> None:
    """Raise if there is one class only; note the classes without training images."""
    sizes = np.bincount(train.labels, minlength=len(train.class_names))
    if np.count_nonzero(sizes) < 2:
        only = train.class_names[int(sizes.argmax())]
        raise DataError(
            f"{show(name)}: all training images are of class {only!r}; expected two or more classes"
        )
    empty = [train.class_names[label] for label in np.flatnonzero(sizes == 0)]
    if not empty:
        return
    shown = f"{', '.join(map(repr, empty[:5]))}{', ...' * (len(empty) > 5)}"
    if sizes[0] == 0:
        shown += f", because the labels start at {np.flatnonzero(sizes)[0]}"
    tested = np.count_nonzero(np.bincount(test.labels, minlength=len(sizes))[sizes == 0])
    with_tests = f"; {tested} of them have test images" * bool(tested)
    notify(
        Note(
            f"{show(name)}: no training image of {len(empty)} of {len(sizes)} classes "
            f"({shown}){with_tests}; the model has an output for each of them"
        )
    )


def takes_image_shape(name: str) -> bool:
    """Whether `load(name)` takes an image shape, since its images may have any size.

    Raises:
        ValueError: the name is unknown.
    """
    return _find(name)[0].takes_image_shape


def has_any_size(name: str) -> bool:
    """Whether the images of `load(name)` usually differ in size, as photographs in files do.

    Raises:
        ValueError: the name is unknown.
    """
    return _find(name)[0].any_size


def absolute(name: str) -> str:
    """The name with its DIR, FILE or GLOB as an absolute path."""
    prefix, colon, words = name.partition(":")
    return f"{prefix}:{Path(words).resolve()}" if colon and _takes_path(prefix) else name


def without_path(name: str) -> str:
    """The name of a data set for pages that are shared: a path is cut to its last part.

    Args:
        name: as for `load`, such as "folder:/home/ada/pets", which becomes "folder:pets"; or a
            name and its `data_dir`, such as "cifar10 in /home/ada/files".
    """
    first, _, place = name.rpartition(" in ")
    if first and Path(place).is_absolute():
        return f"{without_path(first)} in {_last_part(place)}"
    prefix, colon, words = name.partition(":")
    if _takes_path(prefix):
        return f"{prefix}{colon}{_last_part(words)}"
    return _last_part(name) if Path(name).is_absolute() else name


def _last_part(path: str) -> str:
    return Path(path).name or path


def _takes_path(prefix: str) -> bool:
    names = {source.name for source in SOURCES}
    return not names.isdisjoint(f"{prefix}:{word}" for word in ("DIR", "FILE", "GLOB"))


def _find(name: str) -> tuple[Source, str]:
    """The source of a name, and the part of the name after the colon."""
    prefix, colon, words = name.partition(":")
    for source in SOURCES:
        its_prefix, its_colon, _ = source.name.partition(":")
        if (its_prefix, its_colon) == (prefix, colon) and bool(words) == bool(colon):
            return source, words
    accepted = ", ".join(source.name for source in SOURCES)
    raise ValueError(f"data: got {name!r}; accepted: {accepted}{_guess(name)}")


def _guess(name: str) -> str:
    """A suggestion: the source for the file or folder of this name, or one with a similar name."""
    path, (prefix, colon, argument) = Path(name), name.partition(":")
    try:
        if path.is_file():
            kind = path.suffix.removeprefix(".")
            known = kind in ("npz", "tar", "parquet")
            return f"; did you mean '{kind}:{name}'?" if known else ""
        if name and path.is_dir():
            inside = {file.suffix for file in path.iterdir()}
            for ending in (".tar", ".parquet"):
                if ending in inside:
                    return f"; did you mean '{ending[1:]}:{name}/*{ending}'?"
            kind = "idx" if any("ubyte" in file.name for file in path.iterdir()) else "folder"
            return f"; did you mean '{kind}:{name}'?"
    except OSError:  # the name is too long, or the folder cannot be read
        return ""
    if not (colon and argument):
        return did_you_mean(prefix, [source.name for source in SOURCES])
    prefixes = [source.name.partition(":")[0] for source in SOURCES if ":" in source.name]
    return did_you_mean(name, [f"{known}:{argument}" for known in prefixes])
