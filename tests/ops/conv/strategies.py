"""Random cases for Hypothesis, each legal by construction, and the runner that counts them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.conv.cases import DTYPES, Case, PoolCase
from tests.ops.conv.oracle import Padding, Size, pair

T = TypeVar("T")

# Number of random cases for each property, by method if it tests one method at a time (None: any
# other method). More where compiling is fast: 20 ms for a forward "lax", 300 for the gradients of
# "shift".
COUNTS: dict[str, dict[str | None, int]] = {
    "shape": {None: 1300},
    "value": {"lax": 350, "winograd2": 8, "winograd4": 8, "fft": 30, None: 50},
    "gradients": {"lax": 60, "winograd2": 4, "winograd4": 4, "fft": 15, None: 30},
    "linearity": {"lax": 80, "winograd2": 4, "winograd4": 4, "fft": 15, None: 30},
    "agreement": {None: 100},
    "adjoint": {None: 150},
    "transposed": {None: 60},
    "matrix product": {None: 100},
    "max pooling": {None: 80},
    "average pooling": {None: 80},
}
BY_METHOD = ("value", "gradients", "linearity")

# The default suite runs this share of them, but no fewer than `LEAST` where there are as many.
QUICK = 0.25
LEAST = 8
every_share = pytest.mark.parametrize(
    "share",
    [pytest.param(QUICK, id="quick"), pytest.param(1.0, id="all", marks=pytest.mark.slow)],
)

# Methods for 3x3 kernels with stride 1 only, which random cases rarely have.
ONLY_3X3 = ("winograd2", "winograd4")

# Methods that refuse more than one group.
ONE_GROUP = ("pallas",)

# Hypothesis may draw a case twice; at least this share of a property's cases must be different.
DISTINCT = 0.75

# As many cases are compiled as one program: alone, most of a case's time is what every program
# costs. A property has at least as many programs, so that a run of all has several of each dtype.
TOGETHER = 10
PROGRAMS = 8
QUICK_PROGRAMS = 4


def count(name: str, method: str | None = None, share: float = 1.0) -> int:
    """Random cases of one property, of one method where it has several; or a share of them."""
    whole = COUNTS[name].get(method, COUNTS[name][None])
    return max(min(whole, LEAST), round(share * whole))


def check_random(
    check: Callable[[T], None],
    cases: st.SearchStrategy[T],
    count: int,
    distinct: float = DISTINCT,
) -> None:
    """Run `check` on `count` random cases, each once, and make sure that most were different."""
    seen: set[T] = set()

    @settings(max_examples=count)
    @given(cases)
    def body(case: T) -> None:
        if case not in seen:
            check(case)
            seen.add(case)  # after the check, so that a failed case runs again

    body()
    assert len(seen) >= distinct * count, f"only {len(seen)} different cases of {count}"


def programs(share: float) -> int:
    """The least number of programs of a property: fewer cases would make them of one case each."""
    return PROGRAMS if share == 1 else QUICK_PROGRAMS


def check_together(
    check: Callable[[list[T]], None],
    cases: Callable[[str], st.SearchStrategy[T]],
    count: int,
    dtypes: Sequence[str] = DTYPES,
    programs: int = PROGRAMS,
) -> None:
    """As `check_random`, with several cases of one of `dtypes` at a time."""
    size = max(1, min(TOGETHER, count // programs))
    seen: set[T] = set()

    @settings(max_examples=-(-count // size))
    @given(
        st.sampled_from(dtypes).flatmap(
            lambda dtype: st.lists(cases(dtype), min_size=size, max_size=size, unique=True)
        )
    )
    def body(batch: list[T]) -> None:
        new = [case for case in batch if case not in seen]
        if new:
            check(new)
            seen.update(new)

    body()
    assert len(seen) >= DISTINCT * count, f"only {len(seen)} different cases of {count}"


def _pads(draw: st.DrawFn, most: tuple[int, int]) -> Padding:
    """One of the four kinds of padding; `most` limits the cells on one side of each axis."""
    lowering = draw(st.sampled_from(["SAME", "VALID", "int", "asymmetric"]))
    if lowering == "SAME":
        return "SAME"
    if lowering == "VALID":
        return "VALID"
    if lowering == "int":
        return draw(st.integers(0, min(most)))
    rows, columns = (st.tuples(st.integers(0, m), st.integers(0, m)) for m in most)
    return draw(rows), draw(columns)


def _smallest(padding: Padding, axis: int, span: int) -> int:
    """Smallest input of an axis that a window of `span` cells fits."""
    if padding == "SAME":
        return 1
    if padding == "VALID":
        return span
    total = 2 * padding if isinstance(padding, int) else sum(padding[axis])
    return max(span - total, 1)


@st.composite
def _steps(draw: st.DrawFn) -> tuple[tuple[int, int], Size, Size]:
    """Kernel, stride and dilation."""
    return (
        (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        draw(st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 4), st.integers(1, 4)))),
        draw(st.one_of(st.integers(1, 2), st.tuples(st.integers(1, 3), st.integers(1, 3)))),
    )


@st.composite
def conv_cases(draw: st.DrawFn, dtype: str, method: str | None = None) -> Case:
    """Stride x padding x dilation x groups x even, odd and oblong kernels.

    For a method of `ONLY_3X3`, what it does of these.
    """
    kernel, stride, dilation = draw(_steps()) if method not in ONLY_3X3 else ((3, 3), 1, 1)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, pair(dilation), strict=True)]
    padding = _pads(draw, (4, 4))
    smallest = [_smallest(padding, axis, span[axis]) for axis in (0, 1)]
    height, width = (draw(st.integers(least, least + 5)) for least in smallest)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group = draw(st.integers(1, 3))
    filters = groups * draw(st.integers(1, 3))
    return Case(
        (draw(st.integers(1, 2)), height, width, groups * per_group),
        (*kernel, per_group, filters),
        stride,
        padding,
        dilation,
        groups,
        dtype,
    )


@st.composite
def pool_cases(draw: st.DrawFn, dtype: str) -> PoolCase:
    """Window x stride (None is the window's) x padding smaller than the window."""
    window = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    padding = _pads(draw, (window[0] - 1, window[1] - 1))
    smallest = [_smallest(padding, axis, window[axis]) for axis in (0, 1)]
    height, width = (draw(st.integers(least, least + 5)) for least in smallest)
    shape = (draw(st.integers(1, 2)), height, width, draw(st.integers(1, 3)))
    return PoolCase(shape, window, stride, padding, dtype)
