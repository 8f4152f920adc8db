"""Parquet shards in the image layout of Hugging Face's datasets.

A column is a struct with the field "bytes", an encoded image, and perhaps "path"; another one is
the label, a number or a name. The class names are those of the `ClassLabel` in the schema's
metadata. Only a whole row group can be read, so its rows are a block: an epoch visits them near
each other.

Reference: https://huggingface.co/docs/datasets/about_dataset_features.
"""

import importlib
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jcnn.data._files import is_plain_text, show
from jcnn.data.blocks import LEAST
from jcnn.data.dataset import Dataset
from jcnn.data.errors import DataError
from jcnn.data.file_names import NamesWriter
from jcnn.data.pictures import Pictures, read_pictures
from jcnn.data.request import Request
from jcnn.data.sources.shards import Label, Shard, read_shards

_LABELS = ("label", "labels", "cls", "class", "class_name", "fine_label")


def read_parquet(request: Request) -> tuple[Dataset, Dataset]:
    """Read the Parquet files that the pattern `request.argument` matches.

    Returns:
        The training set and the test set, divided as `read_shards` says; rows keep the order of
        the files.

    Raises:
        ValueError: pyarrow is not installed, or the pictures differ in size and
            `request.image_shape` is None.
        FileNotFoundError: no file matches.
        DataError: a file is damaged, or has no such columns.
    """
    return read_pictures(parquet_pictures(request), request)


def parquet_pictures(request: Request) -> Pictures:
    """The pictures of the files, not decoded."""
    arrow = _pyarrow()
    groups = RowGroups()

    def shard(path: Path, _request: Request) -> Shard:
        return _shard(arrow, groups, path)

    return read_shards(request, "parquet", shard, ordered=True)


