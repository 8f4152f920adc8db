"""The door to data: a literal table of sources, and `load`, which reads one by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from jcnn.data._files import show
from jcnn.data.dataset import DataError, Dataset
from jcnn.data.events import Note, Notify, silent
from jcnn.data.image_files import check_image_shape
from jcnn.data.request import OnBadImage, Request, Resize
from jcnn.data.sources.embedded import digits, mnist5k
from jcnn.data.sources.folder import read_folder
from jcnn.data.sources.idx import read_idx_dir
from jcnn.data.sources.npz import read_npz
from jcnn.data.sources.tfds.read import read_tfds
from jcnn.suggest import did_you_mean


@dataclass(frozen=True)
class Source:
    """One line of the table.

    Args:
        name: what `load` is given; in "idx:DIR" the capitals stand for the user's own words.
        description: one line for people.
        read: returns the training and the test part.
        takes_data_dir: whether `load` may be given a folder with the source's files.
        takes_image_shape: whether it reads images of any size, and so takes `image_shape`,
            `resize` and `on_bad_image`.
    """

    name: str
    description: str
    read: Callable[[Request], tuple[Dataset, Dataset]]
    takes_data_dir: bool = False
    takes_image_shape: bool = False


def _tfds(name: str, description: str) -> Source:
    """A data set of tensorflow-datasets under its own name."""

    def read(request: Request) -> tuple[Dataset, Dataset]:
        return read_tfds(request, name)

    return Source(name, description, read, takes_data_dir=True, takes_image_shape=True)


# A new source is one new file that reads it, and its line here.
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
    _tfds("fashion_mnist", "70,000 pictures of clothes, 28 x 28 grey, 10 classes"),
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
        "the four IDX files in folder DIR: MNIST and all of its kin",
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
    """Read a data set by its name; `SOURCES` lists them, and says what each takes.

    Args:
        name: such as "mnist5k" or "idx:DIR".
        data_dir: the folder with the source's files, for sources that take one.
        image_shape: `(H, W, C)` to bring the images to, for sources of images of any size;
            C is 1 (grey) or 3 (red, green, blue). None leaves them as they are.
        resize: how, as `read_image` does.
        on_bad_image: "skip" leaves an image that cannot be read out, and tells of each.
        notify: called with `Reading` while images are read, and with each `Note`.

    Returns:
        The training and the test part, with one image shape and the same class names.

    Raises:
        ValueError: the name is unknown, or an argument is wrong, missing or not taken.
        FileNotFoundError: a file is missing.
        DataError: a file is wrong, or fewer than two classes have a training image.
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
    """Refuse a single class; name those that no image teaches, such as 0 of labels from 1."""
    sizes = np.bincount(train.labels, minlength=len(train.class_names))
    if np.count_nonzero(sizes) < 2:
        only = train.class_names[int(sizes.argmax())]
        raise DataError(
            f"{show(name)}: all training pictures are of class {only!r}; expected two or more "
            f"classes"
        )
    empty = [train.class_names[label] for label in np.flatnonzero(sizes == 0)]
    if not empty:
        return
    shown = f"{', '.join(map(repr, empty[:5]))}{', ...' * (len(empty) > 5)}"
    if sizes[0] == 0:
        shown += f", for the labels begin at {np.flatnonzero(sizes)[0]}"
    tested = np.count_nonzero(np.bincount(test.labels, minlength=len(sizes))[sizes == 0])
    judged = f"; {tested} of them have test pictures" * bool(tested)
    notify(
        Note(
            f"{show(name)}: no training picture of {len(empty)} of {len(sizes)} classes "
            f"({shown}){judged}; the model has an output for each of them"
        )
    )


def takes_image_shape(name: str) -> bool:
    """Whether `load(name)` takes an image shape: its images may be of any size.

    Raises:
        ValueError: the name is unknown.
    """
    return _find(name)[0].takes_image_shape


def absolute(name: str) -> str:
    """The same source whatever the working directory: a DIR or FILE becomes its whole path."""
    prefix, colon, words = name.partition(":")
    paths = {source.name for source in SOURCES if source.name.endswith((":DIR", ":FILE"))}
    here = not paths.isdisjoint((f"{prefix}{colon}DIR", f"{prefix}{colon}FILE"))
    return f"{prefix}:{Path(words).resolve()}" if here else name


def _find(name: str) -> tuple[Source, str]:
    """Look "idx:some/folder" up as "idx:", and the table's "idx:DIR" likewise."""
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
            return f"; did you mean 'npz:{name}'?" if path.suffix == ".npz" else ""
        if name and path.is_dir():
            kind = "idx" if any("ubyte" in file.name for file in path.iterdir()) else "folder"
            return f"; did you mean '{kind}:{name}'?"
    except OSError:  # the name is too long, or the folder cannot be read
        return ""
    if not (colon and argument):
        return did_you_mean(prefix, [source.name for source in SOURCES])
    prefixes = [source.name.partition(":")[0] for source in SOURCES if ":" in source.name]
    return did_you_mean(name, [f"{known}:{argument}" for known in prefixes])
