"""Read and write the tables of method "auto": jcnn's own, and the one measured by the user.

Both are JSON: an object with `format`, `measured_on` (one line: machine and versions) and
`convolutions`, one per line with its name, shapes, parameters, chosen lowering and the median
milliseconds of each lowering. They are read once, when the first convolution is compiled.
"""

import functools
import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jcnn.ops.conv.lowerings.lowering import Pair, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.table.lookup import Conv, Measured, Table
from jcnn.system.caches import CacheWarning, cache_folder, check_private

FORMAT = "jcnn convolution table 2"
SHIPPED = Path(__file__).with_name("conv_table.json")


def tuned_file() -> Path:
    """Path of the table measured on this machine, in the user's cache folder."""
    return cache_folder() / "conv_table.json"


@functools.cache
def tables() -> tuple[Table, ...]:
    """The tables in the order of lookup: the user's, if there is one, then jcnn's.

    An unusable user's table, such as one of another version, is skipped with a warning.
    """
    tuned = tuned_file()
    if not os.path.lexists(tuned):
        return (read(SHIPPED),)
    try:
        check_private(tuned)
        return read(tuned), read(SHIPPED)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
    except ValueError as error:
        reason = str(error)
    warnings.warn(f"{reason}; jcnn's own table is used", CacheWarning, stacklevel=2)
    return (read(SHIPPED),)


def read(file: Path) -> Table:
    """Read a table.

    Raises:
        ValueError: the file is not a table of this format, or is damaged; the message names it.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"not a {FORMAT!r}")
        lines = tuple(_line(entry) for entry in content["convolutions"])
        return Table(file, str(content["measured_on"]), lines)
    except (ValueError, KeyError, TypeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        advice = "delete it, or measure anew with `jcnn bench tune`"
        raise ValueError(f"{file}: {' '.join(what.split())}; {advice}") from error


def text(measured_on: str, lines: Iterable[Measured]) -> str:
    """A table as text for `read`: one convolution per line, sorted."""
    entries = ",\n  ".join(sorted(json.dumps(_entry(line)) for line in lines))
    return (
        f'{{"format": {json.dumps(FORMAT)},\n "measured_on": {json.dumps(measured_on)},\n'
        f' "convolutions": [\n  {entries}\n]}}\n'
    )


def _entry(line: Measured) -> dict[str, Any]:
    conv = line.conv
    return {
        "platform": conv.platform,
        "dtype": conv.dtype,
        "name": line.name,
        "lowering": line.lowering,
        "ms": line.milliseconds,
        "x": conv.x,
        "kernel": conv.kernel,
        **asdict(conv.params),
    }


def _line(entry: Any) -> Measured:
    milliseconds = {str(lowering): float(ms) for lowering, ms in dict(entry["ms"]).items()}
    for lowering in (entry["lowering"], *milliseconds):
        if lowering not in LOWERINGS:
            raise ValueError(
                f"lowering: got {lowering!r}; accepted: {', '.join(map(repr, LOWERINGS))}"
            )
    n, h, w, c = _whole(entry["x"], least=1)
    kh, kw, i, o = _whole(entry["kernel"], least=1)
    rows, columns = entry["padding"]
    (groups,) = _whole([entry["groups"]], least=1)
    conv = Conv(
        platform=str(entry["platform"]),
        dtype=str(entry["dtype"]),
        x=(n, h, w, c),
        kernel=(kh, kw, i, o),
        params=Params(
            stride=_pair(entry["stride"], least=1),
            padding=(_pair(rows), _pair(columns)),
            in_dilation=_pair(entry["in_dilation"], least=1),
            dilation=_pair(entry["dilation"], least=1),
            groups=groups,
        ),
    )
    if min(conv.out) < 1 or c != groups * i:
        raise ValueError(f"convolutions: x {conv.x} and kernel {conv.kernel} do not fit")
    return Measured(conv, entry["lowering"], milliseconds, str(entry["name"]))


def _pair(values: Any, least: int | None = None) -> Pair:
    first, second = _whole(values, least)
    return first, second


def _whole(values: Any, least: int | None) -> list[int]:
    numbers = list(values)
    for number in numbers:
        if type(number) is not int or (least is not None and number < least):
            raise ValueError(f"convolutions: got {number!r} where a whole number belongs")
    return numbers
