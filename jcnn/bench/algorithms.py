"""Which algorithm is fastest for which convolution, and how exact is it?

Runs every method of `jcnn.ops.METHODS` on the shapes of `cases`, forward and backward. Each result
is compared with NumPy float64 before the method is timed. Besides the time, a row has the rate for
the operations of the convolution's definition (an algorithm with fewer multiplications may exceed
the machine's rate), that rate relative to a large matrix product timed in the same rounds, and the
program's memory: arguments, results and temporaries.
"""

import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcnn.bench.cases import CASES, Case
from jcnn.bench.in_process import time_in_rounds
from jcnn.bench.record import Row, ratio, relative_error
from jcnn.bench.reference import reference
from jcnn.compile import jit
from jcnn.ops import METHODS, conv2d

QUESTION = "Which algorithm is fastest for which convolution?"
BASELINE = "lax"
# The cases of --quick.
QUICK = ("conv4, 2", "conv4, 3", "ResNet 3x3, 14", "ResNet 1x1, 14")
# Cases that are measured in bfloat16 as well as float32.
BFLOAT16 = ("conv4, 2", "ResNet 3x3, 28", "ResNet 1x1, 56", "depthwise 3x3, 56")
USUAL = ("forward", "gradient")
FULL = ("forward", "by input", "by kernel", "gradient")
# Largest allowed difference from float64, relative to the largest number of the result.
TOLERANCES = {"float32": 1e-3, "bfloat16": 5e-2}
# Methods that unroll the cells of the kernel take minutes to compile above this many cells.
_MOST_CELLS = {"im2col": 200, "shift": 200}
# A method is not timed if one run takes longer than this, in seconds.
_MOST = 5.0
_MATMUL = 1024
# The note of "auto" where it uses XLA's convolution: the times differ only by noise.
_SAME = "the same program as lax"


