"""Lists the images of a folder of class folders, from file names alone.

DIR/cat/1.png, DIR/dog/old/2.jpg ...                one folder per class, images at any depth
DIR/train/cat/1.png ... and DIR/test/cat/2.png ...  a folder that is split already; DIR/val/... is
                                                    the validation set, with or without a test set
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from jcnn.data._files import is_plain_text, show
from jcnn.data.errors import DataError
from jcnn.data.file_names import FileNames, NamesWriter, joined

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
# Names of splits in published data sets, in any case: Train, test_set, seg_train, ...
_PART_NAME = re.compile(
    r"(?:seg[-_ ]?)?(?:(train|training)|(val|valid|validation)|(test|testing))"
    r"(?:[-_ ]?(?:set|data|images))?",
    re.IGNORECASE,
)
PARTS = ("train", "validation", "test")
_LOOP = "a link to a folder that it is in; expected no loop"


@dataclass(frozen=True, eq=False)
class Listing:
    """The images of a folder, class by class, sorted by path within each class.

    Args:
        folder: the folder.
        class_names: the names of the class folders in Unicode's composed form (NFC), sorted.
        names: paths of the images, relative to the folder; of a folder with splits: training, then
            validation, then test.
        labels: `(N,)` int32, an index into `class_names` for each image.
        sizes: the size of each split, 0 for one that is missing; None for a folder without splits.
        bad: files that cannot be read as images, with the reason.
        notes: one line for each kind of file that is left out.
    """

    folder: Path
    class_names: tuple[str, ...]
    names: FileNames
    labels: npt.NDArray[np.int32]
    sizes: tuple[int, int, int] | None
    bad: list[tuple[str, str]]
    notes: list[str]

    def path(self, n: int) -> str:
        """The path of image `n`."""
        return f"{self.folder}/{self.names[n]}"

    def inside(self, path: str) -> str:
        """A path relative to the folder."""
        return _inside(path, self.folder)  # `relpath` is far slower


def _inside(path: str, folder: Path) -> str:
    return path.removeprefix(str(folder)).lstrip(os.sep)


def list_images(folder: Path) -> Listing:
    """Find the class folders of `folder`, or of its splits, and their images.

    A folder has splits if it contains `train` and also `test`, `val` or both, under one of the
    usual names in any case. If a split's folder contains only a folder of the same split, as some
    archives do, the inner one is used.

    Hidden files and folders are left out without a note. Files without an image's extension, and
    images outside the class folders, are left out with a note. Links to files are followed; a
    folder that several links point to is read once.

    Raises:
        FileNotFoundError: there is no such folder.
        DataError: there are fewer than two class folders, a class has no image or a name that
            is not printable text, the classes of the splits differ, the class folders look like
            splits, or a folder cannot be read.
    """
    names = [entry.name for entry in _entries(folder) if _is_folder(entry)]
    found = {part: [name for name in names if part_of_name(name) == part] for part in PARTS}
    # A folder `train` that contains no folders is a class: images of trains.
    trained = any(_is_folder(e) for name in found["train"] for e in _entries(folder / name))
    if not trained or not (found["test"] or found["validation"]):
        if names and all(map(part_of_name, names)):
            raise DataError(
                f"{show(folder)}: holds {', '.join(names)}; expected train beside test, val or "
                f"both, or one folder of images for each class"
            )
        _check_classes_are_no_parts(folder, names)
        return _list_classes(folder, folder)
    for part, same in found.items():
        if len(same) > 1:
            raise DataError(f"{show(folder)}: holds {' and '.join(same)}; expected one for {part}")
    places = {part: _innermost(folder / same[0]) for part, same in found.items() if same}
    return _divided(folder, places, [name for name in names if not part_of_name(name)])


def part_of_name(name: str) -> str | None:
    """The split that a folder of this name holds; None for any other name."""
    match = _PART_NAME.fullmatch(name)
    return None if match is None else PARTS[(match.lastindex or 1) - 1]


def _innermost(folder: Path) -> Path:
    """The folder, or the inner one that an archive has repeated: seg_train/seg_train."""
    inside = [entry.name for entry in _entries(folder) if _is_folder(entry)]
    if len(inside) == 1 and part_of_name(inside[0]) == part_of_name(folder.name):
        return _innermost(folder / inside[0])
    return folder


def _divided(folder: Path, places: dict[str, Path], others: list[str]) -> Listing:
    parts = {part: _list_classes(place, folder) for part, place in places.items()}
    train = parts["train"]
    for part, listing in parts.items():
        if odd := sorted(set(train.class_names) ^ set(listing.class_names)):
            without, having = places["train"], places[part]
            if odd[0] in train.class_names:
                without, having = having, without
            raise DataError(
                f"{show(without)}: no class folder {odd[0]}; expected one as in {having.name}"
            )
    notes = []
    if others:
        *most, last = (place.name for place in places.values())
        notes.append(
            f"{show(folder)}: {', '.join(most)} and {last} are read, {show(', '.join(others))} "
            f"left out"
        )
    if "test" not in parts:
        notes.append(
            f"{show(folder)}: no test folder; a fifth of each class of {places['train'].name} is "
            f"for test"
        )
    train_size, validation, test = (len(parts[p].names) if p in parts else 0 for p in PARTS)
    return Listing(
        folder=folder,
        class_names=train.class_names,
        names=joined([listing.names for listing in parts.values()]),
        labels=np.concatenate([listing.labels for listing in parts.values()]),
        sizes=(train_size, validation, test),
        bad=[bad for listing in parts.values() for bad in listing.bad],
        notes=notes + [note for listing in parts.values() for note in listing.notes],
    )


def _check_classes_are_no_parts(folder: Path, names: list[str]) -> None:
    """Raise if all folders contain the same two or more folders: they are splits, not classes."""
    sets = set()
    for name in names:
        entries = _entries(folder / name)
        if any(_has_extension(entry.name) for entry in entries):
            return
        sets.add(tuple(entry.name for entry in entries if _is_folder(entry)))
    if len(names) > 1 and len(sets) == 1 and len(classes := sets.pop()) > 1:
        raise DataError(
            f"{show(folder)}: {show(' and '.join(names))} hold the same folders "
            f"({show(', '.join(classes[:3]))}{', ...' * (len(classes) > 3)}), so they are not "
            f"classes; expected parts by the names train and test, val or both"
        )


def _list_classes(folder: Path, root: Path) -> Listing:
    """The classes of a folder; the images' names are relative to `root`."""
    names = _class_names(folder)
    class_names = tuple(sorted(names))
    written, counts = NamesWriter(), []
    bad: list[tuple[str, str]] = []
    others: list[str] = []
    for name in class_names:
        place = folder / names[name]
        found = _walk(place, os.path.realpath(folder))
        if not found.images:
            raise DataError(
                f"{show(place)}: no image in this class folder ({', '.join(EXTENSIONS)})"
            )
        written.add(_inside(path, root) for path in sorted(found.images))
        counts.append(len(found.images))
        bad += sorted(found.bad)
        others += sorted(found.others)
    labels = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    listing = Listing(folder, class_names, written.names(), labels, None, bad, [])
    loose = [entry.name for entry in _entries(folder) if _has_extension(entry.name)]
    if beside := len(set(loose) - set(names.values())):
        listing.notes.append(f"{show(folder)}: left out {beside} images beside the class folders")
    if others:
        listing.notes.append(
            f"{show(folder)}: left out {len(others)} files without an image's extension, "
            f"such as {show(others[0])}"
        )
    return listing


