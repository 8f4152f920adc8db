"""The contract under JAX's transformations: vmap, scan, jvp, jacfwd and second derivatives."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from tests.ops.conv import oracle
from tests.ops.conv.cases import (
    CASES,
    Case,
    Operands,
    conv,
    every_method_and_its_cases,
    expected,
    gradients,
    naming,
    operands,
    precision_for,
    together,
)
from tests.ops.conv.oracle import Array
from tests.ops.conv.test_contract import DIFFERENT
from tests.ops.conv.tolerances import assert_close

MODELS = 3
MAPPED = ("inputs", "kernels", "both")
ORDERS = ("reverse over reverse", "forward over reverse")


def in_turn(
    names: tuple[str, ...], method: str, way: str, ways: tuple[str, ...]
) -> tuple[str, ...]:
    """Each case in one of the ways, if there are as many."""
    names = few(names, method)
    return names if len(names) < len(ways) else names[ways.index(way) :: len(ways)]


def few(names: tuple[str, ...], method: str) -> tuple[str, ...]:
    """All cases for "lax", and those of any other method that differ most.

    The rules of batching and of derivatives are those of the same primitive, or JAX's own.
    """
    return names if method == "lax" else tuple(n for n in names if n in DIFFERENT) or names


@every_method_and_its_cases()
@pytest.mark.parametrize("mapped", MAPPED)
def test_vmap_of_value_and_gradients(method: str, names: tuple[str, ...], mapped: str) -> None:
    check_vmap(method, in_turn(names, method, mapped, MAPPED), mapped)


@pytest.mark.slow
@every_method_and_its_cases()
@pytest.mark.parametrize("mapped", MAPPED)
def test_vmap_of_all_cases(method: str, names: tuple[str, ...], mapped: str) -> None:
    check_vmap(method, names, mapped)


def check_vmap(method: str, names: tuple[str, ...], mapped: str) -> None:
    # The mapped axis is not always the first one, in or out.
    axes = (None if mapped == "kernels" else 1, None if mapped == "inputs" else 2, 0, 0)
    cases = [CASES[name] for name in names]
    models = [_models(case, mapped) for case in cases]
    results = together(
        [jax.vmap(gradients(case, method), axes, 1) for case in cases],
        [
            tuple(
                getattr(of[0], field) if axis is None else _stack(of, field, axis)
                for field, axis in zip(("x", "kernel", "bias", "g"), axes, strict=True)
            )
            for of in models
        ],
    )
    for case, of, got in zip(cases, models, results, strict=True):
        wanted = [expected(case, model) for model in of]
        for k, (one, terms) in enumerate(zip(got, case.terms, strict=True)):
            want = np.stack([w[k] for w in wanted], axis=1)
            with naming(case):
                assert_close(one, want, dtype="float32", method=method, terms=terms)


def _models(case: Case, mapped: str) -> list[Operands]:
    models = [operands(case, f"model {m}") for m in range(MODELS)]
    if mapped == "inputs":
        return [dataclasses.replace(m, kernel=models[0].kernel) for m in models]
    if mapped == "kernels":
        return [dataclasses.replace(m, x=models[0].x) for m in models]
    return models


def _stack(of: list[Operands], field: str, axis: int = 0) -> npt.NDArray[Any]:
    """In NumPy: JAX would compile a program a shape."""
    return np.stack([np.asarray(getattr(one, field)) for one in of], axis)


@every_method_and_its_cases("stride and dilation", "everything")
def test_vmap_of_vmap(method: str, names: tuple[str, ...]) -> None:
    """Four kernels for each of two batches of inputs: both foldings of one call."""
    cases = [CASES[name] for name in names]
    arrays = [
        (
            _stack([operands(case, f"x {m}") for m in range(2)], "x"),
            _stack([operands(case, f"kernel {m}") for m in range(4)], "kernel"),
        )
        for case in cases
    ]
    results = together(
        [jax.vmap(jax.vmap(conv(case, method), (None, 0)), (0, None)) for case in cases], arrays
    )
    for case, (xs, kernels), got in zip(cases, arrays, results, strict=True):
        wanted = [
            [oracle.conv2d(oracle.float64(x), oracle.float64(k), **case.how) for k in kernels]
            for x in xs
        ]
        with naming(case):
            assert_close(got, np.array(wanted), dtype="float32", method=method, terms=case.terms[0])


@every_method_and_its_cases()
def test_training_in_a_scan(method: str, names: tuple[str, ...]) -> None:
    check_training(method, few(names, method))


@pytest.mark.slow
@every_method_and_its_cases()
def test_training_in_a_scan_of_all_cases(method: str, names: tuple[str, ...]) -> None:
    check_training(method, names)


def check_training(method: str, names: tuple[str, ...]) -> None:
    """Three steps of gradient descent inside one `lax.scan`."""
    rate = 0.01
    cases = [CASES[name] for name in names]
    steps = [[operands(case, f"step {s}") for s in range(3)] for case in cases]

    def training(case: Case) -> Callable[..., Any]:
        run = gradients(case, method)

        def step(kernel: jax.Array, xs: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            x, bias, g = xs
            y, _, by_kernel, _ = run(x, kernel, bias, g)
            return kernel - rate * by_kernel, y

        return lambda kernel, xs: jax.lax.scan(step, kernel, xs)

    results = together(
        [training(case) for case in cases],
        [(of[0].kernel, tuple(_stack(of, field) for field in ("x", "bias", "g"))) for of in steps],
    )
    for case, of, (last, ys) in zip(cases, steps, results, strict=True):
        kernel = oracle.float64(of[0].kernel)
        wanted = []
        for s in of:
            x, g = oracle.float64(s.x), oracle.float64(s.g)
            wanted.append(oracle.conv2d(x, kernel, oracle.float64(s.bias), **case.how))
            kernel = kernel - rate * oracle.conv2d_gradients(x, kernel, g, **case.how)[1]
        by_y, _, by_kernel, _ = case.terms
        tolerance: dict[str, Any] = {"dtype": "float32", "method": method}
        with naming(case):
            assert_close(ys, np.stack(wanted), terms=by_y, scale=2, **tolerance)
            assert_close(last, kernel, terms=by_kernel, **tolerance)


@every_method_and_its_cases()
def test_jvp(method: str, names: tuple[str, ...]) -> None:
    check_jvp(method, few(names, method))


@pytest.mark.slow
@every_method_and_its_cases()
def test_jvp_of_all_cases(method: str, names: tuple[str, ...]) -> None:
    check_jvp(method, names)


def check_jvp(method: str, names: tuple[str, ...]) -> None:
    """Convolution is linear in each operand, so the tangents follow from the values."""
    cases = [CASES[name] for name in names]
    pairs = [(operands(case), operands(case, "tangent")) for case in cases]

    def tangent(case: Case) -> Callable[..., jax.Array]:
        return lambda *both: jax.jvp(conv(case, method), both[:3], both[3:])[1]

    results = together(
        [tangent(case) for case in cases],
        [(at.x, at.kernel, at.bias, to.x, to.kernel, to.bias) for at, to in pairs],
    )
    for case, (at, along), got in zip(cases, pairs, results, strict=True):
        want = oracle.conv2d(*_f64(along.x, at.kernel, along.bias), **case.how)
        want += oracle.conv2d(*_f64(at.x, along.kernel), **case.how)
        with naming(case):
            assert_close(got, want, dtype="float32", method=method, terms=2 * case.terms[0])


@every_method_and_its_cases()
def test_jacfwd(method: str, names: tuple[str, ...]) -> None:
    check_jacfwd(method, few(names, method))


@pytest.mark.slow
@every_method_and_its_cases()
def test_jacfwd_of_all_cases(method: str, names: tuple[str, ...]) -> None:
    check_jacfwd(method, names)


def check_jacfwd(method: str, names: tuple[str, ...]) -> None:
    """The whole Jacobian by the kernel, contracted with g, is the oracle's gradient."""
    cases = [CASES[name] for name in names]
    arrays = [operands(case) for case in cases]
    results = together(
        [jax.jacfwd(conv(case, method), 1) for case in cases], [(a.x, a.kernel) for a in arrays]
    )
    for case, a, jacobian in zip(cases, arrays, results, strict=True):
        assert jacobian.shape == (*case.y_shape, *case.kernel_shape)
        got = np.tensordot(oracle.float64(a.g), oracle.float64(jacobian), 4).astype(np.float32)
        want = expected(case, a)[2]
        with naming(case):
            assert_close(got, want, dtype="float32", method=method, terms=case.terms[2])


