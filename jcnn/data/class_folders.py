"""Which pictures a folder of class folders holds: names alone, no picture is opened.

DIR/cat/1.png, DIR/dog/old/2.jpg ...                one folder a class, any depth below it
DIR/train/cat/1.png ... and DIR/test/cat/2.png ...  the same, divided already
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jcnn.data._files import is_plain_text, show
from jcnn.data.dataset import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_PARTS = ("train", "test")
_PART_NAMES = {*_PARTS, "val", "valid", "validation"}
_LOOP = "a link to a folder that it is in; expected no loop"


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, class by class, sorted by their names within each.

    Args:
        folder: that they are in.
        class_names: the names of the class folders, sorted.
        paths: of the pictures; of a divided folder, those for training first.
        labels: of each, a place in `class_names`.
        train: how many are for training; None where the folder is not divided.
        bad: what should be a picture and cannot be one, with the reason.
        notes: what is left out.
    """

    folder: Path
    class_names: tuple[str, ...]
    paths: list[str]
    labels: list[int]
    train: int | None
    bad: list[tuple[str, str]]
    notes: list[str]

    def inside(self, path: str) -> str:
        """The name of a picture within the folder, wherever that is."""
        return path.removeprefix(str(self.folder)).lstrip(os.sep)  # `relpath` is far slower


def list_pictures(folder: Path) -> Listing:
    """Find the class folders of `folder`, or of `train` and `test` in it, and their pictures.

    Left out are hidden files and folders and, as `notes` say, files without a picture's
    extension and pictures beside the class folders. A link to a file is that file; a link to a
    folder is gone into once.

    Raises:
        FileNotFoundError: there is no such folder.
        DataError: it has fewer than two class folders, a class has no picture or a name that is
            no text, `train` and `test` differ in their classes, or a folder cannot be read.
    """
    names = [entry.name for entry in _entries(folder) if _is_folder(entry)]
    if not set(_PARTS) <= set(names):
        if names and set(names) <= _PART_NAMES:
            raise DataError(
                f"{show(folder)}: holds {', '.join(names)}; "
                f"expected both train and test, or one folder of pictures for each class"
            )
        return _list_classes(folder)
    train, test = (_list_classes(folder / part) for part in _PARTS)
    if odd := sorted(set(train.class_names) ^ set(test.class_names)):
        without, having = _PARTS if odd[0] in test.class_names else reversed(_PARTS)
        raise DataError(
            f"{show(folder / without)}: no class folder {odd[0]}; expected one as in {having}"
        )
    more = sorted(set(names) - set(_PARTS))
    left_out = f"{show(folder)}: train and test are read, {show(', '.join(more))} left out"
    return Listing(
        folder=folder,
        class_names=train.class_names,
        paths=train.paths + test.paths,
        labels=train.labels + test.labels,
        train=len(train.paths),
        bad=train.bad + test.bad,
        notes=[left_out] * bool(more) + train.notes + test.notes,
    )


def _list_classes(folder: Path) -> Listing:
    names = _class_names(folder)
    listing = Listing(folder, names, [], [], None, [], [])
    others: list[str] = []
    for label, name in enumerate(names):
        found = _walk(folder / name, os.path.realpath(folder))
        if not found.pictures:
            raise DataError(
                f"{show(folder / name)}: no picture in this class folder ({', '.join(EXTENSIONS)})"
            )
        listing.paths.extend(sorted(found.pictures))
        listing.labels.extend([label] * len(found.pictures))
        listing.bad.extend(sorted(found.bad))
        others += sorted(found.others)
    loose = [entry.name for entry in _entries(folder) if _has_extension(entry.name)]
    if beside := len(set(loose) - set(names)):
        listing.notes.append(f"{show(folder)}: left out {beside} pictures beside the class folders")
    if others:
        listing.notes.append(
            f"{show(folder)}: left out {len(others)} files without a picture's extension, "
            f"such as {show(others[0])}"
        )
    return listing


def _class_names(folder: Path) -> tuple[str, ...]:
    names = []
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
        names.append(entry.name)
    if len(names) < 2:
        got = f"only one class folder ({names[0]})" if names else "no class folder"
        raise DataError(f"{show(folder)}: {got}; expected two or more, with pictures in each")
    return tuple(names)


class _Found(NamedTuple):
    pictures: list[str]
    bad: list[tuple[str, str]]
    others: list[str]


def _walk(top: Path, root: str) -> _Found:
    """Everything below `top`, in no order.

    A link to a folder above itself would lead round for ever: it is bad. A folder that was read
    is not read again by another link.
    """
    found = _Found([], [], [])
    real = os.path.realpath(top)
    if _leads_up(real, [root]):
        raise DataError(f"{show(top)}: {_LOOP}")
    seen = {real}
    todo = [(str(top), real, [root])]  # a folder, where it really is, what was left by links
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
            elif not entry.is_file():  # opening it would wait for ever
                found.bad.append((entry.path, "a device or pipe; expected a file"))
            else:
                found.pictures.append(entry.path)
    return found


def _leads_up(target: str, folders: list[str]) -> bool:
    """Whether any of these folders is the target or lies below it."""
    return any(Path(folder).is_relative_to(target) for folder in folders)


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What a folder holds, sorted by name, without the hidden."""
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
    """Why a link leads nowhere; "" where it leads somewhere, or this is no link."""
    try:
        if entry.is_symlink():
            entry.stat()
    except OSError as error:
        return f"a broken link ({error.strerror})"
    return ""


def _has_extension(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)
