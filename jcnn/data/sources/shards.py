"""Shards: files that hold many labelled pictures each, such as tar or Parquet files.

The splits follow from the names of the files: train-000.tar, imagenet-val-000.tar,
test-00000-of-00002.parquet; or of their folders.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from jcnn.data._files import is_plain_text, show
from jcnn.data.errors import DataError
from jcnn.data.file_names import FileNames, joined
from jcnn.data.parallel import in_parallel
from jcnn.data.pictures import Pictures
from jcnn.data.request import Request
from jcnn.data.sources.class_folders import PARTS, part_of_name

CLASSES = "classes.txt"  # the class names of shards with numbers for labels, one in each line
_MOST_CLASSES = 100_000

# A label as a shard has it: a number, a class name, or both.
Label = tuple[int | None, str | None]


@dataclass(frozen=True, eq=False)
class Shard:
    """The N pictures of one file.

    Args:
        path: of the file.
        names: of the pictures.
        labels: `(N,)` int32, an index into `table` for each picture.
        table: the different labels.
        open: opens picture `n`.
        class_names: those that the file states; None if it states none.
        bad: names of pictures that cannot be used, with the reason.
        notes: lines for the user.
        blocks: `(N,)` int32 from 0, pictures that are read together; None if each is read by
            itself.
    """

    path: Path
    names: FileNames
    labels: npt.NDArray[np.int32]
    table: Sequence[Label]
    open: Callable[[int], IO[bytes]]
    class_names: tuple[str, ...] | None = None
    bad: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    blocks: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def read_shards(
    request: Request, kind: str, index: Callable[[Path, Request], Shard], *, ordered: bool
) -> Pictures:
    """The pictures of all files that the pattern `request.argument` matches.

    Args:
        request: its argument is a pattern.
        kind: "tar" or "parquet", which is also the ending of the files.
        index: lists the pictures of one file.
        ordered: whether rows keep the order of the files; otherwise each split is sorted by class
            and name, as a folder is.

    Raises:
        FileNotFoundError: no file matches.
        DataError: a file is damaged, or the labels of two files do not go together.
    """
    paths, sizes, notes = _divided(find_files(request.argument, kind), request)
    what = f"indexing {kind}:{show(request.argument)}"
    shards = in_parallel(lambda n: index(paths[n], request), len(paths), what, request.notify)
    class_names, labels = _classes(shards)
    names = joined([shard.names for shard in shards])
    firsts = np.cumsum([0, *map(len, shards)])
    of_split = np.repeat(np.arange(len(sizes)), sizes)  # the split of each shard
    split = np.repeat(of_split, list(map(len, shards)))
    rows = np.arange(len(labels))
    if not ordered:
        words = np.array([names[n] for n in range(len(names))], object)
        rows = np.lexsort((_ranks(words), labels, split))
    counts = np.bincount(split, minlength=3)

    def found(n: int) -> tuple[Shard, int]:
        which = int(np.searchsorted(firsts, rows[n], side="right")) - 1
        return shards[which], int(rows[n] - firsts[which])

    def opened(n: int) -> IO[bytes]:
        shard, inside = found(n)
        return shard.open(inside)

    def place(n: int) -> str:
        shard, inside = found(n)
        return f"{shard.path}: {shard.names[inside]}"

    def state() -> str:
        return hashlib.sha256(repr([_state(path) for path in paths]).encode()).hexdigest()

    if not len(labels) and not any(shard.bad for shard in shards):
        raise DataError(f"{show(request.argument)}: no picture in these files")
    return Pictures(
        kind=kind,
        where=request.argument,
        names=names.take(rows),
        labels=labels[rows],
        class_names=class_names,
        sizes=None if not (counts[1] or counts[2]) else (counts[0], counts[1], counts[2]),
        open=opened,
        place=place,
        state=state,
        # Reading all bytes of shards takes too long; their state stands for it.
        content=lambda: json.dumps([state(), class_names]),
        bad=[(f"{shard.path}: {name}", why) for shard in shards for name, why in shard.bad],
        notes=[*notes, *(note for shard in shards for note in shard.notes)],
        blocks=_blocks(shards),
    )


def find_files(pattern: str, kind: str) -> list[Path]:
    """The files of a kind that a pattern matches, sorted by path.

    Raises:
        FileNotFoundError: there is none.
    """
    ending = f".{kind}"
    named = Path(pattern)
    start = Path(named.anchor)
    inner = str(named.relative_to(start))
    paths = [named] if named.exists() or inner == "." else list(start.glob(inner))
    found = sorted(path for path in paths if path.name.endswith(ending) and path.is_file())
    if found:
        return found
    hint = ""
    if len(paths) == 1 and paths[0].is_dir():
        hint = f"; did you mean '{kind}:{show(paths[0] / ('*' + ending))}'?"
    elif any(re.search(r"\.(tgz|tar\.\w+)$", path.name) for path in paths):
        hint = "; a compressed archive has to be unpacked first"
    elif "{" in pattern:
        hint = "; * and ? stand for letters, [0-9] for a digit"
    raise FileNotFoundError(f"{show(pattern)}: no file that ends in {ending} matches{hint}")


def _divided(
    paths: list[Path], request: Request
) -> tuple[list[Path], tuple[int, int, int], list[str]]:
    """The files by split, the number of files in each, and notes."""
    parts: dict[str | None, list[Path]] = {}
    for path in paths:
        parts.setdefault(_part(path), []).append(path)
    where = show(request.argument)
    if len(parts) == 1:
        (part,) = parts
        files = f"a fifth of each class of {part} is" if part else "a fifth of each class is"
        return paths, (len(paths), 0, 0), [f"{where}: no test shards; {files} for test"]
    if None in parts:
        other = next(path for part, (path, *_) in parts.items() if part)
        raise DataError(
            f"{show(parts[None][0])}: no train, val or test in its name, as in {show(other.name)}"
        )
    if PARTS[0] not in parts:
        raise DataError(f"{where}: matches {' and '.join(map(str, parts))}; expected train too")
    lists = [parts.get(part, []) for part in PARTS]
    train, validation, test = map(len, lists)
    notes = [f"{where}: no test shards; a fifth of each class of train is for test"]
    divided = [path for some in lists for path in some]
    return divided, (train, validation, test), notes * (not test)


def _part(path: Path) -> str | None:
    """The split that a word of a file's name, or else its folder's name, stands for."""
    words = map(part_of_name, re.split(r"[-_.]", path.name))
    found = [part for part in words if part]
    return found[-1] if found else part_of_name(path.absolute().parent.name)


def _classes(shards: Sequence[Shard]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """The class names, and the label of each picture of all shards."""
    stated = [shard for shard in shards if shard.class_names is not None]
    for shard in stated[1:]:
        if shard.class_names != stated[0].class_names:
            raise DataError(
                f"{show(shard.path)}: other class names than {show(stated[0].path)}; "
                f"expected the same in all files"
            )
    names = stated[0].class_names if stated else None
    _check_kinds(shards)
    table = {label for shard in shards for label in shard.table}
    if names is None:
        names = _names_of(shards, table)
    places = {name: n for n, name in enumerate(names)}
    found = []
    for shard in shards:
        own = np.zeros(len(shard.table), np.int32)
        for n, (number, name) in enumerate(shard.table):
            label = places.get(str(name)) if number is None else number
            if label is None or label >= len(names):
                got = name if number is None else number
                raise DataError(
                    f"{_first(shard, n)}: label {got!r}; expected one of the {len(names)} classes "
                    f"of {show(stated[0].path if stated else shard.path.parent)}"
                )
            own[n] = label
        found.append(own[shard.labels])
    return names, np.concatenate(found)


def _check_kinds(shards: Sequence[Shard]) -> None:
    """Raise if some labels are numbers and others are only names."""
    seen: dict[bool, str] = {}
    for shard in shards:
        for n, (number, _) in enumerate(shard.table):
            seen.setdefault(number is None, _first(shard, n))
    if len(seen) > 1:
        raise DataError(
            f"{seen[True]}: a name for a label, but a number at {seen[False]}; "
            f"expected one kind in all files"
        )


def _names_of(shards: Sequence[Shard], table: set[Label]) -> tuple[str, ...]:
    """The class names that the labels themselves give."""
    numbers = {number for number, _ in table if number is not None}
    if not numbers:
        return tuple(sorted({str(name) for _, name in table}))
    if max(numbers) >= _MOST_CLASSES:
        for shard in shards:
            for n, (number, _) in enumerate(shard.table):
                if number == max(numbers):
                    raise DataError(
                        f"{_first(shard, n)}: label {number}; expected less than {_MOST_CLASSES}"
                    )
    named: dict[int, str] = {}
    for shard in shards:
        for n, (number, name) in enumerate(shard.table):
            if number is not None and name is not None and named.setdefault(number, name) != name:
                raise DataError(
                    f"{_first(shard, n)}: class {number} is {name!r}, and {named[number]!r} "
                    f"before; expected one name for each number"
                )
    return tuple(named.get(n, str(n)) for n in range(max(numbers) + 1))


def _first(shard: Shard, label: int) -> str:
    """The place of the first picture with this label of the shard's table."""
    return f"{show(shard.path)}: {show(shard.names[int(np.argmax(shard.labels == label))])}"


