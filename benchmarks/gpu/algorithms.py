"""The speed of every convolution method by shape, direction and dtype, as in `jcnn bench`."""

from collections.abc import Iterator
from itertools import product

from benchmarks.gpu.part import Options
from jcnn.bench.algorithms import rows as algorithm_rows
from jcnn.bench.cases import CASES, Case
from jcnn.bench.record import Row


def measure(options: Options) -> Iterator[Row]:
    """Yield the rows of one case at a time."""
    cases = {"tiny": Case((2, 8, 6, 4), (3, 3, 4, 8))} if options.small else CASES
    rounds, size = (1, 128) if options.small else (7, 8192)
    for dtype, (name, case) in product(("bfloat16", "float32"), cases.items()):
        found = algorithm_rows({name: case}, {dtype: None}, rounds=rounds, matmul_size=size)
        first = name == next(iter(cases))
        yield from (row for row in found if first or row.contestant != "matmul")


def findings(rows: list[Row]) -> list[str]:
    """The number of rows; the table has the times."""
    return [f"{len(rows)} rows"]
