"""Properties of convolution over random strides, paddings, dilations, groups, kernels and dtypes.

A case is a set of shapes and parameters; its values follow from them, so no two cases differ in
values alone. `strategies.COUNTS` says how many each property runs.
"""

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np
import pytest

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
    operands,
    precision_for,
    quickly,
    reason_against,
)
from tests.ops.conv.strategies import BY_METHOD, COUNTS, DISTINCT, check_random, conv_cases, count
from tests.ops.conv.tolerances import allowed, assert_close


def test_at_least_2000_different_cases_run() -> None:
    here = able(CASES["plain"])
    planned = sum(
        sum(count(name, method) for method in here) if name in BY_METHOD else count(name)
        for name in COUNTS
    )
    assert planned * DISTINCT >= 2000  # `check_random` asserts that share


def test_output_shape_is_that_of_jax_and_the_oracle() -> None:
    def check(case: Case) -> None:
        shape = ops.conv_output_shape(case.x_shape, case.kernel_shape, **case.how)
        assert shape == case.y_shape
        x = jax.ShapeDtypeStruct(case.x_shape, "float32")
        kernel = jax.ShapeDtypeStruct(case.kernel_shape, "float32")
        # One method per case, in turn: tracing all of them takes as long as compiling one.
        methods = able(case)
        method = methods[next(turn) % len(methods)]
        assert jax.eval_shape(conv(case, method), x, kernel).shape == shape

    turn = itertools.count()
    check_random(check, conv_cases("float32"), count("shape"))


@every_method(CASES["plain"])
def test_value_equals_the_oracle(method: str) -> None:
    def check(case: Case) -> None:
        if reason_against(method, case) is not None:
            return
        with precision_for(case.dtype):
            a = operands(case)
            got = quickly(conv(case, method), a.x, a.kernel)
            want = oracle.conv2d(oracle.float64(a.x), oracle.float64(a.kernel), **case.how)
            assert_close(got, want, dtype=case.dtype, method=method, terms=case.terms[0])

    check_random(check, conv_cases(method=method), count("value", method))


@every_method(CASES["plain"])
def test_gradients_equal_the_oracle(method: str) -> None:
    """By input, kernel and bias."""

    def check(case: Case) -> None:
        if reason_against(method, case) is not None:
            return
        with precision_for(case.dtype):
            a = operands(case)
            got = quickly(gradients(case, method), a.x, a.kernel, a.bias, a.g)
            for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
                assert_close(one, want, dtype=case.dtype, method=method, terms=terms)

    check_random(check, conv_cases(method=method), count("gradients", method))


@pytest.mark.parametrize("dtype", DTYPES)
def test_methods_agree_with_each_other(dtype: str) -> None:
    def check(case: Case) -> None:
        methods = able(case)
        with precision_for(dtype):
            a = operands(case)
            values = quickly(lambda *xs: [conv(case, m)(*xs) for m in methods], a.x, a.kernel)
            for i, one in enumerate(methods):
                for j, other in enumerate(methods[:i]):
                    tolerance = sum(allowed(dtype, m, case.terms[0]) for m in (one, other))
                    np.testing.assert_allclose(
                        oracle.float64(values[i]),
                        oracle.float64(values[j]),
                        rtol=0,
                        atol=tolerance,
                        err_msg=f"{one} against {other}",
                    )

    check_random(check, conv_cases(dtype), count("agreement") // len(DTYPES))


def test_col2im_is_the_adjoint_of_im2col() -> None:
    """`<im2col(x), c> == <x, col2im(c)>`, in float64; and im2col is the oracle's, exactly."""

    def check(case: Case) -> None:
        kernel = case.kernel_shape[:2]
        window: dict[str, Any] = {**case.how}
        del window["groups"]
        with precision_for("float64"):
            x = draw("x", case.x_shape, "float64")
            cells = kernel[0] * kernel[1] * case.x_shape[3]
            c = draw("c", (*case.y_shape[:3], cells), "float64")
            cols, back = quickly(
                lambda x, c: (
                    ops.im2col(x, kernel, **window),
                    ops.col2im(c, case.x_shape, kernel, **window),
                ),
                *(x, c),
            )
            np.testing.assert_array_equal(cols, oracle.im2col(np.asarray(x), kernel, **window))
            assert back.shape == case.x_shape
            difference = abs(np.vdot(cols, c) - np.vdot(x, back))
            assert difference <= allowed("float64", "im2col", cols.size)

    check_random(check, conv_cases("float64"), count("adjoint"))


def test_im2col_times_the_kernel_is_the_convolution() -> None:
    def check(case: Case) -> None:
        kh, kw, i, o = case.kernel_shape
        a = operands(case)

        def both(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
            cols = ops.im2col(
                x, (kh, kw), stride=case.stride, padding=case.padding, dilation=case.dilation
            )
            return cols, conv(case, "lax")(x, kernel)

        cols, y = quickly(both, a.x, a.kernel)
        # Each group has its own columns of the rows, and its own filters.
        rows = oracle.float64(cols).reshape(*case.y_shape[:3], kh * kw, case.groups, i)
        kernel = oracle.float64(a.kernel).reshape(kh * kw, i, case.groups, o // case.groups)
        product = np.einsum("nhwkgi,kigo->nhwgo", rows, kernel).reshape(case.y_shape)
        assert_close(y, product, dtype="float32", method="lax", terms=case.terms[0])

    check_random(check, conv_cases("float32"), count("matrix product"))


@every_method(dataclasses.replace(CASES["plain"], dtype="float64"))
def test_linear_in_input_and_kernel(method: str) -> None:
    """`conv(2 x + 3 x', k) == 2 conv(x, k) + 3 conv(x', k)`, and the same for the kernel."""

    def check(case: Case) -> None:
        if reason_against(method, case) is not None:
            return
        with precision_for("float64"):
            a, b = operands(case), operands(case, "other")
            run = compiled(conv(case, method), a.x, a.kernel)
            # In NumPy: JAX would compile each sum for every shape.
            x, other_x, kernel, other_kernel = map(oracle.float64, (a.x, b.x, a.kernel, b.kernel))
            y = oracle.float64(run(x, kernel))
            tolerance = 10 * allowed("float64", method, case.terms[0])  # 2 + 3 + 5 values
            np.testing.assert_allclose(
                run(2 * x + 3 * other_x, kernel),
                2 * y + 3 * oracle.float64(run(other_x, kernel)),
                rtol=0,
                atol=tolerance,
            )
            np.testing.assert_allclose(
                run(x, 2 * kernel + 3 * other_kernel),
                2 * y + 3 * oracle.float64(run(x, other_kernel)),
                rtol=0,
                atol=tolerance,
            )
            # A result of zeros would be linear, too.
            ones = np.ones(case.x_shape), np.ones(case.kernel_shape)
            want = oracle.conv2d(*ones, **case.how)
            assert_close(run(*ones), want, dtype="float64", method=method, terms=case.terms[0])

    check_random(check, conv_cases("float64", method), count("linearity", method))
