"""im2col in chunks: the contract of a method, and the bound on its memory."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from jcnn import ops
from jcnn.compile import jit
from jcnn.ops import ConvMethod
from tests.ops.conv.cases import CASES, Case, conv, expected, gradients, operands, quickly
from tests.ops.conv.refusals import refusal
from tests.ops.conv.tolerances import assert_close

# By chunk: five images in chunks of two, the last one filled up; rows of one image.
BOUNDS = {"images": 2, "rows": 0.4, "a row": 0}


def chunked(case: Case, share: float) -> ConvMethod:
    """A bound of `share` images' patches, but never less than a row's."""
    row = row_bytes(case)
    return ops.im2col_in_chunks(max(int(share * case.y_shape[1] * row), row))


def row_bytes(case: Case) -> int:
    """Of the patches of one row of the output, three times: matrix, pieces and gradient."""
    kh, kw, per_group, _ = case.kernel_shape
    return 3 * 4 * case.y_shape[2] * kh * kw * per_group * case.groups


@pytest.mark.parametrize("share", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.slow), "everything"])
def test_value_and_gradients(name: str, share: float) -> None:
    case = CASES[name]
    case = dataclasses.replace(case, x_shape=(5, *case.x_shape[1:]))
    a = operands(case)
    method = chunked(case, share)
    got = quickly(gradients(case, method), a.x, a.kernel, a.bias, a.g)
    for one, want, terms in zip(got, expected(case, a), case.terms, strict=True):
        assert_close(one, want, dtype="float32", method="im2col", terms=terms)


@pytest.mark.parametrize("share", [2, pytest.param(0.4, marks=pytest.mark.slow)])
def test_transformed(share: float) -> None:
    """Hessian-vector products of two mapped convolutions in a scan are those of "im2col"."""
    case = dataclasses.replace(CASES["plain"], x_shape=(3, 5, 4, 2), kernel_shape=(3, 2, 2, 3))

    def products(method: str | ConvMethod) -> Callable[..., Any]:
        def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return (conv(case, method)(x, kernel) ** 2).sum()

        def product(x: jax.Array, kernel: jax.Array, dx: jax.Array, dk: jax.Array) -> Any:
            return jax.jvp(jax.grad(loss, (0, 1)), (x, kernel), (dx, dk))[1]

        return lambda *xs: jax.lax.scan(lambda c, a: (c, jax.vmap(product)(*a)), 0, xs)[1]

    rng = np.random.default_rng(0)
    shapes = [case.x_shape, case.kernel_shape] * 2
    xs = [rng.standard_normal((2, 2, *shape)).astype("float32") for shape in shapes]
    method = chunked(case, share)
    for one, want in zip(
        quickly(products(method), *xs), quickly(products("im2col"), *xs), strict=True
    ):
        np.testing.assert_allclose(one, want, rtol=1e-4, atol=1e-3)


def temporary_bytes(function: Callable[..., Any], *args: jax.Array) -> int:
    compiled = jit(function).lower(*args).compile()
    return int(compiled.memory_analysis().temp_size_in_bytes)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="measures XLA:CPU's buffers")
@pytest.mark.parametrize(
    ("dtype", "backward"),
    [
        ("float32", False),
        pytest.param("float32", True, marks=pytest.mark.slow),
        ("bfloat16", True),
    ],
)
def test_the_memory_is_bounded(dtype: str, backward: bool) -> None:
    """In addition to the bound there are padded or concatenated copies of input and output."""
    case = Case((12, 20, 20, 8), (5, 5, 8, 8), groups=2 if backward else 1, dtype=dtype)
    case = dataclasses.replace(case, kernel_shape=(5, 5, 8 // case.groups, 8))
    a = operands(case)

    def memory(method: str | ConvMethod) -> int:
        if backward:
            return temporary_bytes(gradients(case, method), a.x, a.kernel, a.bias, a.g)
        return temporary_bytes(conv(case, method), a.x, a.kernel)

    patches = case.y_shape[1] * row_bytes(case)  # of one image
    maps = 4 * int(np.prod(case.x_shape) + np.prod(case.y_shape))
    allowed = (4 if backward else 2) * maps
    unbounded = memory("im2col")
    for images in (3, 0.25):
        bound = int(images * patches)
        assert memory(ops.im2col_in_chunks(bound)) <= bound + allowed < unbounded


def test_one_method_for_one_bound() -> None:
    """It is part of a model's structure: another object would compile another program."""
    assert ops.im2col_in_chunks(1000) is ops.im2col_in_chunks(1000)
    assert ops.im2col_in_chunks(1000) != ops.im2col_in_chunks(2000)


def test_refusals() -> None:
    case = CASES["plain"]
    a = operands(case)
    least = row_bytes(case)
    assert ops.conv2d(a.x, a.kernel, method=chunked(case, 0)).shape == case.y_shape
    method = ops.im2col_in_chunks(least - 1)
    assert refusal(lambda: ops.conv2d(a.x, a.kernel, method=method)) == (
        f"max_bytes: got {least - 1}; the patches of one output row take {least} bytes for "
        "x (2, 5, 7, 3) and a window of 3x3"
    )
    zero: Any = 0.5
    assert refusal(lambda: ops.im2col_in_chunks(zero)) == (
        "max_bytes: got 0.5; accepted: a positive int"
    )
    assert refusal(lambda: ops.im2col_in_chunks(0)) == (
        "max_bytes: got 0; accepted: a positive int"
    )
