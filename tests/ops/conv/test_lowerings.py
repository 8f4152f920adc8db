"""Every lowering against the oracle, over the whole family of convolutions of the primitive.

The primitive has more than `conv2d`: input dilation, padding that crops, an axis of models.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from jcnn.ops.conv.lowerings.lowering import Conv, Params
from jcnn.ops.conv.lowerings.registry import LOWERINGS
from jcnn.ops.conv.primitive import conv
from tests.ops.conv import oracle
from tests.ops.conv.cases import draw, naming, precision_for, rounded, together
from tests.ops.conv.oracle import Array
from tests.ops.conv.strategies import check_together
from tests.ops.conv.tolerances import assert_close

# Those that round more are in `test_native.py`, `test_winograd.py` and `test_fft.py`.
PLAIN = [name for name in LOWERINGS if LOWERINGS[name].plain]
every_lowering = pytest.mark.parametrize("lowering", PLAIN)


@dataclass(frozen=True)
class Case:
    """One convolution of the primitive's family."""

    x_shape: tuple[int, int, int, int]
    kernel_shape: tuple[int, int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    in_dilation: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    dtype: str = "float32"

    @property
    def params(self) -> Params:
        """How the kernel moves."""
        return Params(self.stride, self.padding, self.in_dilation, self.dilation, self.groups)

    @property
    def terms(self) -> int:
        """Length of the sum of one output."""
        return int(np.prod(self.kernel_shape[:3]))

    def is_done_by(self, lowering: str) -> bool:
        """Whether the lowering does the case."""
        conv = Conv("cpu", self.dtype, self.x_shape, self.kernel_shape, self.params)
        return LOWERINGS[lowering].unsupported(conv) is None

    def expected(self, x: Array, kernel: Array) -> Array:
        """The oracle's answer on an input whose zeros and crops are written out."""
        n, h, w, c = x.shape
        (top, bottom), (left, right) = self.padding
        rows, columns = self.in_dilation
        whole = np.zeros((n, (h - 1) * rows + 1, (w - 1) * columns + 1, c))
        whole[:, ::rows, ::columns] = x
        pads = ((0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)), (0, 0))
        whole = np.pad(whole, pads)
        whole = whole[
            :,
            max(-top, 0) : whole.shape[1] - max(-bottom, 0),
            max(-left, 0) : whole.shape[2] - max(-right, 0),
        ]
        how: dict[str, Any] = {"stride": self.stride, "dilation": self.dilation}
        return oracle.conv2d(whole, kernel, padding="VALID", groups=self.groups, **how)


CASES = {
    "plain": Case((2, 5, 6, 3), (3, 2, 3, 4), padding=((1, 1), (0, 2))),
    "depthwise": Case((2, 5, 6, 3), (3, 2, 1, 3), padding=((1, 1), (0, 1)), groups=3),
    "depthwise, stride, two filters": Case((2, 6, 7, 3), (2, 3, 1, 6), stride=(2, 3), groups=3),
    "groups": Case((2, 5, 4, 6), (2, 2, 3, 4), groups=2, dilation=(2, 1)),
    "input dilated": Case((2, 4, 3, 3), (4, 3, 3, 2), in_dilation=(2, 3), padding=((2, 1), (1, 3))),
    "input dilated, cropped": Case(
        (1, 5, 4, 2), (3, 2, 2, 3), in_dilation=(2, 2), padding=((-1, 2), (1, -3))
    ),
    "input and kernel dilated": Case(
        (1, 4, 5, 2), (3, 2, 2, 3), in_dilation=(3, 2), dilation=(2, 3), padding=((1, 4), (3, 0))
    ),
    "input dilated, depthwise": Case(
        (2, 4, 3, 3), (3, 2, 1, 3), in_dilation=(2, 2), padding=((2, 1), (0, 2)), groups=3
    ),
    "fewer taps than phases": Case((1, 3, 4, 2), (1, 2, 2, 3), in_dilation=(3, 2)),
    "kernel dilated, few outputs": Case((2, 7, 9, 5), (3, 2, 5, 4), dilation=(2, 3)),
    "gradient by a depthwise kernel": Case(
        (1, 7, 6, 8), (7, 5, 4, 2), padding=((1, 1), (1, 0)), groups=2
    ),
    "gradient by a depthwise kernel, stride": Case(
        (1, 8, 7, 6),
        (4, 3, 3, 2),
        stride=(2, 1),
        dilation=(2, 3),
        padding=((2, 1), (1, 1)),
        groups=2,
    ),
    "gradient by a depthwise kernel, a row at a time": Case(
        (1, 13, 4, 4), (13, 3, 2, 2), padding=((2, 2), (1, 1)), groups=2
    ),
    "cropped to nothing": Case((1, 3, 4, 2), (2, 2, 2, 3), padding=((-3, 5), (4, -4))),
}


