"""Each layer is its op with parameters, with Keras's names and defaults; models of layers."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import layers, ops
from jcnn.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Initializer,
    Layer,
    LayerError,
    MaxPooling2D,
    SeparableConv2D,
    Sequential,
    as_model,
    eval_mode,
    glorot_uniform,
    he_normal,
    he_uniform,
    output_shape,
    train_mode,
)
from jcnn.layers.model import split_model


def draw(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def fill_bias(
    layer: Conv2D | Conv2DTranspose | DepthwiseConv2D | SeparableConv2D | Dense,
) -> jax.Array:
    """Set a random bias: with zeros, a layer that ignored it would pass."""
    assert layer.bias is not None
    layer.bias[...] = draw(*layer.bias.shape, seed=9)
    return layer.bias[...]


def test_every_public_name_exists() -> None:
    assert [name for name in layers.__all__ if not hasattr(layers, name)] == []


# --- each layer is its op -------------------------------------------------------------------------


def test_conv2d_is_its_op() -> None:
    layer = Conv2D(
        4,
        6,
        (2, 3),
        stride=(1, 2),
        padding=((2, 0), (1, 3)),
        dilation=(2, 1),
        groups=2,
        activation=ops.relu,
        method="im2col",
        rngs=nnx.Rngs(1),
    )
    bias, x = fill_bias(layer), draw(2, 5, 7, 4)
    expected = ops.conv2d(
        x,
        layer.kernel[...],
        bias,
        stride=(1, 2),
        padding=((2, 0), (1, 3)),
        dilation=(2, 1),
        groups=2,
        method="im2col",
    )
    assert float(expected.min()) < 0
    np.testing.assert_array_equal(layer(x), ops.relu(expected))
    assert layer.window((5, 7)).out_size == expected.shape[1:3]


def test_conv2d_transpose_is_its_op() -> None:
    layer = Conv2DTranspose(
        4,
        6,
        (2, 3),
        stride=(3, 2),
        padding=((1, 0), (1, 1)),
        output_padding=(2, 1),
        dilation=(2, 1),
        groups=2,
        activation=ops.relu,
        rngs=nnx.Rngs(0),
    )
    bias, x = fill_bias(layer), draw(2, 3, 4, 4)
    expected = ops.conv_transpose2d(
        x,
        layer.kernel[...],
        bias,
        stride=(3, 2),
        padding=((1, 0), (1, 1)),
        output_padding=(2, 1),
        dilation=(2, 1),
        groups=2,
    )
    assert layer.kernel.shape == (2, 3, 3, 4)
    window = layer.window((3, 4))
    assert (window.in_size, window.out_size) == (expected.shape[1:3], (3, 4))
    assert float(expected.min()) < 0
    np.testing.assert_array_equal(layer(x), ops.relu(expected))


def test_depthwise_conv2d_is_its_op() -> None:
    how: dict[str, Any] = {"stride": (1, 2), "padding": "VALID", "dilation": 2, "method": "shift"}
    layer = DepthwiseConv2D(
        4, (2, 3), **how, depth_multiplier=2, activation=ops.relu, rngs=nnx.Rngs(0)
    )
    bias, x = fill_bias(layer), draw(2, 5, 7, 4)
    expected = ops.depthwise_conv2d(x, layer.kernel[...], bias, **how)
    assert layer.kernel.shape == (2, 3, 4, 2)
    assert float(expected.min()) < 0
    np.testing.assert_array_equal(layer(x), ops.relu(expected))
    assert layer.window((5, 7)).out_size == expected.shape[1:3]


def test_separable_conv2d_is_its_op() -> None:
    how: dict[str, Any] = {"stride": (1, 2), "padding": "VALID", "dilation": 2, "method": "shift"}
    layer = SeparableConv2D(
        4, 5, (2, 3), **how, depth_multiplier=2, activation=ops.relu, rngs=nnx.Rngs(0)
    )
    bias, x = fill_bias(layer), draw(2, 5, 7, 4)
    kernels = layer.depthwise_kernel[...], layer.pointwise_kernel[...]
    assert [kernel.shape for kernel in kernels] == [(2, 3, 4, 2), (1, 1, 8, 5)]
    expected = ops.separable_conv2d(x, *kernels, bias, **how)
    assert float(expected.min()) < 0
    np.testing.assert_array_equal(layer(x), ops.relu(expected))
    assert layer.window((5, 7)).out_size == expected.shape[1:3]


def test_a_layer_takes_a_method_of_its_own() -> None:
    """Two such layers have equal structures, so that they share a compiled program."""
    layers = [
        Conv2D(1, 2, method=ops.im2col_in_chunks(10_000), rngs=nnx.Rngs(seed)) for seed in (0, 1)
    ]
    assert nnx.graphdef(layers[0]) == nnx.graphdef(layers[1])
    x = draw(2, 4, 5, 1)
    expected = ops.conv2d(x, layers[0].kernel[...], method="im2col")
    np.testing.assert_allclose(layers[0](x), expected, rtol=1e-5, atol=1e-6)


def test_dense_is_its_op() -> None:
    layer = Dense(5, 3, activation=ops.tanh, rngs=nnx.Rngs(1))
    bias, x = fill_bias(layer), draw(2, 5)
    expected = ops.tanh(ops.dense(x, layer.kernel[...], bias))
    np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize(
    ("layer", "op"),
    [
        (MaxPooling2D(), lambda x: ops.max_pool2d(x, 2)),
        (
            MaxPooling2D((2, 3), stride=(1, 2), padding="SAME"),
            lambda x: ops.max_pool2d(x, (2, 3), stride=(1, 2), padding="SAME"),
        ),
        (AveragePooling2D(3), lambda x: ops.avg_pool2d(x, 3)),
        (
            AveragePooling2D(2, stride=(3, 1), padding=((1, 0), (0, 1))),
            lambda x: ops.avg_pool2d(x, 2, stride=(3, 1), padding=((1, 0), (0, 1))),
        ),
        (Flatten(), ops.flatten),
        (Activation(ops.gelu), ops.gelu),
    ],
)
def test_layers_without_parameters_are_their_ops(
    layer: Layer, op: Callable[[jax.Array], jax.Array]
) -> None:
    x = draw(2, 6, 9, 3)
    np.testing.assert_array_equal(layer(x), op(x))
    if isinstance(layer, MaxPooling2D | AveragePooling2D):
        assert layer.window((6, 9)).out_size == layer(x).shape[1:3]


# --- initial parameters ---------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "shape"), [(1, (2, 3, 6, 12)), (3, (2, 3, 2, 12))])
def test_a_kernel_sees_the_channels_of_its_group(groups: int, shape: tuple[int, ...]) -> None:
    layer = Conv2D(6, 12, (2, 3), groups=groups, rngs=nnx.Rngs(0))
    assert layer.kernel.shape == shape
    assert output_shape([layer], (4, 4, 6)) == (4, 4, 12)


def test_the_square_kernel_of_three_is_the_default() -> None:
    assert Conv2D(1, 2, rngs=nnx.Rngs(0)).kernel.shape == (3, 3, 1, 2)


# Limit of the uniform distribution, and variance, by fan in and fan out.
GLOROT = 6 / (9 * 64 + 9 * 96)


@pytest.mark.parametrize(
    ("init", "limit", "variance"),
    [
        (glorot_uniform, math.sqrt(GLOROT), GLOROT / 3),
        (he_uniform, math.sqrt(6 / (9 * 64)), 2 / (9 * 64)),
        (he_normal, math.inf, 2 / (9 * 64)),
    ],
)
def test_the_initializers_fans_count_the_kernels_area(
    init: Initializer, limit: float, variance: float
) -> None:
    layer = Conv2D(64, 96, kernel_init=init, rngs=nnx.Rngs(3))
    values = np.asarray(layer.kernel[...], np.float64)
    assert np.abs(values).max() <= limit
    if limit < math.inf:
        assert np.abs(values).max() > 0.999 * limit
    assert abs(values.mean()) < 4 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.02)


def test_glorot_uniform_is_the_default_and_biases_start_at_zero() -> None:
    dense = Dense(300, 200, rngs=nnx.Rngs(0))
    conv = Conv2D(30, 20, 5, rngs=nnx.Rngs(0))
    for layer, fans in ((dense, 500), (conv, 25 * 50)):
        largest = float(jnp.abs(layer.kernel[...]).max())
        assert 0.99 < largest / math.sqrt(6 / fans) <= 1
        assert layer.bias is not None
        assert not layer.bias[...].any()


def test_a_layer_may_have_no_bias() -> None:
    conv = Conv2D(2, 3, use_bias=False, rngs=nnx.Rngs(0))
    dense = Dense(2, 3, use_bias=False, rngs=nnx.Rngs(0))
    assert conv.bias is None and dense.bias is None
    assert not conv(jnp.zeros((1, 2, 2, 2))).any()
    assert not dense(jnp.zeros((1, 2))).any()


# --- training and evaluating ----------------------------------------------------------------------


def small_model() -> Sequential:
    rngs = nnx.Rngs(0)
    return Sequential(
        [Dense(6, 40, rngs=rngs), BatchNormalization(40, rngs=rngs), Dropout(0.5, rngs=rngs)]
    )


def test_modes_are_copies_that_share_the_arrays() -> None:
    model = small_model()
    quiet, loud = eval_mode(model), train_mode(model)
    for copy, off in ((quiet, True), (loud, False)):
        assert isinstance(copy, Sequential)
        assert copy.dropout.deterministic is off
        assert copy.batch_normalization.use_running_average is off
        assert copy.dense.kernel[...] is model.dense.kernel[...]
    assert model.dropout.deterministic is False
    assert model.batch_normalization.use_running_average is False
    again = train_mode(quiet)
    assert isinstance(again, Sequential)
    assert again.dropout.deterministic is False


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    layer = Dropout(0.25, rngs=nnx.Rngs(dropout=0))
    x = jnp.ones((100, 100))
    first, second = np.asarray(layer(x)), np.asarray(layer(x))
    assert (first == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(first[first != 0], 1 / 0.75, rtol=1e-4)
    assert (first != second).any()
    assert eval_mode(layer)(x) is x


def test_two_dropouts_of_one_rngs_draw_different_masks() -> None:
    rngs = nnx.Rngs(0)
    one, other = Dropout(0.5, rngs=rngs), Dropout(0.5, rngs=rngs)
    assert (one(jnp.ones(99)) != other(jnp.ones(99))).any()


def test_batch_normalization_is_the_textbooks() -> None:
    layer = BatchNormalization(3, rngs=nnx.Rngs(0))
    scale, bias = np.array([2, 0.5, -1]), np.array([0, 3, 1])
    nnx.update(layer, {"scale": jnp.float32(scale), "bias": jnp.float32(bias)})
    mean, var = np.zeros(3), np.ones(3)
    for seed in (1, 2):
        x = np.asarray(3 * draw(4, 5, 6, 3, seed=seed) + 1, np.float64)
        batch_mean, batch_var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        expected = (x - batch_mean) / np.sqrt(batch_var + 1e-3) * scale + bias
        np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32)), expected, atol=2e-5)
        mean = 0.99 * mean + 0.01 * batch_mean
        var = 0.99 * var + 0.01 * batch_var
        np.testing.assert_allclose(layer.mean[...], mean, rtol=1e-4)
        np.testing.assert_allclose(layer.var[...], var, rtol=1e-4)
    expected = (x - mean) / np.sqrt(var + 1e-3) * scale + bias
    stored = eval_mode(layer)(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(stored, expected, atol=2e-4)
    np.testing.assert_allclose(layer.mean[...], mean, rtol=1e-4)


def test_split_and_merged_a_model_is_the_same() -> None:
    model = eval_mode(small_model())
    parts = split_model(model)
    sizes = [len(jax.tree.leaves(part)) for part in (parts.params, parts.streams, parts.rest)]
    assert sizes == [4, 2, 2]  # two kernels and biases; a key and its count; a mean and a variance
    x = draw(3, 6)
    np.testing.assert_array_equal(nnx.merge(*parts)(x), model(x))


# --- models of layers -----------------------------------------------------------------------------


def test_sequential_names_its_layers_as_keras_does() -> None:
    rngs = nnx.Rngs(0)
    model = Sequential(
        [
            Conv2D(1, 2, rngs=rngs),
            Conv2D(2, 2, rngs=rngs),
            MaxPooling2D(),
            AveragePooling2D(),
            BatchNormalization(2, rngs=rngs),
            ops.relu,
            Flatten(),
            Dropout(0.5, rngs=rngs),
            Dense(8, 4, rngs=rngs),
            jnp.abs,
            Dense(4, 3, rngs=rngs),
            Dense(3, 2, rngs=rngs),
        ]
    )
    expected = "conv2d conv2d_1 max_pooling2d average_pooling2d batch_normalization activation"
    expected += " flatten dropout dense activation_1 dense_1 dense_2"
    assert model.names == tuple(expected.split())
    assert list(model) == [getattr(model, name) for name in model.names]
    assert model.conv2d_1.kernel.shape == (3, 3, 2, 2)
    assert isinstance(model.activation_1, Activation)
    assert output_shape(list(model), (8, 8, 1)) == (2,)


def test_sequential_applies_its_layers_in_turn() -> None:
    layers = [lambda x: x + 1, lambda x: x * 3, ops.relu]
    np.testing.assert_array_equal(Sequential(layers)(jnp.array([1.0, -2])), [6, 0])


def test_a_model_needs_a_layer() -> None:
    with pytest.raises(ValueError, match=r"^layers: got none; a model needs at least one$"):
        Sequential([])


def test_as_model_takes_a_list_or_a_module() -> None:
    model = small_model()
    assert as_model(model) is model
    made = as_model([ops.relu, Flatten()])
    assert isinstance(made, Sequential)
    assert made.names == ("activation", "flatten")


def test_output_shape_is_that_of_the_call() -> None:
    rngs = nnx.Rngs(0)
    layers = [Conv2D(2, 5, 3, stride=2, padding="VALID", rngs=rngs), Dropout(0.5, rngs=rngs)]
    assert output_shape(layers, (9, 7, 2)) == (4, 3, 5)
    assert output_shape([*layers, Flatten()], [9, 7, 2]) == (60,)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (Dense(5, 3, rngs=nnx.Rngs(0)), "layer 'dense': kernel: got shape (5, 3) for x (1, 24)"),
        (Conv2D(3, 4, rngs=nnx.Rngs(0)), "layer 'conv2d': x: got shape (1, 24)"),
        (
            Conv2DTranspose(3, 4, rngs=nnx.Rngs(0)),
            "layer 'conv2d_transpose': x: got shape (1, 24)",
        ),
        (
            DepthwiseConv2D(3, rngs=nnx.Rngs(0)),
            "layer 'depthwise_conv2d': x: got shape (1, 24)",
        ),
        (
            SeparableConv2D(3, 4, rngs=nnx.Rngs(0)),
            "layer 'separable_conv2d': x: got shape (1, 24)",
        ),
        (
            Sequential([ops.relu, Dense(5, 3, rngs=nnx.Rngs(0))]),
            "layer 'dense': kernel: got shape (5, 3) for x (1, 24)",
        ),
    ],
)
def test_a_layer_that_gets_the_wrong_input_says_so(second: Layer, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        Sequential([Flatten(), second])(draw(1, 2, 3, 4))
    assert str(caught.value).startswith(message)
