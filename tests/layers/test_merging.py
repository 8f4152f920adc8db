"""Add, Multiply and Concatenate against NumPy float64, and the shapes that they refuse."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.layers import Add, Concatenate, Multiply
from tests.ops.conv import oracle
from tests.ops.conv.cases import DTYPES, draw, precision_for
from tests.ops.conv.refusals import FLOATS, refusal
from tests.ops.conv.tolerances import EPS

SHAPE = (2, 4, 5, 3)
SIZES = "equal sizes, or 1 in an axis other than the first"


@pytest.mark.parametrize("dtype", DTYPES)
def test_sum_and_product_with_gradients(dtype: str) -> None:
    with precision_for(dtype):
        shapes = [SHAPE, (2, 1, 1, 3), SHAPE]
        x, gate, z = arrays = [draw(f"x{k}", shapes[k], dtype) for k in range(3)]
        wide = [oracle.float64(array) for array in arrays]
        g = draw("g", SHAPE, dtype)
        slope = oracle.float64(g)
        total, pull_back = jax.vjp(lambda *arrays: Add()(arrays), *arrays)
        product, pull_product = jax.vjp(lambda *arrays: Multiply()(list(arrays)), *arrays)
        for got, want in (
            (total, sum(wide[1:], wide[0])),
            (product, wide[0] * wide[1] * wide[2]),
            (pull_back(g)[1], slope.sum((1, 2), keepdims=True)),
            (pull_product(g)[0], slope * wide[1] * wide[2]),
            (pull_product(g)[1], (slope * wide[0] * wide[2]).sum((1, 2), keepdims=True)),
        ):
            assert str(got.dtype) == dtype
            # One rounding of the result; those of the terms are in 32 or 64 bits.
            limit = 32 * EPS["float32" if dtype != "float64" else dtype]
            np.testing.assert_allclose(oracle.float64(got), want, rtol=EPS[dtype], atol=limit)
        np.testing.assert_array_equal(pull_back(g)[0], g)
        assert [array.dtype for array in pull_back(g)] == [x.dtype, gate.dtype, z.dtype]


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
@pytest.mark.parametrize("axis", [-1, 1, 0, -2])
def test_concatenation(axis: int, dtype: str) -> None:
    with precision_for(dtype):
        other = list(SHAPE)
        other[axis] += 3
        arrays = [(8 * draw("x", SHAPE)).astype(dtype), (8 * draw("y", tuple(other))).astype(dtype)]
        got = Concatenate(axis)(arrays)
        assert str(got.dtype) == dtype
        want = np.concatenate([np.asarray(a).astype("float64") for a in arrays], axis)
        np.testing.assert_array_equal(np.asarray(got).astype("float64"), want)


def test_channels_are_the_default_axis() -> None:
    x, y = draw("x", SHAPE), draw("y", (2, 4, 5, 2))
    np.testing.assert_array_equal(Concatenate()((x, y)), np.concatenate([x, y], axis=3))
    _, pull_back = jax.vjp(lambda x, y: Concatenate()([x, y]), x, y)
    g = draw("g", (2, 4, 5, 5))
    np.testing.assert_array_equal(pull_back(g)[1], g[..., 3:])


@pytest.mark.parametrize("layer", [Add(), Multiply(), Concatenate()])
def test_one_array_is_itself_and_empty_ones_are_empty(layer: Any) -> None:
    x = draw("x", SHAPE)
    np.testing.assert_array_equal(layer([x]), x)
    for shape in ((0, 4, 5, 3), (2, 4, 0, 3)):
        assert layer([jnp.ones(shape)] * 2).shape[:3] == shape[:3]


def test_jit_and_vmap() -> None:
    xs, ys = draw("xs", (*SHAPE, 2)), draw("ys", (2, *SHAPE))
    for layer in (Add(), Multiply(), Concatenate()):
        run = jax.jit(jax.vmap(lambda x, y, layer=layer: layer([x, y]), in_axes=(-1, 0)))
        for k in range(2):
            np.testing.assert_array_equal(run(xs, ys)[k], layer([xs[..., k], ys[k]]))


X = jnp.ones(SHAPE)
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "rows": (
        Add(),
        [X, X[:, 1:]],
        f"inputs[1]: got shape (2, 3, 5, 3) for inputs[0] of shape (2, 4, 5, 3); accepted: {SIZES}",
    ),
    "examples": (
        Multiply(),
        [X, X[:1]],
        f"inputs[1]: got shape (1, 4, 5, 3) for inputs[0] of shape (2, 4, 5, 3); accepted: {SIZES}",
    ),
    "the last two": (
        Add(),
        [X[:, :1], X, X[:, 2:]],
        f"inputs[2]: got shape (2, 2, 5, 3) for inputs[1] of shape (2, 4, 5, 3); accepted: {SIZES}",
    ),
    "axes": (
        Add(),
        [X, X[0]],
        (
            "inputs[1]: got shape (4, 5, 3) for inputs[0] of shape (2, 4, 5, 3); "
            "accepted: as many axes"
        ),
    ),
    "dtype": (
        Multiply(),
        [X, X.astype("float16")],
        "inputs[1]: got dtype float16 for inputs[0] of dtype float32",
    ),
    "integers": (Add(), [X.astype("int32")] * 2, f"inputs: got dtype int32; {FLOATS}"),
    "none": (Add(), [], "inputs: got none; expected a list or tuple of arrays"),
    "an array": (
        Concatenate(),
        X,
        "inputs: got one array of shape (2, 4, 5, 3); expected a list or tuple of arrays",
    ),
    "concatenated": (
        Concatenate(),
        [X, X[:, 1:]],
        (
            "inputs[1]: got shape (2, 3, 5, 3) for inputs[0] of shape (2, 4, 5, 3); "
            "accepted: equal sizes of all axes but axis 3"
        ),
    ),
    "axis": (Concatenate(4), [X, X], "axis: got 4 for inputs[0] of shape (2, 4, 5, 3)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    layer, inputs, expected = REFUSED[name]
    assert refusal(lambda: layer(inputs)) == expected


def test_an_axis_is_an_integer() -> None:
    wrong: Any = 1.5
    assert refusal(lambda: Concatenate(wrong)) == "axis: got 1.5; accepted: an int"
    position: Any = np.int64(1)
    assert type(Concatenate(position).axis) is int
