"""Properties of convolution over random strides, paddings, dilations, groups, kernels and dtypes.

A case is a set of shapes and parameters; its values follow from them, so no two cases differ in
values alone. `strategies.COUNTS` says how many each property runs.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import (
    CASES,
    DTYPES,
    Case,
    able,
    compiled,
    conv,
    draw,
    every_method,
    expected,
    gradients,
    naming,
    operands,
    precision_for,
    reason_against,
    together,
)
from tests.ops.conv.strategies import (
    BY_METHOD,
    COUNTS,
    DISTINCT,
    QUICK,
    check_random,
    check_together,
    conv_cases,
    count,
    every_share,
    programs,
)
from tests.ops.conv.tolerances import allowed, assert_close


@pytest.mark.parametrize(("share", "least"), [(QUICK, 500), (1.0, 2000)])
def test_at_least_as_many_different_cases_run(share: float, least: int) -> None:
    """500 by default, and 2000 of the slow tests."""
    here = able(CASES["plain"])
    planned = sum(
        sum(count(name, method, share) for method in here)
        if name in BY_METHOD
        else count(name, share=share)
        for name in COUNTS
        if name != "agreement"  # which is slow only
    )
    assert planned * DISTINCT >= least  # `check_random` asserts that share


@every_share
def test_output_shape_is_that_of_jax_and_the_oracle(share: float) -> None:
    def check(case: Case) -> None:
        shape = ops.conv_output_shape(case.x_shape, case.kernel_shape, **case.how)
        assert shape == case.y_shape
        x = jax.ShapeDtypeStruct(case.x_shape, "float32")
        kernel = jax.ShapeDtypeStruct(case.kernel_shape, "float32")
        assert jax.eval_shape(partial(_by_lax, case), x, kernel).shape == shape

    check_random(check, conv_cases("float32"), count("shape", share=share))


def _by_lax(case: Case, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution of JAX; the methods' shapes are compared with the oracle's values."""
    padding = case.padding
    return lax.conv_general_dilated(
        x,
        kernel,
        _pair(case.stride),
        [(padding, padding)] * 2 if isinstance(padding, int) else padding,
        rhs_dilation=_pair(case.dilation),
        feature_group_count=case.groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


@every_share
@every_method(CASES["plain"])
def test_value_equals_the_oracle(method: str, share: float) -> None:
    def check(cases: list[Case]) -> None:
        cases = supported(method, cases)
        with precision_for(cases[0].dtype) if cases else nullcontext():
            arrays = [operands(case) for case in cases]
            run = [conv(case, method) for case in cases]
            values = together(run, [(a.x, a.kernel) for a in arrays])
            for case, a, got in zip(cases, arrays, values, strict=True):
                want = oracle.conv2d(oracle.float64(a.x), oracle.float64(a.kernel), **case.how)
                with naming(case):
                    assert_close(got, want, dtype=case.dtype, method=method, terms=case.terms[0])

    cases = partial(conv_cases, method=method)
    check_together(check, cases, count("value", method, share), programs=programs(share))


@every_share
@every_method(CASES["plain"])
def test_gradients_equal_the_oracle(method: str, share: float) -> None:
    """By input, kernel and bias."""

    def check(cases: list[Case]) -> None:
        cases = supported(method, cases)
        with precision_for(cases[0].dtype) if cases else nullcontext():
            arrays = [operands(case) for case in cases]
            run = [gradients(case, method) for case in cases]
            results = together(run, [(a.x, a.kernel, a.bias, a.g) for a in arrays])
            for case, a, got in zip(cases, arrays, results, strict=True):
                for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
                    with naming(case):
                        assert_close(one, want, dtype=case.dtype, method=method, terms=terms)

    cases = partial(conv_cases, method=method)
    check_together(check, cases, count("gradients", method, share), programs=programs(share))


def supported(method: str, cases: list[Case]) -> list[Case]:
    return [case for case in cases if reason_against(method, case) is None]


@pytest.mark.slow  # each equals the oracle, above, within half the tolerance
@pytest.mark.parametrize("dtype", DTYPES)
def test_methods_agree_with_each_other(dtype: str) -> None:
    def check(cases: list[Case]) -> None:
        with precision_for(dtype):
            arrays = [operands(case) for case in cases]
            run = [
                lambda *xs, case=case: {m: conv(case, m)(*xs) for m in able(case)} for case in cases
            ]
            results = together(run, [(a.x, a.kernel) for a in arrays])
            for case, values in zip(cases, results, strict=True):
                for one, other in itertools.combinations(able(case), 2):
                    tolerance = sum(allowed(dtype, m, case.terms[0]) for m in (one, other))
                    np.testing.assert_allclose(
                        oracle.float64(values[one]),
                        oracle.float64(values[other]),
                        rtol=0,
                        atol=tolerance,
                        err_msg=f"{one} against {other}, {case}",
                    )

    check_together(check, conv_cases, count("agreement") // len(DTYPES), [dtype])


@every_share
def test_col2im_is_the_adjoint_of_im2col(share: float) -> None:
    """`<im2col(x), c> == <x, col2im(c)>`, in float64; and im2col is the oracle's, exactly."""

    def window(case: Case) -> dict[str, Any]:
        return {name: value for name, value in case.how.items() if name != "groups"}

    def both(case: Case) -> Callable[..., tuple[jax.Array, jax.Array]]:
        kernel = case.kernel_shape[:2]
        return lambda x, c: (
            ops.im2col(x, kernel, **window(case)),
            ops.col2im(c, case.x_shape, kernel, **window(case)),
        )

    def check(cases: list[Case]) -> None:
        with precision_for("float64"):
            xs = [draw("x", case.x_shape, "float64") for case in cases]
            cells = [math.prod(case.kernel_shape[:2]) * case.x_shape[3] for case in cases]
            cs = [
                draw("c", (*case.y_shape[:3], row), "float64")
                for case, row in zip(cases, cells, strict=True)
            ]
            results = together([both(case) for case in cases], list(zip(xs, cs, strict=True)))
            for case, x, c, (cols, back) in zip(cases, xs, cs, results, strict=True):
                want = oracle.im2col(np.asarray(x), case.kernel_shape[:2], **window(case))
                with naming(case):
                    np.testing.assert_array_equal(cols, want)
                    assert back.shape == case.x_shape
                    difference = abs(np.vdot(cols, c) - np.vdot(x, back))
                    assert difference <= allowed("float64", "im2col", cols.size)

    check_together(check, conv_cases, count("adjoint", share=share), ["float64"], programs(share))


@every_share
def test_im2col_times_the_kernel_is_the_convolution(share: float) -> None:
    def both(case: Case) -> Callable[..., tuple[jax.Array, jax.Array]]:
        def run(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
            cols = ops.im2col(
                x,
                case.kernel_shape[:2],
                stride=case.stride,
                padding=case.padding,
                dilation=case.dilation,
            )
            return cols, conv(case, "lax")(x, kernel)

        return run

    def check(cases: list[Case]) -> None:
        arrays = [operands(case) for case in cases]
        results = together([both(case) for case in cases], [(a.x, a.kernel) for a in arrays])
        for case, a, (cols, y) in zip(cases, arrays, results, strict=True):
            kh, kw, i, o = case.kernel_shape
            # Each group has its own columns of the rows, and its own filters.
            rows = oracle.float64(cols).reshape(*case.y_shape[:3], kh * kw, case.groups, i)
            kernel = oracle.float64(a.kernel).reshape(kh * kw, i, case.groups, o // case.groups)
            product = np.einsum("nhwkgi,kigo->nhwgo", rows, kernel).reshape(case.y_shape)
            with naming(case):
                assert_close(y, product, dtype="float32", method="lax", terms=case.terms[0])

    cases = count("matrix product", share=share)
    check_together(check, conv_cases, cases, ["float32"], programs(share))


@every_share
@every_method(dataclasses.replace(CASES["plain"], dtype="float64"))
def test_linear_in_input_and_kernel(method: str, share: float) -> None:
    """`conv(2 x + 3 x', k) == 2 conv(x, k) + 3 conv(x', k)`, and the same for the kernel."""

    def check(cases: list[Case]) -> None:
        cases = supported(method, cases)
        with precision_for("float64"):
            # In NumPy: JAX would compile each sum for every shape.
            firsts, others = (
                [(oracle.float64(a.x), oracle.float64(a.kernel)) for a in arrays]
                for arrays in (
                    [operands(case) for case in cases],
                    [operands(case, "other") for case in cases],
                )
            )
            program = compiled(
                lambda pairs: [conv(c, method)(*p) for c, p in zip(cases, pairs, strict=True)],
                firsts,
            )

            def run(pairs: list[tuple[oracle.Array, oracle.Array]]) -> list[oracle.Array]:
                return [oracle.float64(y) for y in program(pairs)]

            both = list(zip(firsts, others, strict=True))
            ys = run(firsts)
            of_x = run([(other_x, k) for (_, k), (other_x, _) in both])
            of_kernel = run([(x, other_k) for (x, _), (_, other_k) in both])
            sum_of_x = run([(2 * x + 3 * other_x, k) for (x, k), (other_x, _) in both])
            sum_of_kernel = run([(x, 2 * k + 3 * other_k) for (x, k), (_, other_k) in both])
            # A result of zeros would be linear, too.
            ones = [(np.ones(case.x_shape), np.ones(case.kernel_shape)) for case in cases]
            of_ones = program(ones)
            for i, case in enumerate(cases):
                tolerance = 10 * allowed("float64", method, case.terms[0])  # 2 + 3 + 5 values
                with naming(case):
                    for got, other in ((sum_of_x[i], of_x[i]), (sum_of_kernel[i], of_kernel[i])):
                        np.testing.assert_allclose(
                            got, 2 * ys[i] + 3 * other, rtol=0, atol=tolerance
                        )
                    want = oracle.conv2d(*ones[i], **case.how)
                    assert_close(
                        of_ones[i], want, dtype="float64", method=method, terms=case.terms[0]
                    )

    check_together(
        check,
        lambda dtype: conv_cases(dtype, method),
        count("linearity", method, share),
        ["float64"],
        programs(share),
    )
