"""Zero padding, cropping and upsampling against loops in float64, and their refusals."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, precision_for, together
from tests.ops.conv.oracle import Array
from tests.ops.conv.refusals import FLOATS, PAIR, refusal
from tests.ops.conv.tolerances import EPS

SHAPE = (2, 4, 5, 3)
SIZES = [(2, 3), (4, 1)]


def weights(cells: int, factor: int, interpolation: str) -> Array:
    """Matrix (cells * factor, cells): the share of each cell in each cell of the result."""
    matrix = np.zeros((cells * factor, cells))
    for out in range(cells * factor):
        if interpolation == "nearest":
            matrix[out, out // factor] = 1
            continue
        position = (out + 0.5) / factor - 0.5
        below = int(np.floor(position))
        for cell, share in ((below, 1 - (position - below)), (below + 1, position - below)):
            matrix[out, min(max(cell, 0), cells - 1)] += share
    return matrix


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling_and_its_gradient(interpolation: Any, dtype: str) -> None:
    with precision_for(dtype):
        x = draw("x", SHAPE, dtype)
        gs = [draw("g", (2, 4 * size[0], 5 * size[1], 3), dtype) for size in SIZES]

        def both(size: Any) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
            def run(x: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
                y, pull_back = jax.vjp(
                    lambda x: ops.upsample2d(x, size, interpolation=interpolation), x
                )
                return y, pull_back(g)[0]

            return run

        results = together([both(size) for size in SIZES], [(x, g) for g in gs])
        for size, g, (y, by_x) in zip(SIZES, gs, results, strict=True):
            rows, columns = (weights(SHAPE[axis + 1], size[axis], interpolation) for axis in (0, 1))
            want = np.einsum("ai,bj,nijc->nabc", rows, columns, oracle.float64(x))
            want_by_x = np.einsum("ai,bj,nabc->nijc", rows, columns, oracle.float64(g))
            assert (str(y.dtype), str(by_x.dtype)) == (dtype, dtype)
            # A rounding of the result, or of each term in 32 and 64 bits.
            np.testing.assert_allclose(oracle.float64(y), want, rtol=0, atol=8 * EPS[dtype])
            np.testing.assert_allclose(
                oracle.float64(by_x), want_by_x, rtol=EPS[dtype], atol=16 * EPS["float32"]
            )


def test_one_pixel_is_a_plain_image() -> None:
    x = jnp.array([2.0, -3.0]).reshape(1, 1, 1, 2)
    for interpolation in ("nearest", "bilinear"):
        y = ops.upsample2d(x, 3, interpolation=interpolation)
        np.testing.assert_array_equal(y, np.broadcast_to(x, (1, 3, 3, 2)))


def test_twice_is_the_default_and_half_pixel_centres() -> None:
    x = jnp.array([0.0, 8.0]).reshape(1, 1, 2, 1)
    np.testing.assert_array_equal(ops.upsample2d(x)[0, 1, :, 0], [0, 0, 8, 8])
    y = ops.upsample2d(x, (1, 2), interpolation="bilinear")
    np.testing.assert_array_equal(y[0, 0, :, 0], [0, 2, 6, 8])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_gradients_of_16_bits_are_summed_in_32(dtype: str) -> None:
    """In 16 bits a sum of ones would stop at 256 or 2048."""
    ones = jnp.ones((1, 1, 1, 1), dtype)
    slope = jax.grad(lambda x: ops.upsample2d(x, (64, 64)).astype("float32").sum())(ones)
    assert slope[0, 0, 0, 0] == 4096


@pytest.mark.parametrize("dtype", [*DTYPES, "uint8"])
def test_padding_and_cropping(dtype: str) -> None:
    with precision_for(dtype):
        x = (8 * draw("x", SHAPE)).astype(dtype)
        wide = np.asarray(x).astype("float64")
        sides: Any
        for sides in (2, (0, 1), ((1, 0), (2, 3)), np.array([1, 2])):
            padded = ops.zero_pad2d(x, sides)
            (top, bottom), (left, right) = ops.check_sides("padding", sides)
            want = np.zeros((2, top + 4 + bottom, left + 5 + right, 3))
            want[:, top : top + 4, left : left + 5] = wide
            assert padded.dtype == x.dtype
            np.testing.assert_array_equal(np.asarray(padded).astype("float64"), want)
            np.testing.assert_array_equal(ops.crop2d(padded, sides), x)
        cut = ops.crop2d(x, ((1, 2), (0, 3)))
        np.testing.assert_array_equal(np.asarray(cut).astype("float64"), wide[:, 1:2, :2])


def test_the_gradients_of_padding_and_cropping_are_each_other() -> None:
    sides = ((1, 0), (2, 3))
    x = draw("x", SHAPE)
    padded, pull_back = jax.vjp(lambda x: ops.zero_pad2d(x, sides), x)
    g = draw("g", padded.shape)
    np.testing.assert_array_equal(pull_back(g)[0], ops.crop2d(g, sides))
    _, pull_back = jax.vjp(lambda g: ops.crop2d(g, sides), g)
    np.testing.assert_array_equal(pull_back(x)[0], padded)


def test_sides() -> None:
    assert ops.check_sides("padding", 2) == ((2, 2), (2, 2))
    assert ops.check_sides("padding", (1, 2)) == ((1, 1), (2, 2))
    assert ops.check_sides("padding", ((1, 2), (3, 4))) == ((1, 2), (3, 4))


def test_jit_and_vmap() -> None:
    xs = draw("xs", (*SHAPE, 3))
    for interpolation in ("nearest", "bilinear"):

        def run(x: jax.Array, how: Any = interpolation) -> jax.Array:
            return ops.upsample2d(ops.crop2d(ops.zero_pad2d(x, 2), (1, 0)), 2, interpolation=how)

        mapped = jax.jit(jax.vmap(run, in_axes=-1))(xs)
        for k in range(3):
            np.testing.assert_allclose(mapped[k], run(xs[..., k]), rtol=0, atol=1e-6)


SIDES = "an int >= 0, a pair (rows, columns), or ((top, bottom), (left, right)) of ints >= 0"
WRONG: Any = [-1, 1.5, "SAME", (1, 2, 3), ((1, -1), (0, 0)), ((1, 2, 3), (0, 0)), None, [], ("1",)]


@pytest.mark.parametrize("value", WRONG)
def test_sides_that_are_none(value: Any) -> None:
    x = jnp.ones(SHAPE)
    said = refusal(lambda: ops.zero_pad2d(x, value))
    assert said == f"padding: got {value!r}; accepted: {SIDES}"
    said = refusal(lambda: ops.crop2d(x, value))
    assert said == f"cropping: got {value!r}; accepted: {SIDES}"


TEXT: Any = "3"
BICUBIC: Any = "bicubic"


def test_refusals() -> None:
    x = jnp.ones(SHAPE)
    wrong = "x: got shape (4, 5, 3); expected 4 axes (N, H, W, C)"
    assert refusal(lambda: ops.zero_pad2d(x[0], 1)) == wrong
    assert refusal(lambda: ops.crop2d(x[0], 1)) == wrong
    assert refusal(lambda: ops.upsample2d(x[0])) == wrong
    said = refusal(lambda: ops.crop2d(x, ((2, 2), (0, 0))))
    assert said == "cropping: got ((2, 2), (0, 0)), which leaves nothing of x (2, 4, 5, 3)"
    assert refusal(lambda: ops.upsample2d(x, 0)) == f"size: got 0; accepted: {PAIR}"
    assert refusal(lambda: ops.upsample2d(x, TEXT)) == f"size: got '3'; accepted: {PAIR}"
    said = refusal(lambda: ops.upsample2d(x, interpolation=BICUBIC))
    assert said == "interpolation: got 'bicubic'; accepted: 'nearest', 'bilinear'"
    assert refusal(lambda: ops.upsample2d(x.astype("uint8"))) == f"x: got dtype uint8; {FLOATS}"
