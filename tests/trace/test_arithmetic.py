"""Every number of a trace, against the oracle and against `jcnn.ops`, on random grids."""

import math
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jcnn import ops, trace
from tests.ops.conv import oracle

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))
INTS = st.integers(-9, 9)
LARGEST = 12


@st.composite
def windows(draw: st.DrawFn, *, pooling: bool = False) -> dict[str, Any]:
    """An image, a window that fits, its stride, padding and dilation."""
    kernel = draw(SIZES)
    dilation = (1, 1) if pooling else draw(SIZES)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height, width = (draw(st.integers(cells, LARGEST)) for cells in span)
    most = min(kernel) - 1 if pooling else 3
    return {
        "shape": (height, width, draw(st.integers(1, 3))),
        "kernel": kernel,
        "stride": draw(SIZES),
        "padding": draw(st.sampled_from(["VALID", "SAME", *range(most + 1)])),
        "dilation": dilation,
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def array(random: np.random.Generator, *shape: int) -> npt.NDArray[np.float64]:
    return random.integers(-9, 10, shape).astype(np.float64)


def stack(cube: npt.NDArray[np.float64]) -> trace.Stack:
    """`(H, W, C)` of whole numbers as a grid a channel."""
    return tuple(
        tuple(tuple(int(x) for x in row) for row in cube[:, :, channel])
        for channel in range(cube.shape[2])
    )


def convolved(
    case: dict[str, Any],
) -> tuple[trace.Convolution, npt.NDArray[np.float64], npt.NDArray[np.float64], int]:
    random = np.random.default_rng(case["seed"])
    x = array(random, *case["shape"])
    kernel = array(random, *case["kernel"], case["shape"][2])
    bias = int(random.integers(-9, 10))
    options = {name: case[name] for name in ("stride", "padding", "dilation")}
    return trace.convolve(stack(x), stack(kernel), bias, **options), x, kernel, bias


@settings(max_examples=150)
@given(windows())
def test_convolution_against_the_oracle(case: dict[str, Any]) -> None:
    found, x, kernel, bias = convolved(case)
    options = {name: case[name] for name in ("stride", "padding", "dilation")}
    expected = oracle.conv2d(x[None], kernel[..., None], np.array([bias]), **options)
    np.testing.assert_array_equal(np.array(found.values[0], float), expected[0, :, :, 0])
    patches = oracle.im2col(x[None], case["kernel"], **options)[0]
    for step in found.steps():
        patch = patches[step.row, step.column].reshape(*case["kernel"], -1)
        seen = np.array([[[n or 0 for n in line] for line in p] for p in step.patches])
        np.testing.assert_array_equal(seen, np.moveaxis(patch, -1, 0))
        np.testing.assert_array_equal(step.products, np.moveaxis(patch * kernel, -1, 0))
        assert list(step.sums) == (patch * kernel).sum((0, 1)).tolist()
        assert sum(step.sums) + bias == step.value == found.values[0][step.row][step.column]


@settings(max_examples=12)  # each compiles
@given(windows())
def test_convolution_against_ops(case: dict[str, Any]) -> None:
    """Integers this small are exact in float32."""
    found, x, kernel, bias = convolved(case)
    options = {name: case[name] for name in ("stride", "padding", "dilation")}
    y = ops.conv2d(
        jnp.asarray(x[None], "float32"),
        jnp.asarray(kernel[..., None], "float32"),
        jnp.asarray([bias], "float32"),
        method="lax",
        **options,
    )
    np.testing.assert_array_equal(np.array(found.values[0], float), y[0, :, :, 0])


def test_what_lies_in_the_padding_is_known() -> None:
    """A zero in the image is not padding."""
    found = trace.convolve(((((0, 1), (2, 0))),), (((1, 1), (1, 1)),), padding=1)
    assert found.step(0, 0).patches == (((None, None), (None, 0)),)
    assert found.step(2, 1).patches == (((2, 0), (None, None)),)


@settings(max_examples=50)
@given(windows())
def test_im2col_against_the_oracle(case: dict[str, Any]) -> None:
    found, x, kernel, bias = convolved(case)
    options = {name: case[name] for name in ("stride", "padding", "dilation")}
    matrix = trace.im2col(found)
    expected = oracle.im2col(x[None], case["kernel"], **options)[0]
    np.testing.assert_array_equal(
        np.array(matrix.values[0], float), expected.reshape(-1, expected.shape[-1])
    )
    np.testing.assert_array_equal(np.array(matrix.columns, float), [kernel.ravel()])
    product = np.array(matrix.values[0], float) @ np.array(matrix.columns[0], float) + bias
    assert (
        product.tolist()
        == list(matrix.products[0])
        == [number for line in found.values[0] for number in line]
    )
    assert matrix.places == tuple(np.ndindex(*found.window.out_size))
    for row, numbers in enumerate(matrix.patches):
        for column, number in enumerate(numbers):
            if number is not None:
                r, c, k = place(matrix.why(0, row, column))
                assert x[r, c, k] == number
            else:
                assert matrix.why(0, row, column) == "padding"


def place(words: str) -> tuple[int, int, int]:
    """(row, column, channel) of "input (3,4) of channel 1"."""
    where, _, channel = words.removeprefix("input ").partition(" of channel ")
    row, column = where.strip("()").split(",")
    return int(row), int(column), int(channel or 0)


@settings(max_examples=80)
@given(windows(pooling=True), st.booleans())
def test_pooling_against_the_oracle(case: dict[str, Any], average: bool) -> None:
    x = array(np.random.default_rng(case["seed"]), *case["shape"])
    options = {name: case[name] for name in ("stride", "padding")}
    found = trace.pool(stack(x), case["kernel"], average=average, **options)
    right = oracle.avg_pool2d if average else oracle.max_pool2d
    expected = right(x[None], case["kernel"], **options)[0]
    np.testing.assert_allclose(  # the oracle's mean is rounded, ours is not
        np.moveaxis(np.array(found.values, float), 0, -1), expected, rtol=1e-15
    )
    gradient = oracle.max_pool2d_gradient(
        x[None], np.ones((1, *expected.shape)), case["kernel"], **options
    )[0]
    winners = np.zeros_like(x)
    for step in found.steps():
        if step.source is not None:
            winners[(*step.source, step.channel)] += 1
            assert step.place is not None
            assert step.patch[step.place[0]][step.place[1]] == step.value
    if average:
        assert not winners.any()
    else:  # as the gradient of the maximum, which goes to the first of equals
        np.testing.assert_array_equal(winners, gradient)


@pytest.mark.parametrize("shape", [(3, 3, 1), (2, 5, 3), (1, 1, 4), (4, 1, 2)])
def test_flatten(shape: tuple[int, int, int]) -> None:
    x = array(np.random.default_rng(3), *shape)
    found = trace.flatten(stack(x))
    assert list(found.values[0][0]) == x.ravel().tolist()
    for i, (r, c, k) in enumerate(found.places):
        assert i == (r * shape[1] + c) * shape[2] + k
        assert place(found.why(0, 0, i)) == (r, c, k)


def test_dense() -> None:
    random = np.random.default_rng(4)
    x, weights, bias = array(random, 2, 3, 2), array(random, 12, 5, 1), array(random, 1, 5, 1)
    found = trace.dense(stack(x), stack(weights), stack(bias))
    expected = oracle.dense(x.reshape(1, -1), weights[..., 0], bias.ravel())
    assert list(found.values[0][0]) == expected[0].tolist()
    for unit in range(5):
        assert list(found.products(unit)) == (x.ravel() * weights[:, unit, 0]).tolist()
    plain = trace.dense(stack(x), stack(weights))
    assert list(plain.values[0][0]) == (expected[0] - bias.ravel()).tolist()


@pytest.mark.parametrize("logits", [[1.0, 2.0, 3.0], [-1e3, 0.25, 1e3], [5.0], [2.5, 2.5]])
def test_softmax(logits: list[float]) -> None:
    found = trace.softmax((((*map(Fraction, logits),),),))
    np.testing.assert_allclose(
        np.array(found.values[0][0], float), oracle.softmax(np.array(logits)), rtol=1e-15
    )
    assert sum(found.values[0][0]) == 1
    assert found.total == sum(found.powers)
    assert [float(p) for p in found.powers] == [math.exp(z - max(logits)) for z in logits]


def test_fractions_are_exact_and_whole_numbers_stay_whole() -> None:
    """In floats, 0.1 * 3 is 0.30000000000000004."""
    found = trace.convolve(trace.parse_stack("3 10"), trace.parse_stack("0.1 0.2"))
    assert found.values == (((Fraction(23, 10),),),)
    whole = trace.convolve(trace.parse_stack("3.0 1e1"), trace.parse_stack("-1 2"))
    assert type(whole.values[0][0][0]) is int
    mean = trace.pool(trace.parse_stack("1 2; 3 6"), 2, average=True)
    assert (mean.values[0][0][0], type(mean.values[0][0][0])) == (3, int)


@pytest.mark.parametrize(("bias", "count"), [(True, 7850), (False, 7840)])
def test_parameters_of_a_dense_layer(bias: bool, count: int) -> None:
    assert trace.count_dense(784, 10, bias=bias).values == (((count,),),)