def rows(
    cases: Mapping[str, Case] = CASES,
    dtypes: Mapping[str, tuple[str, ...] | None] | None = None,
    directions: tuple[str, ...] = USUAL,
    *,
    methods: tuple[str, ...] | None = None,
    rounds: int = 7,
    matmul_size: int = _MATMUL,
    notify: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measure each method on each case.

    Args:
        cases: convolutions by name.
        dtypes: for each dtype, the names of its cases; None means all of them. By default
            float32 on all and bfloat16 on `BFLOAT16`.
        directions: of `FULL`; "gradient" is both gradients by one program.
        methods: of `METHODS`; None means all.
        rounds: largest number of timed runs of each method.
        matmul_size: side of the matrices whose product gives the machine's rate.
        notify: called with a line for each measurement.

    Returns:
        For each dtype, the matrix product, then a row for each direction, case and method.
    """
    found: list[Row] = []
    chosen = {"float32": None, "bfloat16": BFLOAT16} if dtypes is None else dtypes
    for dtype, names in chosen.items():
        product = _product(dtype, matmul_size)
        products: tuple[float, ...] = ()
        # All directions of a case share one reference; the table is sorted by direction.
        measured: dict[str, list[Row]] = {direction: [] for direction in directions}
        for name, case in cases.items():
            if names is not None and name not in names:
                continue
            arrays, truth = _drawn(case, dtype)
            for direction in directions:
                if direction == "by input" and case.of_images:
                    continue
                notify(f"{dtype}: {name}, {direction}")
                one = _Measured(name, case, dtype, direction, arrays, truth)
                timed, product_seconds = one.rows(methods or tuple(METHODS), rounds, product)
                measured[direction] += timed
                products += product_seconds
        found.append(matmul_row(dtype, matmul_size, products))
        found += [row for rows in measured.values() for row in rows]
    return found


def findings(rows: list[Row]) -> list[str]:
    """The machine's rate, and whether "auto" is ever slower than "lax"."""
    lines = [
        f"{row.group.split(', ')[1]}: a matrix product runs at {row.figures['GFLOP/s']:.0f} GFLOP/s"
        for row in rows
        if row.contestant == "matmul" and row.figures
    ]
    autos = [row for row in rows if row.contestant == "auto"]
    same = sum(_SAME in row.note for row in autos)
    shares = {
        f"{row.case}, {row.group}": share
        for row in autos
        if _SAME not in row.note and (share := ratio(rows, row, "lax")) is not None
    }
    if same:
        lines.append(f"auto is {_SAME} in {same} of {len(autos)}")
    if shares:
        worst = max(shares, key=shares.__getitem__)
        over = sum(share > 1.05 for share in shares.values())
        lines.append(
            f"where it is not, auto / lax: {min(shares.values()):.2f} to {shares[worst]:.2f} "
            f"(worst: {worst}); over 1.05 in {over} of {len(shares)}"
        )
    return lines


def matmul_row(dtype: str, size: int, seconds: tuple[float, ...]) -> Row:
    """The row of the matrix product, which is timed together with every case."""
    figures = {"GFLOP/s": _product_rate(size, seconds), "of matmul": 1.0} if seconds else {}
    case = f"{size} x {size} matrices"
    return Row(case, "matmul", seconds, group=f"forward, {dtype}", figures=figures)


class _Product(NamedTuple):
    """A product of two square matrices, the reference rate."""

    size: int
    run: Callable[[], Any]


def _product(dtype: str, size: int) -> _Product:
    rng = np.random.default_rng(0)
    pair = [jnp.asarray(rng.standard_normal((size, size)), dtype) for _ in range(2)]
    return _Product(size, _call(jit(jnp.matmul).lower(*pair).compile(), pair))


def _product_rate(size: int, seconds: tuple[float, ...]) -> float:
    """GFLOP/s of the product: two operations for each of `size ** 3` multiplications."""
    return 2 * size**3 / statistics.median(seconds) / 1e9


def _drawn(case: Case, dtype: str) -> tuple[list[jax.Array], list[np.ndarray]]:
    """Random `x`, `kernel` and `dy`; and `y`, `dx` and `dk` in float64, of the rounded inputs."""
    rng = np.random.default_rng(0)
    shapes = (case.x, case.kernel, case.y)
    arrays = [jnp.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    x, kernel, dy = (np.asarray(one.astype(jnp.float32), np.float64) for one in arrays)
    return arrays, list(reference(x, kernel, dy, case.window, case.groups))


@dataclass(frozen=True)
class _Measured:
    """One direction of one case in one dtype."""

    name: str
    case: Case
    dtype: str
    direction: str
    drawn: list[jax.Array]
    truth: list[np.ndarray]

    def rows(
        self, methods: tuple[str, ...], rounds: int, product: _Product
    ) -> tuple[list[Row], tuple[float, ...]]:
        """A row for each method, and the seconds of the matrix product.

        A method that was not timed has a note with the reason.
        """
        arrays = self.drawn[:2] if self.direction == "forward" else self.drawn
        wanted = self._wanted()
        programs: dict[str, Any] = {}
        errors: dict[str, float] = {}
        notes: dict[str, str] = {}
        for method in methods:
            reason = self._unsupported(method, arrays)
            if reason is not None:
                notes[method] = reason
                continue
            programs[method] = jit(self._function(method)).lower(*arrays).compile()
            answer = jax.tree.leaves(programs[method](*arrays))
            errors[method] = relative_error(
                [np.asarray(one.astype(jnp.float32)) for one in answer], wanted
            )
        calls = {method: _call(program, arrays) for method, program in programs.items()}
        right = {m: call for m, call in calls.items() if errors[m] <= TOLERANCES[self.dtype]}
        calls_in_turn = right | {"matmul": product.run} if right else {}
        seconds = time_in_rounds(calls_in_turn, rounds=rounds, most=_MOST)
        product_seconds = seconds.get("matmul", ())
        rate = _product_rate(product.size, product_seconds) if product_seconds else None
        found = []
        for method in methods:
            taken = seconds.get(method, ())
            if method in right and not taken:
                notes[method] = f"over {_MOST:.0f} s a run"
            row = Row(
                self.name,
                method,
                taken,
                group=f"{self.direction}, {self.dtype}",
                figures=self._figures(taken, programs.get(method), rate),
                error=errors.get(method),
                tolerance=TOLERANCES[self.dtype] if method in errors else None,
                note=notes.get(method, self._remark(method, programs)),
            )
            found.append(row)
        return found, product_seconds

    def _wanted(self) -> list[np.ndarray]:
        y, dx, dk = self.truth
        if self.direction == "forward":
            return [y]
        return {"by input": [dx], "by kernel": [dk], "gradient": [dx, dk]}[self._computed()]

    def _computed(self) -> str:
        """The direction to compute: for image inputs, the gradient is only that of the kernel."""
        by_kernel = self.direction == "gradient" and self.case.of_images
        return "by kernel" if by_kernel else self.direction

    def _remark(self, method: str, programs: Mapping[str, Any]) -> str:
        remarks = ["by kernel only"] if self._computed() != self.direction else []
        if method == "auto" and "lax" in programs:
            same = _instructions(programs["auto"]) == _instructions(programs["lax"])
            remarks += [_SAME] * same
        return "; ".join(remarks)

    def _function(self, method: str) -> Callable[..., Any]:
        case, computed = self.case, self._computed()

        def forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return conv2d(
                x,
                kernel,
                stride=case.stride,
                padding=case.padding,
                dilation=case.dilation,
                groups=case.groups,
                method=method,
            )

        def by_input(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> Any:
            return jax.vjp(lambda x: forward(x, kernel), x)[1](dy)

        def by_kernel(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> Any:
            return jax.vjp(lambda kernel: forward(x, kernel), kernel)[1](dy)

        def gradient(x: jax.Array, kernel: jax.Array, dy: jax.Array) -> Any:
            return jax.vjp(forward, x, kernel)[1](dy)

        functions: dict[str, Callable[..., Any]] = {
            "forward": forward,
            "by input": by_input,
            "by kernel": by_kernel,
            "gradient": gradient,
        }
        return functions[computed]

    def _unsupported(self, method: str, arrays: list[jax.Array]) -> str | None:
        case = self.case
        reason = METHODS[method].unsupported(arrays[0], arrays[1], case.window, case.groups)
        if reason is not None:
            return reason
        cells = case.kernel[0] * case.kernel[1]
        if cells > _MOST_CELLS.get(method, cells):
            return f"writes out each of {cells} cells: compiling takes minutes"
        return None

    def _figures(
        self, seconds: tuple[float, ...], program: Any, rate: float | None
    ) -> dict[str, float]:
        found: dict[str, float] = {}
        if seconds:
            parts = 2 if self._computed() == "gradient" else 1
            flops = parts * self.case.flops / statistics.median(seconds) / 1e9
            found = {"GFLOP/s": flops} | ({"of matmul": flops / rate} if rate else {})
        memory = None if program is None else program.memory_analysis()
        if memory is not None:
            needed = (
                memory.argument_size_in_bytes
                + memory.output_size_in_bytes
                + memory.temp_size_in_bytes
            )
            found["MiB"] = needed / 2**20
        return found


def _call(program: Any, arrays: list[jax.Array]) -> Callable[[], Any]:
    return lambda: program(*arrays)


def _instructions(program: Any) -> list[str]:
    """The instructions of a compiled program without their source locations."""
    lines = program.as_text().splitlines()
    return [re.sub(r", metadata=\{[^}]*\}", "", line) for line in lines if " = " in line]
