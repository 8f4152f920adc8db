"""Depthwise and separable convolution: channel by channel against the oracle."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import Case, draw, every_method, quickly
from tests.ops.conv.oracle import Array
from tests.ops.conv.tolerances import assert_close

X, DEPTHWISE, POINTWISE = (2, 6, 5, 3), (3, 2, 3, 4), (1, 1, 12, 5)
HOW: dict[str, Any] = {"stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2)}


def by_definition(x: Array, kernel: Array) -> Array:
    """Output `c * M + m` is channel `c` convolved with `kernel[:, :, c, m]`."""
    maps = [
        oracle.conv2d(x[..., c : c + 1], kernel[:, :, c : c + 1, m : m + 1], **HOW)
        for c in range(kernel.shape[2])
        for m in range(kernel.shape[3])
    ]
    return np.concatenate(maps, axis=-1)


def arrays() -> tuple[jax.Array, jax.Array, jax.Array]:
    return draw("x", X), draw("depthwise", DEPTHWISE), draw("pointwise", POINTWISE)


@every_method(Case(X, (3, 2, 1, 12), **HOW, groups=3))
def test_depthwise(method: str) -> None:
    x, kernel, _ = arrays()
    bias = draw("bias", (12,))
    y = quickly(lambda *xs: ops.depthwise_conv2d(*xs, **HOW, method=method), x, kernel, bias)
    want = by_definition(oracle.float64(x), oracle.float64(kernel)) + oracle.float64(bias)
    assert_close(y, want, dtype="float32", method=method, terms=7)


def test_separable_is_depthwise_and_a_dense_layer_for_every_pixel() -> None:
    x, depthwise, pointwise = arrays()
    bias = draw("bias", (5,))
    y = quickly(lambda *xs: ops.separable_conv2d(*xs, **HOW), x, depthwise, pointwise, bias)
    maps = by_definition(oracle.float64(x), oracle.float64(depthwise))
    want = maps @ oracle.float64(pointwise)[0, 0] + oracle.float64(bias)
    # A chain of two sums: the terms of one are the results of the other.
    assert_close(y, want, dtype="float32", method="lax", terms=13, scale=6**0.5)


def test_separable_gradients_are_those_of_the_whole_kernel() -> None:
    """It is a `conv2d` by the sum over m of depthwise times pointwise kernels."""
    x, depthwise, pointwise = arrays()
    g = draw("g", (2, 3, 6, 5))

    def whole(x: jax.Array, depthwise: jax.Array, pointwise: jax.Array) -> jax.Array:
        kernel = jnp.einsum("hwcm,cmo->hwco", depthwise, pointwise.reshape(3, 4, 5))
        return ops.conv2d(x, kernel, **HOW)

    def both(*operands: jax.Array) -> list[Any]:
        functions: list[Callable[..., jax.Array]] = [
            whole,
            lambda *xs: ops.separable_conv2d(*xs, **HOW),
        ]
        return [jax.vjp(function, *operands)[1](g) for function in functions]

    wanted, got = quickly(both, x, depthwise, pointwise)
    for one, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-4, atol=2e-4)


def test_transformed() -> None:
    """Mapped over kernels inside a scan, forward over reverse, against a loop without them."""
    x, _, _ = arrays()
    kernels = draw("kernels", (2, 2, *DEPTHWISE))

    def product(kernel: jax.Array) -> jax.Array:
        loss = jax.grad(lambda k: jnp.sum(ops.depthwise_conv2d(x, k, **HOW) ** 2) / 2)
        along: jax.Array = jax.jvp(loss, (kernel,), (kernel,))[1]
        return along

    got = quickly(
        lambda ks: jax.lax.scan(lambda c, k: (c, jax.vmap(product)(k)), 0, ks)[1], kernels
    )
    # The loss is quadratic, so its Hessian times the kernel is its gradient there.
    for index in np.ndindex(2, 2):
        kernel = oracle.float64(kernels[index])
        y = by_definition(oracle.float64(x), kernel)
        want = oracle.conv2d_gradients(
            oracle.float64(x), kernel.reshape(3, 2, 1, 12), y, **HOW, groups=3
        )[1]
        np.testing.assert_allclose(got[index], want.reshape(DEPTHWISE), rtol=1e-4, atol=1e-4)