def _class_names(folder: Path) -> dict[str, str]:
    """A mapping from each class name in Unicode's composed form to the name of its folder."""
    names: dict[str, str] = {}
    for entry in _entries(folder):
        if reason := _broken_link(entry):
            raise DataError(f"{show(entry.path)}: {reason}")
        if not _is_folder(entry):
            continue
        if not is_plain_text(entry.name):
            raise DataError(
                f"{show(entry.path)}: its name would be a class's; "
                f"expected UTF-8 text without control characters"
            )
        name = unicodedata.normalize("NFC", entry.name)
        if name in names:
            raise DataError(
                f"{show(folder)}: two folders are called {name}, once as {names[name]!a} and "
                f"once as {entry.name!a}; expected one folder for each class"
            )
        names[name] = entry.name
    if len(names) < 2:
        got, hint = "no class folder", ""
        for inner in names.values():
            got = f"only one class folder ({inner})"
            if sum(map(_is_folder, _entries(folder / inner))) > 1:  # an unpacked archive
                hint = f"; did you mean {show(folder / inner)}?"
        raise DataError(f"{show(folder)}: {got}; expected two or more, with images in each{hint}")
    return names


class _Found(NamedTuple):
    images: list[str]
    bad: list[tuple[str, str]]
    others: list[str]


def _walk(top: Path, root: str) -> _Found:
    """All files below `top`, unordered.

    A link to a folder that contains it would be followed forever, so it is listed as bad. A folder
    is read once, however many links point to it.
    """
    found = _Found([], [], [])
    real = os.path.realpath(top)
    if _leads_up(real, [root]):
        raise DataError(f"{show(top)}: {_LOOP}")
    seen = {real}
    todo = [(str(top), real, [root])]  # path, real path, real paths of the folders with links
    while todo:
        folder, real, above = todo.pop()
        for entry in _entries(Path(folder)):
            if _is_folder(entry):
                link = entry.is_symlink()
                inner = os.path.realpath(entry.path) if link else f"{real}/{entry.name}"
                chain = [*above, real] if link else above
                if link and _leads_up(inner, chain):
                    found.bad.append((entry.path, _LOOP))
                elif inner not in seen:
                    seen.add(inner)
                    todo.append((entry.path, inner, chain))
            elif reason := _broken_link(entry):
                found.bad.append((entry.path, reason))
            elif not _has_extension(entry.name):
                found.others.append(entry.path)
            elif not entry.is_file():  # opening it would block forever
                found.bad.append((entry.path, "a device or pipe; expected a file"))
            else:
                found.images.append(entry.path)
    return found


def _leads_up(target: str, folders: list[str]) -> bool:
    """Whether any of these folders is the target or inside it."""
    return any(Path(folder).is_relative_to(target) for folder in folders)


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """The entries of a folder that are not hidden, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        raise FileNotFoundError(f"{show(folder)}: no such folder") from None
    except OSError as error:
        raise DataError(f"{show(folder)}: {error.strerror}; expected a folder") from None
    return sorted(shown, key=lambda entry: entry.name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _broken_link(entry: "os.DirEntry[str]") -> str:
    """The reason why a link is broken; "" if it is not, or is no link."""
    try:
        if entry.is_symlink():
            entry.stat()
    except OSError as error:
        return f"a broken link ({error.strerror})"
    return ""


def _has_extension(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)