def read_class_names(folder: Path) -> tuple[str, ...] | None:
    """The names in the folder's `classes.txt`; None if there is no such file.

    Raises:
        DataError: it is not a list of different names.
    """
    file = folder / CLASSES
    try:
        names = tuple(file.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{show(file)}: cannot be read ({show(error)})") from error
    for n, name in enumerate(names):
        if not name or not is_plain_text(name) or name in names[:n]:
            raise DataError(f"{show(file)}: line {n + 1} is {name!r}; expected a new class name")
    return names


def _ranks(words: npt.NDArray[np.object_]) -> npt.NDArray[np.intp]:
    """The place of each word in the sorted order; equal words keep theirs."""
    order = np.argsort(words, kind="stable")
    ranks = np.empty(len(words), np.intp)
    ranks[order] = np.arange(len(words))
    return ranks


def _blocks(shards: Sequence[Shard]) -> npt.NDArray[np.int32] | None:
    """The blocks of all shards, numbered from 0."""
    found: list[npt.NDArray[np.int32]] = []
    number = 0
    for shard in shards:
        if shard.blocks is None:
            return None
        found.append(shard.blocks + np.int32(number))
        number += int(shard.blocks.max(initial=-1)) + 1
    return np.concatenate(found)


def _state(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path.absolute()), status.st_size, status.st_mtime_ns
