"""Empty arrays: every op gives what `lax` gives, an empty result, or zeros where a sum is empty."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jcnn import ops
from jcnn.ops.conv.lowerings.pallas import interpreted
from tests.ops.conv.cases import quickly, together

KEY = jax.random.key(0)
# Each with one empty axis: N, C, O.
SHAPES = [((0, 6, 5, 3), (3, 3, 3, 4)), ((2, 6, 5, 0), (3, 3, 0, 4)), ((2, 6, 5, 3), (3, 3, 3, 0))]
# "pallas" without a GPU is interpreted.
METHODS = {**ops.METHODS, "chunks": ops.im2col_in_chunks(10_000)}


def check_gradients(function: Callable[..., jax.Array], *arrays: jax.Array) -> jax.Array:
    """The value; gradients of all arrays must have their shapes and be zero."""
    return check_all([function], *arrays)[0]


def check_all(functions: Sequence[Callable[..., jax.Array]], *arrays: jax.Array) -> list[jax.Array]:
    """`check_gradients` of several functions of the same arrays, in one program."""

    def run(function: Callable[..., jax.Array]) -> Callable[..., Any]:
        def with_gradients(*arrays: jax.Array) -> Any:
            value, pull_back = jax.vjp(function, *arrays)
            return value, pull_back(jnp.ones_like(value))

        return with_gradients

    results = together([run(function) for function in functions], [arrays] * len(functions))
    for value, gradients in results:
        for array, gradient in zip(arrays, gradients, strict=True):
            assert (gradient.shape, gradient.dtype) == (array.shape, array.dtype)
            if not value.size:
                np.testing.assert_array_equal(gradient, np.zeros(array.shape))
    return [value for value, _ in results]


@pytest.mark.parametrize(("x_shape", "kernel_shape"), SHAPES)
def test_conv2d(x_shape: Any, kernel_shape: Any) -> None:
    x, kernel, bias = jnp.ones(x_shape), jnp.ones(kernel_shape), jnp.arange(float(kernel_shape[3]))
    want = lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    with interpreted():
        values = check_all(
            [lambda *of, m=method: ops.conv2d(*of, method=m) for method in METHODS.values()],
            *(x, kernel, bias),
        )
        for got, method in zip(values, METHODS.values(), strict=True):
            pooled = ops.conv2d_relu(x, kernel, bias, pool=True, method=method)
            np.testing.assert_array_equal(got, want + bias)
            assert pooled.shape == (x_shape[0], 3, 2, kernel_shape[3])


@pytest.mark.parametrize(
    ("method", "axes"),
    [("lax", (0, None)), ("lax", (None, 0)), *((method, (0, 0)) for method in ops.METHODS)],
)
def test_vmap_over_an_axis_of_no_cells(axes: Any, method: str) -> None:
    none = [0 if axis is not None else 2 for axis in axes]
    x, kernel = jnp.ones((none[0], 2, 6, 5, 3)), jnp.ones((none[1], 3, 3, 3, 4))
    x, kernel = (a if axis == 0 else a[0] for a, axis in zip((x, kernel), axes, strict=True))

    def run(x: jax.Array, kernel: jax.Array) -> Any:
        y, pull_back = jax.vjp(lambda x, k: ops.conv2d(x, k, method=method), x, kernel)
        return y, *pull_back(jnp.ones_like(y))

    with interpreted():
        y, by_x, by_kernel = quickly(jax.vmap(run, axes), x, kernel)
    assert (y.shape, by_x.shape) == ((0, 2, 6, 5, 4), (0, 2, 6, 5, 3))
    assert by_kernel.shape == (0, 3, 3, 3, 4)


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "y_shape"),
    [
        ((0, 3, 2, 4), (3, 3, 5, 4), (0, 6, 4, 5)),
        ((2, 3, 2, 0), (3, 3, 5, 0), (2, 6, 4, 5)),
        ((2, 3, 2, 4), (3, 3, 0, 4), (2, 6, 4, 0)),
    ],
)
def test_conv_transpose2d(x_shape: Any, kernel_shape: Any, y_shape: Any) -> None:
    def run(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return ops.conv_transpose2d(x, kernel, stride=2)

    y = check_gradients(run, jnp.ones(x_shape), jnp.ones(kernel_shape))
    np.testing.assert_array_equal(y, np.zeros(y_shape))
    assert ops.conv_transpose_output_shape(x_shape, kernel_shape, stride=2) == y_shape


@pytest.mark.parametrize("n, c, m, o", [(0, 3, 2, 4), (2, 0, 2, 4), (2, 3, 0, 4), (2, 3, 2, 0)])
def test_depthwise_and_separable(n: int, c: int, m: int, o: int) -> None:
    x, kernel, point = jnp.ones((n, 6, 5, c)), jnp.ones((3, 3, c, m)), jnp.ones((1, 1, c * m, o))
    y = check_gradients(ops.depthwise_conv2d, x, kernel)
    assert y.shape == (n, 6, 5, c * m)
    y = check_gradients(ops.separable_conv2d, x, kernel, point)
    assert y.shape == (n, 6, 5, o)
    if not c * m:
        np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize("shape", [(0, 6, 5, 3), (2, 6, 5, 0)])
def test_pooling_and_patches(shape: Any) -> None:
    x = jnp.ones(shape)
    *pooled, average, largest, rows = check_all(
        [
            lambda x: ops.max_pool2d(x, 2, padding=1),
            lambda x: ops.avg_pool2d(x, 2, padding=1),
            ops.global_average_pool2d,
            ops.global_max_pool2d,
            lambda x: ops.im2col(x, (3, 2)),
        ],
        x,
    )
    assert [y.shape for y in pooled] == [(shape[0], 4, 3, shape[3])] * 2
    assert average.shape == largest.shape == (shape[0], shape[3])
    assert rows.shape == (shape[0], 4, 4, 6 * shape[3])
    back = check_gradients(lambda rows: ops.col2im(rows, shape, (3, 2)), rows)
    assert back.shape == shape


@pytest.mark.parametrize("shape", [(0, 6, 5, 3), (2, 6, 5, 0)])
def test_padding_cropping_and_upsampling(shape: Any) -> None:
    n, _, _, c = shape
    x = jnp.ones(shape)
    ys = check_all(
        [
            lambda x: ops.zero_pad2d(x, ((1, 0), (2, 1))),
            lambda x: ops.crop2d(x, ((1, 0), (2, 1))),
            ops.upsample2d,
            lambda x: ops.upsample2d(x, 3, interpolation="bilinear"),
        ],
        x,
    )
    assert [y.shape for y in ys] == [(n, *size, c) for size in ((7, 8), (5, 2), (12, 10), (18, 15))]


@pytest.mark.parametrize("shape", [(0, 6, 5, 3), (2, 6, 5, 0), (2, 0, 5, 3)])
def test_dropout_of_maps_and_examples(shape: Any) -> None:
    for drop in (ops.spatial_dropout2d, ops.stochastic_depth):
        y = check_gradients(lambda x, drop=drop: drop(x, 0.5, key=KEY), jnp.ones(shape))
        assert y.shape == shape


@pytest.mark.parametrize("n, d, u", [(0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_dense(n: int, d: int, u: int) -> None:
    bias = jnp.arange(float(u))
    y = check_gradients(ops.dense, jnp.ones((n, d)), jnp.ones((d, u)), bias)
    np.testing.assert_array_equal(y, np.full((n, u), d) + np.asarray(bias))
    assert ops.flatten(jnp.ones((n, d, u))).shape == (n, d * u)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_numbers_by_themselves(shape: Any) -> None:
    functions: list[Callable[[jax.Array], jax.Array]] = [
        *(ops.relu, ops.relu6, ops.leaky_relu, ops.elu, ops.selu, ops.hard_sigmoid),
        *(ops.hard_swish, ops.gelu, ops.silu, ops.mish, ops.softplus, ops.sigmoid, ops.tanh),
        ops.softmax,
        lambda x: ops.dropout(x, 0.5, key=KEY),
        jax.vmap(lambda x: ops.dropout(x, 0.5, key=KEY)),
    ]
    for value in check_all(functions, jnp.ones(shape)):
        assert value.shape == shape


def test_dropout_of_no_members() -> None:
    keys = jax.random.split(KEY, 3)[:0]
    y = jax.vmap(lambda x, key: ops.dropout(x, 0.5, key=key))(jnp.ones((0, 4)), keys)
    assert y.shape == (0, 4)


def test_cross_entropy() -> None:
    """Among no classes every number is no class."""
    labels = jnp.zeros(2, "int32")
    assert check_gradients(lambda z: ops.cross_entropy(z, labels[:0]), jnp.ones((0, 3))).shape == (
        0,
    )
    np.testing.assert_array_equal(ops.cross_entropy(jnp.ones((2, 0)), labels), np.nan)
    np.testing.assert_array_equal(ops.cross_entropy(jnp.ones((2, 0)), jnp.ones((2, 0))), 0)