@every_method_and_its_cases(dtype="float64")
@pytest.mark.parametrize("order", ORDERS)
def test_second_derivative(method: str, names: tuple[str, ...], order: str) -> None:
    check_second_derivative(method, in_turn(names, method, order, ORDERS), order)


@pytest.mark.slow
@every_method_and_its_cases(dtype="float64")
@pytest.mark.parametrize("order", ORDERS)
def test_second_derivative_of_all_cases(method: str, names: tuple[str, ...], order: str) -> None:
    check_second_derivative(method, names, order)


def check_second_derivative(method: str, names: tuple[str, ...], order: str) -> None:
    """Hessian of `sum(y**2) / 2` times a direction, by input and kernel, in float64."""
    cases = [dataclasses.replace(CASES[name], dtype="float64") for name in names]

    def product(case: Case) -> Callable[..., Any]:
        return _hessian_product(lambda x, k: jnp.sum(conv(case, method)(x, k) ** 2) / 2, order)

    with precision_for("float64"):
        pairs = [(operands(case), operands(case, "direction")) for case in cases]
        results = together(
            [product(case) for case in cases],
            [((at.x, at.kernel), (along.x, along.kernel)) for at, along in pairs],
        )
        for case, (at, along), got in zip(cases, pairs, results, strict=True):
            wanted = _hessian_product_by_definition(case, at.x, at.kernel, along.x, along.kernel)
            # A chain of two sums: the terms of one are the results of the other.
            longest = max(case.terms[:3])
            tolerance: dict[str, Any] = {"terms": longest, "scale": longest**0.5}
            for one, want in zip(got, wanted, strict=True):
                with naming(case):
                    assert_close(one, want, dtype="float64", method=method, **tolerance)


