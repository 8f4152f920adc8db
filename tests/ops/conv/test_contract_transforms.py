"""The contract under JAX's transformations: vmap, scan, jvp, jacfwd and second derivatives."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.ops.conv import oracle
from tests.ops.conv.cases import (
    CASES,
    Case,
    conv,
    every_method_and_case,
    expected,
    gradients,
    operands,
    precision_for,
    quickly,
)
from tests.ops.conv.oracle import Array
from tests.ops.conv.tolerances import assert_close

MODELS = 3


@every_method_and_case()
@pytest.mark.parametrize("mapped", ["inputs", "kernels", "both"])
def test_vmap_of_value_and_gradients(method: str, name: str, mapped: str) -> None:
    case = CASES[name]
    models = [operands(case, f"model {m}") for m in range(MODELS)]
    if mapped == "inputs":
        models = [dataclasses.replace(m, kernel=models[0].kernel) for m in models]
    if mapped == "kernels":
        models = [dataclasses.replace(m, x=models[0].x) for m in models]
    # The mapped axis is not always the first one, in or out.
    axes = (None if mapped == "kernels" else 1, None if mapped == "inputs" else 2, 0, 0)
    x = models[0].x if axes[0] is None else jnp.stack([m.x for m in models], axis=1)
    kernel = models[0].kernel if axes[1] is None else jnp.stack([m.kernel for m in models], 2)
    bias, g = jnp.stack([m.bias for m in models]), jnp.stack([m.g for m in models])
    got = quickly(jax.vmap(gradients(case, method), axes, 1), x, kernel, bias, g)
    wanted = [expected(case, model) for model in models]
    for k, (one, terms) in enumerate(zip(got, case.terms, strict=True)):
        want = np.stack([w[k] for w in wanted], axis=1)
        assert_close(one, want, dtype="float32", method=method, terms=terms)


@every_method_and_case("stride and dilation", "everything")
def test_vmap_of_vmap(method: str, name: str) -> None:
    """Four kernels for each of two batches of inputs: both foldings of one call."""
    case = CASES[name]
    xs = jnp.stack([operands(case, f"x {m}").x for m in range(2)])
    kernels = jnp.stack([operands(case, f"kernel {m}").kernel for m in range(4)])
    run = conv(case, method)
    got = quickly(jax.vmap(jax.vmap(run, (None, 0)), (0, None)), xs, kernels)
    wanted = [
        [oracle.conv2d(oracle.float64(x), oracle.float64(k), **case.how) for k in kernels]
        for x in xs
    ]
    assert_close(got, np.array(wanted), dtype="float32", method=method, terms=case.terms[0])


@every_method_and_case()
def test_training_in_a_scan(method: str, name: str) -> None:
    """Three steps of gradient descent inside one `lax.scan`."""
    case, rate = CASES[name], 0.01
    steps = [operands(case, f"step {s}") for s in range(3)]
    run = gradients(case, method)

    def step(kernel: jax.Array, xs: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        x, bias, g = xs
        y, _, by_kernel, _ = run(x, kernel, bias, g)
        return kernel - rate * by_kernel, y

    stacked = tuple(jnp.stack([getattr(s, field) for s in steps]) for field in ("x", "bias", "g"))
    last, ys = quickly(lambda k, xs: jax.lax.scan(step, k, xs), steps[0].kernel, stacked)

    kernel = oracle.float64(steps[0].kernel)
    wanted = []
    for s in steps:
        x, g = oracle.float64(s.x), oracle.float64(s.g)
        wanted.append(oracle.conv2d(x, kernel, oracle.float64(s.bias), **case.how))
        kernel = kernel - rate * oracle.conv2d_gradients(x, kernel, g, **case.how)[1]
    by_y, _, by_kernel, _ = case.terms
    tolerance: dict[str, Any] = {"dtype": "float32", "method": method}
    assert_close(ys, np.stack(wanted), terms=by_y, scale=2, **tolerance)
    assert_close(last, kernel, terms=by_kernel, **tolerance)


@every_method_and_case()
def test_jvp(method: str, name: str) -> None:
    """Convolution is linear in each operand, so the tangents follow from the values."""
    case = CASES[name]
    at, along = operands(case), operands(case, "tangent")
    got = quickly(
        lambda *both: jax.jvp(conv(case, method), both[:3], both[3:])[1],
        *(at.x, at.kernel, at.bias, along.x, along.kernel, along.bias),
    )
    want = oracle.conv2d(*_f64(along.x, at.kernel, along.bias), **case.how)
    want += oracle.conv2d(*_f64(at.x, along.kernel), **case.how)
    assert_close(got, want, dtype="float32", method=method, terms=2 * case.terms[0])


@every_method_and_case()
def test_jacfwd(method: str, name: str) -> None:
    """The whole Jacobian by the kernel, contracted with g, is the oracle's gradient."""
    case = CASES[name]
    a = operands(case)
    jacobian = quickly(jax.jacfwd(conv(case, method), 1), a.x, a.kernel)
    assert jacobian.shape == (*case.y_shape, *case.kernel_shape)
    got = np.tensordot(oracle.float64(a.g), oracle.float64(jacobian), 4).astype(np.float32)
    want = expected(case, a)[2]
    assert_close(got, want, dtype="float32", method=method, terms=case.terms[2])


@every_method_and_case(dtype="float64")
@pytest.mark.parametrize("order", ["reverse over reverse", "forward over reverse"])
def test_second_derivative(method: str, name: str, order: str) -> None:
    """Hessian of `sum(y**2) / 2` times a direction, by input and kernel, in float64."""
    case = dataclasses.replace(CASES[name], dtype="float64")
    with precision_for("float64"):
        at, along = operands(case), operands(case, "direction")
        product = _hessian_product(lambda x, k: jnp.sum(conv(case, method)(x, k) ** 2) / 2, order)
        got = quickly(product, (at.x, at.kernel), (along.x, along.kernel))
        wanted = _hessian_product_by_definition(case, at.x, at.kernel, along.x, along.kernel)
        # A chain of two sums: the terms of one are the results of the other.
        longest = max(case.terms[:3])
        for one, want in zip(got, wanted, strict=True):
            assert_close(
                one, want, dtype="float64", method=method, terms=longest, scale=longest**0.5
            )


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
