"""Run one part of the GPU benchmarks in this process: `python -m benchmarks.gpu.part NAME`."""

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.gpu.parts import PARTS
from benchmarks.save import exit_if_wrong
from jcnn.bench.record import Result, Row, new_result, write_json
from jcnn.bench.table import figure, markdown, time_text
from jcnn.compile import use_cache
from jcnn.system.files import write_text
from jcnn.system.machine import describe_machine

PACKAGES = ("jax", "jaxlib", "flax", "torch", "nvidia-cudnn-cu13")


# What a part yields: rows one by one, or several that are found together.
Rows = Iterator[Row | list[Row]]


class Options(NamedTuple):
    """What the parts are given.

    Attributes:
        small: tiny sizes, as a test on a CPU.
        data_dir: folder of Fashion-MNIST's IDX files; None for random images.
        out: folder of the results.
        seconds: the time limit of the process; None is no limit.
    """

    small: bool
    data_dir: Path | None
    out: Path
    seconds: float | None


def main() -> None:
    """Measure one part, and write and print each row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.part")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seconds", type=float)
    chosen = parser.parse_args()
    use_cache(chosen.cache)
    # Each part is a module of its name, which imports only what it needs.
    module = importlib.import_module(f"benchmarks.gpu.{chosen.part}")
    rows: Callable[[Options], Rows] = module.measure
    findings: Callable[[list[Row]], list[str]] = module.findings
    options = Options(chosen.small, chosen.data_dir, chosen.out, chosen.seconds)
    result = record(chosen.part, partial(rows, options), findings, chosen.out)
    exit_if_wrong([result])


def record(
    part: str,
    measure: Callable[[], Rows],
    findings: Callable[[list[Row]], list[str]],
    out: Path,
) -> Result:
    """Write `out/PART.json` after every row, since the process may be killed, and a table last.

    Args:
        part: name in `PARTS`.
        measure: measures the rows.
        findings: the key figures of the rows so far, one a line.
        out: folder of the results.
    """
    began = time.monotonic()
    command = f"python -m benchmarks.gpu.part {' '.join(sys.argv[1:])}"
    result = new_result(
        *(part, PARTS[part].question, []),
        command=command,
        packages=PACKAGES,
        device=describe_machine()["device"],
    )
    for found in measure():
        new = [found] if isinstance(found, Row) else found
        rows = (*result.rows, *new)
        result = replace(result, rows=rows, findings=tuple(findings(list(rows))))
        write_json(result, out / f"{part}.json")
        for row in new:
            print(f"{time.monotonic() - began:6.1f} {line(row)}", flush=True)
    write_text(out / f"{part}.md", markdown(result))
    return result


def line(row: Row) -> str:
    """A row as one line of text."""
    texts = [row.case, row.contestant, row.group]
    texts += [f"{time_text(row.median)} (n={row.n})"] if row.median is not None else []
    texts += [f"{name} {figure(value)}" for name, value in row.figures.items()]
    texts += [row.agreement(), row.note]
    return " | ".join(text for text in texts if text)


if __name__ == "__main__":
    main()
