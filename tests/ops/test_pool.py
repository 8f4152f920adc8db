"""Pooling: values and gradients against the oracle, ties, NaN, padding, transformations."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, PoolCase, draw, naming, precision_for, rounded, together
from tests.ops.conv.oracle import Padding
from tests.ops.conv.strategies import check_together, count, every_share, pool_cases, programs
from tests.ops.conv.tolerances import assert_close

CASES = {
    "plain": PoolCase((2, 4, 6, 3), (2, 2)),
    "cells left over": PoolCase((2, 5, 7, 2), (2, 3)),
    "overlapping": PoolCase((2, 5, 6, 2), (3, 3), (1, 2)),
    "gaps between": PoolCase((1, 7, 8, 2), (2, 2), (3, 4)),
    "SAME": PoolCase((2, 5, 7, 3), (3, 2), (2, 2), "SAME"),
    "padding": PoolCase((1, 5, 6, 2), (3, 3), (2, 1), 2),
    "asymmetric": PoolCase((1, 4, 5, 2), (3, 4), (2, 2), ((0, 2), (3, 1))),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_max(dtype: str) -> None:
    check_max(every_case(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count_padding", [False, True])
def test_average(dtype: str, count_padding: bool) -> None:
    check_average(every_case(dtype), count_padding)


def every_case(dtype: str) -> list[PoolCase]:
    return [dataclasses.replace(case, dtype=dtype) for case in CASES.values()]


@every_share
def test_max_of_random_cases(share: float) -> None:
    cases = count("max pooling", share=share)
    check_together(check_max, pool_cases, cases, programs=programs(share))


@every_share
@pytest.mark.parametrize("count_padding", [False, True])
def test_average_of_random_cases(count_padding: bool, share: float) -> None:
    check_together(
        lambda cases: check_average(cases, count_padding),
        pool_cases,
        count("average pooling", share=share) // 2,
        programs=programs(share),
    )


def check_max(cases: list[PoolCase]) -> None:
    """Values are exact; the gradients of windows that share a cell add up in the dtype."""
    dtype = cases[0].dtype
    with precision_for(dtype):
        # Few different numbers, so that most windows have a tie.
        xs = [rounded(np.round(2 * oracle.float64(draw("x", c.x_shape))) / 2, dtype) for c in cases]
        ys = [
            oracle.max_pool2d(oracle.float64(x), case.window, **case.how)
            for case, x in zip(cases, xs, strict=True)
        ]
        gs = [draw("g", y.shape, dtype) for y in ys]
        pools = [_pooled_with_gradient(ops.max_pool2d, case.window, case.how) for case in cases]
        results = together(pools, list(zip(xs, gs, strict=True)))
        for case, x, y, g, (got, by_x) in zip(cases, xs, ys, gs, results, strict=True):
            want = oracle.max_pool2d_gradient(
                oracle.float64(x), oracle.float64(g), case.window, **case.how
            )
            with naming(case):
                np.testing.assert_array_equal(oracle.float64(got), y)
                assert str(got.dtype) == dtype
                cells = math.prod(case.window)
                assert_close(by_x, want, dtype=dtype, method="max_pool2d", terms=cells)


def check_average(cases: list[PoolCase], count_padding: bool) -> None:
    dtype = cases[0].dtype
    hows = [{**case.how, "count_padding": count_padding} for case in cases]
    with precision_for(dtype):
        xs = [draw("x", case.x_shape, dtype) for case in cases]
        ys = [
            oracle.avg_pool2d(oracle.float64(x), case.window, **how)
            for case, how, x in zip(cases, hows, xs, strict=True)
        ]
        gs = [draw("g", y.shape, dtype) for y in ys]
        pools = [
            _pooled_with_gradient(ops.avg_pool2d, case.window, how)
            for case, how in zip(cases, hows, strict=True)
        ]
        results = together(pools, list(zip(xs, gs, strict=True)))
        for case, how, x, y, g, (got, by_x) in zip(cases, hows, xs, ys, gs, results, strict=True):
            want = oracle.avg_pool2d_gradient(
                oracle.float64(x), oracle.float64(g), case.window, **how
            )
            with naming(case):
                assert_close(got, y, dtype=dtype, method="avg_pool2d", terms=1)
                assert_close(by_x, want, dtype=dtype, method="avg_pool2d", terms=1)


def _pooled_with_gradient(
    pool: Callable[..., jax.Array], window: tuple[int, int], how: dict[str, Any]
) -> Callable[..., tuple[jax.Array, jax.Array]]:
    return lambda x, g: _with_gradient(lambda x: pool(x, window, **how), x, g)


def _with_gradient(
    function: Callable[[jax.Array], jax.Array], x: jax.Array, g: jax.Array
) -> tuple[jax.Array, jax.Array]:
    y, pull_back = jax.vjp(function, x)
    return y, pull_back(g)[0]


# --- what the definition leaves open --------------------------------------------------------------


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    x = jnp.array([[1.0, 5.0, 2.0], [5.0, 0.0, 5.0]]).reshape(1, 2, 3, 1)
    by_x = jax.grad(lambda x: ops.max_pool2d(x, (2, 3))[0, 0, 0, 0])(x)
    np.testing.assert_array_equal(by_x[0, :, :, 0], [[0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("position", range(4))
def test_nan_is_the_maximum(position: int) -> None:
    values = [3.0, -1.0, 2.0, 7.0]
    values[position] = math.nan
    x = jnp.array([*values, 1.0, 2.0, 4.0, 3.0]).reshape(2, 2, 2, 1)
    y = ops.max_pool2d(x, 2)
    np.testing.assert_array_equal(y.ravel(), [math.nan, 4])


def test_nan_spreads_through_the_average() -> None:
    x = jnp.array([math.nan, 1, 2, 3, 1, 2, 3, 4]).reshape(2, 2, 2, 1)
    np.testing.assert_array_equal(ops.avg_pool2d(x, 2).ravel(), [math.nan, 2.5])


@pytest.mark.parametrize("padding", ["SAME", 1, ((1, 0), (0, 1))])
def test_padding_is_never_the_maximum(padding: Padding) -> None:
    """Zeros as padding would be larger than every number of a negative image."""
    x = -jnp.abs(draw("x", (2, 5, 5, 2))) - 1
    y = ops.max_pool2d(x, 2, stride=2, padding=padding)
    assert y.max() <= -1
    assert jnp.all(jnp.isfinite(y))


def test_count_padding_is_the_difference_at_the_border_only() -> None:
    x = jnp.ones((1, 4, 4, 1))
    inside = ops.avg_pool2d(x, 3, stride=1, padding=1)
    counted = ops.avg_pool2d(x, 3, stride=1, padding=1, count_padding=True)
    np.testing.assert_array_equal(inside, np.ones((1, 4, 4, 1)))
    sixth, corner = 6 / 9, 4 / 9
    rows = [[corner, sixth, sixth, corner], [sixth, 1, 1, sixth]]
    np.testing.assert_allclose(counted[0, :, :, 0], [*rows, *rows[::-1]], rtol=2**-23)


# --- transformations ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["overlapping", "asymmetric"])
def test_average_is_linear_and_maximum_is_so_locally(name: str) -> None:
    """`jvp` at x along dx: the pooled dx for the mean; for the maximum, dx at the argmax."""
    case = CASES[name]
    x, dx = draw("x", case.x_shape), draw("dx", case.x_shape)

    def slope(pool: Callable[..., jax.Array]) -> oracle.Array:
        run = jax.jit(
            lambda x, dx: jax.jvp(lambda x: pool(x, case.window, **case.how), (x,), (dx,))[1]
        )
        return oracle.float64(run(x, dx))

    want = oracle.avg_pool2d(oracle.float64(dx), case.window, **case.how)
    np.testing.assert_allclose(slope(ops.avg_pool2d), want, atol=4 * 2**-23)
    pooled = oracle.max_pool2d(oracle.float64(x), case.window, **case.how)
    # A small enough step changes no argmax.
    step = 2.0**-12
    moved = oracle.float64(x) + step * oracle.float64(dx)
    want = (oracle.max_pool2d(moved, case.window, **case.how) - pooled) / step
    np.testing.assert_allclose(slope(ops.max_pool2d), want, atol=1e-9)


@pytest.mark.parametrize("name", ["overlapping", "asymmetric"])
def test_second_derivative(name: str) -> None:
    """Both poolings are piecewise linear: the Hessian of `sum(y**2) / 2` is J^T J."""
    case = CASES[name]
    x, dx = draw("x", case.x_shape), draw("dx", case.x_shape)
    for pool in (ops.max_pool2d, ops.avg_pool2d):

        def run(x: jax.Array, pool: Callable[..., jax.Array] = pool) -> jax.Array:
            return pool(x, case.window, **case.how)

        def products(x: jax.Array, dx: jax.Array, run: Callable[..., jax.Array] = run) -> Any:
            gradient = jax.grad(lambda x: jnp.sum(run(x) ** 2) / 2)
            reverse = jax.grad(lambda x: jnp.vdot(gradient(x), dx))(x)
            forward = jax.jvp(gradient, (x,), (dx,))[1]
            return reverse, forward, jax.vjp(run, x)[1](jax.jvp(run, (x,), (dx,))[1])[0]

        reverse, forward, want = jax.jit(products)(x, dx)
        assert np.any(want != 0)
        np.testing.assert_allclose(reverse, want, atol=1e-6)
        np.testing.assert_allclose(forward, want, atol=1e-6)


@pytest.mark.parametrize("pool", [ops.max_pool2d, ops.avg_pool2d])
def test_vmap(pool: Callable[..., jax.Array]) -> None:
    case = CASES["asymmetric"]
    xs = draw("xs", (*case.x_shape, 3))

    def run(x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _with_gradient(lambda x: pool(x, case.window, **case.how), x, g)

    y = jax.eval_shape(lambda x: pool(x, case.window, **case.how), np.asarray(xs)[..., 0])
    g = draw("g", y.shape)
    mapped = jax.jit(jax.vmap(run, (4, None), 0))(xs, g)
    alone = jax.jit(run)
    for k in range(3):
        for got, want in zip(mapped, alone(np.asarray(xs)[..., k], g), strict=True):
            np.testing.assert_allclose(np.asarray(got)[k], want, rtol=0, atol=1e-6)
