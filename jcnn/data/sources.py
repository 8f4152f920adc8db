"""The door to data: a literal table of sources, and `load`, which reads one by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jcnn.data.dataset import Dataset
from jcnn.data.embedded import digits, mnist5k
from jcnn.data.idx import IDX_FILES, read_idx_dir

_FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Source:
    """One line of the table.

    Args:
        name: what `load` is given; in "idx:DIR" the capitals stand for the user's own words.
        description: one line for people.
        read: given the user's words ("" where the name has none) and the data folder as a string
            ("" where the source takes none), returns the training and the test part.
        folder_holds: what the data folder must hold; "" for a source that takes none.
    """

    name: str
    description: str
    read: Callable[[str, str], tuple[Dataset, Dataset]]
    folder_holds: str = ""

    @property
    def needs_data_dir(self) -> bool:
        """Whether `load` must be given a `data_dir`; where it must not, it may not."""
        return self.folder_holds != ""


# A new source is one new file that reads it, and its line here.
SOURCES: tuple[Source, ...] = (
    Source(
        "mnist5k",
        "5,000 real MNIST digits, 28 x 28 grey, 10 classes; needs no file",
        lambda _words, _folder: mnist5k(),
    ),
    Source(
        "digits",
        "1,797 small real digits, 8 x 8 grey, 10 classes; needs no file",
        lambda _words, _folder: digits(),
    ),
    Source(
        "fashion_mnist",
        "70,000 pictures of clothes, 28 x 28 grey, 10 classes",
        lambda _words, folder: read_idx_dir(folder, _FASHION_NAMES),
        folder_holds=", ".join(f"{name}.gz" for name in IDX_FILES),
    ),
    Source(
        "idx:DIR",
        "the four IDX files in folder DIR: MNIST and all of its kin",
        lambda words, _folder: read_idx_dir(words),
    ),
)


def load(name: str, data_dir: str | Path | None = None) -> tuple[Dataset, Dataset]:
    """Read a data set by its name; `SOURCES` lists them.

    Args:
        name: "mnist5k", "digits", "fashion_mnist" or "idx:DIR".
        data_dir: the folder with the files of "fashion_mnist"; None for the others.

    Returns:
        The training and the test part, with one image shape and the same class names.

    Raises:
        ValueError: the name is unknown, or `data_dir` is missing or not taken.
        FileNotFoundError: a file is missing.
        DataError: a file is wrong.
    """
    # "idx:some/folder" is looked up as "idx:"; the table's "idx:DIR" likewise.
    prefix, colon, words = name.partition(":")
    table = {_key(source.name): source for source in SOURCES}
    source = table.get(prefix + colon)
    if source is None or (colon and not words):
        accepted = ", ".join(source.name for source in SOURCES)
        raise ValueError(f"data: got {name!r}; accepted: {accepted}")
    if source.needs_data_dir and data_dir is None:
        raise ValueError(
            f"data_dir: {name!r} needs one; pass --data-dir DIR, a folder that holds "
            f"{source.folder_holds}"
        )
    if not source.needs_data_dir and data_dir is not None:
        raise ValueError(f"data_dir: got {str(data_dir)!r}; {source.name!r} takes none")
    return source.read(words, "" if data_dir is None else str(data_dir))


def absolute(name: str) -> str:
    """The same source whatever the working directory: "idx:DIR" with the whole path of DIR."""
    prefix, colon, words = name.partition(":")
    paths = [source.name for source in SOURCES if source.name.endswith(":DIR")]
    return f"{prefix}:{Path(words).resolve()}" if f"{prefix}{colon}DIR" in paths else name


def _key(name: str) -> str:
    prefix, colon, _ = name.partition(":")
    return prefix + colon