def check(cases: list[Case], lowering: str, models: int = 1, *, method: str = "auto") -> None:
    """Cases of one dtype, in one program."""
    dtype = cases[0].dtype
    with precision_for(dtype):
        arrays = [
            (
                draw("x", (models, *case.x_shape), dtype),
                draw("kernel", (models, *case.kernel_shape), dtype),
            )
            for case in cases
        ]
        results = together([jax.vmap(_run(case, lowering)) for case in cases], arrays)
    for case, (x, kernel), got in zip(cases, arrays, results, strict=True):
        pairs = zip(oracle.float64(x), oracle.float64(kernel), strict=True)
        want = np.stack([case.expected(*pair) for pair in pairs])
        with naming(case):
            assert_close(got, want, dtype=dtype, method=method, terms=case.terms)


def _run(case: Case, lowering: str) -> Callable[[jax.Array, jax.Array], jax.Array]:
    def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
        params = dataclasses.asdict(case.params)
        return conv(x, kernel, lowering=lowering, precision=None, **params)

    return run


@every_lowering
def test_value(lowering: str) -> None:
    check([case for case in CASES.values() if case.is_done_by(lowering)], lowering, models=2)


def test_what_each_lowering_refuses() -> None:
    """Exactly these: `test_value` skips what a lowering refuses.

    A lowering without a line here must still do three cases, for `test_every_dtype`.
    """
    by_depthwise_kernel = {name for name in CASES if name.startswith("gradient by a depthwise")}
    does = {
        "lax": set(CASES),
        "taps": set(CASES) - {"gradient by a depthwise kernel"},  # of too many cells
        "phases": {
            name for name, case in CASES.items() if max(*case.in_dilation, *case.dilation) > 1
        },
        "rows": by_depthwise_kernel,
        "groups": {name for name, case in CASES.items() if case.groups > 1},
    }
    assert does == {
        lowering: {name for name, case in CASES.items() if case.is_done_by(lowering)}
        for lowering in does
    }


@every_lowering
@pytest.mark.parametrize(
    ("dtype", "count"),
    [
        ("float64", 3),
        ("float32", 3),
        ("float16", 1),
        ("bfloat16", 1),
        pytest.param("float16", 3, marks=pytest.mark.slow),
        pytest.param("bfloat16", 3, marks=pytest.mark.slow),
    ],
)
def test_every_dtype(lowering: str, dtype: str, count: int) -> None:
    able = [case for case in CASES.values() if case.is_done_by(lowering)]
    assert len(able) >= 3
    check([dataclasses.replace(case, dtype=dtype) for case in able[:count]], lowering)


@every_lowering
def test_sums_in_at_least_32_bits(lowering: str) -> None:
    """A bfloat16 at 256 does not change when 1 is added: the ones would be lost."""
    able = {name: case for name, case in CASES.items() if case.is_done_by(lowering)}
    for name, case in list(able.items())[-3:]:
        ones = np.ones(case.x_shape)
        ones[:, 0] = 256
        x, kernel = rounded(ones, "bfloat16"), rounded(np.ones(case.kernel_shape), "bfloat16")
        y = _run(case, lowering)(x, kernel)
        want = case.expected(oracle.float64(x), oracle.float64(kernel))
        nearest = oracle.float64(want.astype(jnp.bfloat16))
        np.testing.assert_array_equal(oracle.float64(y), nearest, err_msg=name)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Both dilations, padding of either sign, groups; half of them like a gradient by kernel."""
    groups = draw(st.sampled_from([1, 2, 3]))
    depthwise = draw(st.booleans())
    by_kernel = draw(st.booleans())
    per_group = draw(st.integers(1, 3)) if by_kernel or not depthwise else 1
    filters = groups * (1 if depthwise else draw(st.integers(1, 2)))
    n = 1 if by_kernel and depthwise else draw(st.integers(1, 2))
    axes = [draw(_axes(by_kernel)) for _ in range(2)]
    size, kernel, stride, pads, in_dilation, dilation = zip(*axes, strict=True)
    return Case(
        (n, *size, groups * per_group),
        (*kernel, per_group, filters),
        stride,
        pads,
        in_dilation,
        dilation,
        groups,
    )


@st.composite
def _axes(draw: st.DrawFn, by_kernel: bool) -> tuple[int, int, int, tuple[int, int], int, int]:
    kernel = draw(st.integers(3, 7) if by_kernel else st.integers(1, 4))
    stride, in_dilation, dilation = (draw(st.sampled_from([1, 1, 2, 3])) for _ in range(3))
    size = draw(st.integers(1, 6))
    before = draw(st.integers(-2, 4))
    out = draw(st.integers(1, 3) if by_kernel else st.integers(1, 6))
    surplus = draw(st.integers(0, stride - 1))
    reach = (out - 1) * stride + (kernel - 1) * dilation + 1 + surplus
    return (
        *(size, kernel, stride),
        (before, reach - before - ((size - 1) * in_dilation + 1)),
        *(in_dilation, dilation),
    )


@every_lowering
@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_random_cases(lowering: str, count: int) -> None:
    """Only cases that the lowering does are drawn, which are a fifth of all at the least."""
    able = cases().filter(lambda case: case.is_done_by(lowering))
    check_together(
        lambda some: check(some, lowering), lambda _: able, count, ["float32"], programs=4
    )