def _hessian_product(loss: Callable[..., jax.Array], order: str) -> Callable[..., Any]:
    gradient = jax.grad(loss, (0, 1))
    if order == "forward over reverse":
        return lambda at, along: jax.jvp(gradient, at, along)[1]

    def slope(x: jax.Array, kernel: jax.Array, along: tuple[jax.Array, jax.Array]) -> jax.Array:
        by_x, by_kernel = gradient(x, kernel)
        return jnp.sum(by_x * along[0]) + jnp.sum(by_kernel * along[1])

    return lambda at, along: jax.grad(slope, (0, 1))(*at, along)


def _hessian_product_by_definition(case: Case, *arrays: jax.Array) -> tuple[Array, Array]:
    """Differentiate `conv_gradients(x, k, y)` by the product rule, y being `conv(x, k)`."""
    x, k, dx, dk = _f64(*arrays)
    y = oracle.conv2d(x, k, **case.how)
    dy = oracle.conv2d(dx, k, **case.how) + oracle.conv2d(x, dk, **case.how)
    by_x_dy, by_k_dy, _ = oracle.conv2d_gradients(x, k, dy, **case.how)
    by_x_y, by_k_y, _ = oracle.conv2d_gradients(dx, dk, y, **case.how)
    return by_x_dy + by_x_y, by_k_dy + by_k_y


def _f64(*arrays: jax.Array) -> list[Array]:
    return [oracle.float64(array) for array in arrays]