class RowGroups:
    """The row groups that were read last, for several threads.

    Those of two groups of `keep_blocks` are kept, so each is read once an epoch.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: OrderedDict[tuple[Path, int], tuple[int, Future[Any]]] = OrderedDict()

    def get(self, key: tuple[Path, int], rows: int, read: Callable[[], Any]) -> Any:
        """What `read` returns for this row group of so many rows; other threads wait for it."""
        with self._lock:
            known = self._read.get(key)
            if known is not None:
                self._read.move_to_end(key)
            else:
                mine: Future[Any] = Future()
                self._read[key] = (rows, mine)
                kept = sum(count for count, _ in self._read.values())
                while kept > 2 * LEAST + rows and len(self._read) > 2:
                    kept -= self._read.popitem(last=False)[1][0]
        if known is not None:
            return known[1].result()
        try:
            mine.set_result(read())
        except BaseException as error:
            with self._lock:
                self._read.pop(key, None)
            mine.set_exception(error)
        return mine.result()


def _shard(arrow: Any, groups: RowGroups, path: Path) -> Shard:
    file = _opened(arrow, path)
    image, label, class_names = _columns(arrow, file.schema_arrow, path)
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    fields = [field.name for field in file.schema_arrow.field(image).type]
    wanted = [label] + ([f"{image}.path"] if "path" in fields else [])
    try:
        table = file.read(columns=wanted)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{show(path)}: damaged ({show(_line(error))})") from None
    count, firsts = len(table), np.cumsum([0, *sizes])
    named = table[image].combine_chunks().field("path").to_pylist() if "path" in fields else []
    names = NamesWriter()
    names.add(str(name) if name else f"row {n}" for n, name in enumerate(named or [""] * count))
    labels, kinds, bad = _labels(table[label].to_pylist())

    def opened(n: int) -> IO[bytes]:
        row = int(good[n])
        group = int(np.searchsorted(firsts, row, side="right")) - 1
        column = groups.get(
            (path, group), sizes[group], lambda: _read_group(arrow, path, image, group)
        )
        content = column[row - int(firsts[group])].as_py()
        if content is None:
            raise DataError(
                f"{show(path)}: {show(shown[n])}: no bytes in row {row}; expected the encoded image"
            )
        return io.BytesIO(content)

    good = np.array([n for n in range(count) if n not in bad], np.intp)
    shown = names.names().take(good)
    blocks = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[good]
    reasons = [(f"row {n}", reason) for n, reason in bad.items()]
    return Shard(
        path,
        shown,
        labels[good],
        kinds,
        opened,
        class_names=class_names,
        bad=reasons,
        blocks=blocks,
    )


def _read_group(arrow: Any, path: Path, image: str, group: int) -> Any:
    """The encoded images of a row group."""
    try:
        table = _opened(arrow, path).read_row_group(group, columns=[f"{image}.bytes"])
        return table[image].combine_chunks().field("bytes")
    except (arrow.ArrowException, OSError) as error:
        where = f"{show(path)}: row group {group}"
        raise DataError(f"{where}: cannot be read ({show(_line(error))})") from None


def _opened(arrow: Any, path: Path) -> Any:
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{show(path)}: not a Parquet file ({show(_line(error))})") from None


def _columns(arrow: Any, schema: Any, path: Path) -> tuple[str, str, tuple[str, ...] | None]:
    """The image column, the label column and the class names of a schema."""
    features = _features(schema)
    listed = ", ".join(f"{name} ({schema.field(name).type})"[:60] for name in schema.names)
    images = [name for name in schema.names if _is_image(arrow, schema.field(name).type)]
    if not images:
        raise DataError(
            f"{show(path)}: columns {show(listed)}; expected a struct column with the field bytes"
        )
    image = "image" if "image" in images else images[0]
    stated = [name for name, one in features.items() if one.get("_type") == "ClassLabel"]
    named = [name for name in _LABELS if name in schema.names]
    choices = [name for name in (*stated, *named) if name in schema.names]
    if not choices:
        raise DataError(
            f"{show(path)}: columns {show(listed)}; expected a label column, by one of the names "
            f"{', '.join(_LABELS)} or as a ClassLabel"
        )
    label = next((name for name in choices if name == "label"), choices[0])
    kind = schema.field(label).type
    if not (arrow.types.is_integer(kind) or _is_text(arrow, kind)):
        raise DataError(
            f"{show(path)}: column {show(label)} holds {kind}; expected integers or strings"
        )
    names = features.get(label, {}).get("names")
    if not names:
        return image, label, None
    wrong = [n for n in names if not (isinstance(n, str) and n and is_plain_text(n))]
    if wrong or len(set(names)) < len(names):
        raise DataError(f"{show(path)}: the class names of {show(label)} are not different lines")
    return image, label, tuple(names)


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """The features by column as Hugging Face's datasets stores them; {} if there are none."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        features = content["info"]["features"]
        return {name: one for name, one in features.items() if isinstance(one, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _is_image(arrow: Any, kind: Any) -> bool:
    if not arrow.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    content = kind.field("bytes").type
    return bool(arrow.types.is_binary(content) or arrow.types.is_large_binary(content))


def _is_text(arrow: Any, kind: Any) -> bool:
    return bool(arrow.types.is_string(kind) or arrow.types.is_large_string(kind))


def _labels(
    values: list[Any],
) -> tuple[npt.NDArray[np.int32], list[Label], dict[int, str]]:
    """The index of each row into the list of different labels; and rows without one."""
    table: dict[Label, int] = {}
    labels = np.zeros(len(values), np.int32)
    bad: dict[int, str] = {}
    for n, value in enumerate(values):
        number = value if isinstance(value, int) else None
        if value is None or (number is not None and number < 0):
            bad[n] = f"label {value}; expected 0 or more" if value is not None else "no label"
        elif number is None and not (value and is_plain_text(value)):
            bad[n] = f"label {value[:40]!r}; expected a name of one line"
        else:
            label = (number, value if number is None else None)
            labels[n] = table.setdefault(label, len(table))
    return labels, list(table), bad


def _pyarrow() -> Any:
    try:
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise ValueError("data: parquet:GLOB needs pyarrow; pip install 'jcnn[parquet]'") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
