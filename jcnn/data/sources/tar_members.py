"""Finds the pictures of a tar file and their labels, by reading it from start to end."""

import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jcnn.data._files import is_plain_text, show
from jcnn.data.errors import DataError
from jcnn.data.file_names import FileNames, NamesWriter
from jcnn.data.sources.class_folders import EXTENSIONS
from jcnn.data.sources.shards import Label

BLOCK = 512  # bytes of a header, and what a member is padded to
_MOST_LABEL = 2**20  # bytes of a label's member
_LABELS = ("cls", "json")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}


@dataclass(frozen=True, eq=False)
class TarIndex:
    """Where the N pictures of an archive lie.

    Args:
        names: their members.
        starts, sizes: `(N,)` int64, the position and length of their bytes.
        labels: `(N,)` int32, an index into `table`.
        table: the different labels.
        files: the name that each picture had before it was packed, where it differs.
        bad: members that cannot be used, with the reason.
        notes: lines for the user.
    """

    names: FileNames
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    table: list[Label]
    files: dict[int, str] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Sample:
    """What an archive has under one NAME."""

    image: str = ""
    start: int = 0
    size: int = 0
    label: Label | None = None
    from_cls: bool = False
    file: str = ""


def scan(path: Path) -> TarIndex:
    """Find the pictures of an archive and their labels.

    Raises:
        DataError: it is no tar file, is compressed or cut off, or has two members of one name.
    """
    samples: dict[str, _Sample] = {}
    bad: list[tuple[str, str]] = []
    others: list[str] = []
    for member, content in _members(path):
        name = member.name.removeprefix("./")
        if any(part.startswith(".") and part != ".." for part in name.split("/")):
            continue  # hidden, such as the files that macOS adds
        if reason := _wrong(member, name):
            bad.append((name, reason))
            continue
        parts = re.fullmatch(r"((?:.*/)?[^./]+)\.([^/]+)", name, re.DOTALL)
        ending = "" if parts is None else parts[2].lower()
        if parts is None or (f".{ending}" not in EXTENSIONS and ending not in _LABELS):
            others.append(name)
            continue
        sample = samples.setdefault(parts[1], _Sample())
        if f".{ending}" in EXTENSIONS:
            if sample.image:
                raise DataError(
                    f"{show(path)}: {show(name)}: a second picture of this name, after "
                    f"{show(sample.image)}; expected different names"
                )
            sample.image, sample.start, sample.size = name, member.offset_data, member.size
            continue
        try:
            label, file = _label(ending, content.read(_MOST_LABEL))
        except ValueError as error:
            bad.append((name, str(error)))
            continue
        sample.file = file or sample.file
        if label is not None and (ending == "cls" or not sample.from_cls):
            sample.label, sample.from_cls = label, ending == "cls"
    notes = []
    if others:
        notes.append(
            f"{show(path)}: left out {len(others)} members that are neither a picture nor its "
            f"label, such as {show(others[0])}"
        )
    return _index(samples, bad, notes)


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The members that are no folders, each with its content.

    Raises:
        DataError: as for `scan`.
    """
    with path.open("rb") as stream:
        first = stream.read(2)
        if kind := _COMPRESSED.get(first):
            raise DataError(
                f"{show(path)}: compressed by {kind}; expected a plain tar file, whose pictures "
                f"are read by their position"
            )
        stream.seek(0)
        last = "at its first member"
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    if not member.isdir():
                        content = archive.extractfile(member) if member.isreg() else None
                        yield member, content or io.BytesIO()
                    last = f"after {show(member.name)}"
                    vars(archive)["members"].clear()  # they would fill the memory
                end = archive.offset
        except (tarfile.TarError, EOFError, OSError, UnicodeError) as error:
            raise DataError(f"{show(path)}: damaged or cut off {last} ({show(error)})") from None
        stream.seek(end)
        rest = stream.read(2**20)
        if len(rest) < BLOCK:
            raise DataError(
                f"{show(path)}: cut off {last}; expected blocks of zeros that end the archive"
            )
        if any(rest):
            raise DataError(
                f"{show(path)}: more data {last}, behind the end of the archive; expected one "
                f"archive in a file"
            )


def _wrong(member: tarfile.TarInfo, name: str) -> str:
    """Why a member cannot be used; "" if it can."""
    if not member.isreg():
        return "a link or device; expected a file"
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
        return "its name leads out of the archive; expected a relative path without .."
    if member.sparse is not None:
        return "a sparse file; expected a plain one"
    return ""


def _label(ending: str, content: bytes) -> tuple[Label | None, str]:
    """The label in a member, None if a JSON object has none; and the picture's original name."""
    if len(content) == _MOST_LABEL:
        raise ValueError("too long for a label")
    value: Any = None
    try:
        text = content.decode("utf-8").strip()
        if ending == "cls":
            value = int(text) if re.fullmatch(r"-?\d{1,9}", text) else text
        else:
            value = json.loads(text)
    except (ValueError, RecursionError):
        wanted = "UTF-8 text" if ending == "cls" else "a JSON object"
        raise ValueError(f"{content[:40]!r} is no label; expected {wanted}") from None
    if ending == "cls":
        return _checked(value), ""
    if not isinstance(value, dict):
        raise ValueError(f"{text[:40]!r} is no label; expected a JSON object")
    file = value.get("file")
    original = file if isinstance(file, str) else ""
    for key in ("cls", "label", "class_name"):
        if key in value:
            return _checked(value[key], value.get("class_name")), original
    return None, original


def _checked(value: Any, name: Any = None) -> Label:
    """The label of these values.

    Raises:
        ValueError: they are no label.
    """
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if number is None and name is None:
        name = value
    if number is not None and number < 0:
        raise ValueError(f"label {number}; expected 0 or more")
    if name is not None and not (isinstance(name, str) and name and is_plain_text(name)):
        raise ValueError(f"label {str(value)[:40]!r}; expected a number or a name of one line")
    return number, name


def _index(samples: dict[str, _Sample], bad: list[tuple[str, str]], notes: list[str]) -> TarIndex:
    names, table = NamesWriter(), dict[Label, int]()
    starts: list[int] = []
    sizes: list[int] = []
    labels: list[int] = []
    files: dict[int, str] = {}
    known = {name for name, _ in bad}
    for key, sample in samples.items():
        if not sample.image:
            if not {f"{key}.cls", f"{key}.json"} & known:
                bad.append((key, "a label without a picture"))
        elif sample.label is None:
            if not {f"{key}.cls", f"{key}.json"} & known:
                bad.append((sample.image, f"no label; expected {show(key)}.cls or .json"))
        else:
            if sample.file:
                files[len(starts)] = sample.file
            names.add([sample.image])
            starts.append(sample.start)
            sizes.append(sample.size)
            labels.append(table.setdefault(sample.label, len(table)))
    return TarIndex(
        names.names(),
        np.array(starts, np.int64),
        np.array(sizes, np.int64),
        np.array(labels, np.int32),
        list(table),
        files,
        bad,
        notes,
    )
