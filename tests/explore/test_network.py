"""The chain of layers equals the model, or the model is refused by layer name."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.explore._layer import FUNCTIONS as SHOWN
from jcnn.explore._network import Network, network
from jcnn.layers import Conv2D, Conv2DTranspose, Dense, Flatten, Sequential, eval_mode
from jcnn.models import build
from tests.explore.models import OfFlax, drawn, of_every_layer, shaken
from tests.explore.oracle import FUNCTIONS, run_all

SHAPE = (6, 5, 2)
MASK = jnp.asarray(np.random.default_rng(7).integers(0, 2, (3, 3, 2, 2)), jnp.float32)


def picture(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def as_json(found: Network) -> list[dict[str, Any]]:
    return [{"kind": v.kind, "arrays": v.arrays, **v.settings} for v in found.layers]


def assert_is_the_model(model: nnx.Module, found: Network) -> None:
    """The layers, computed in float64, give the outputs of JAX and the logits."""
    image = picture(found.input_shape)
    outputs = found.outputs(image)
    expected = run_all(as_json(found), image[None] / 255)
    shapes = [found.input_shape, *(layer.out_shape for layer in found.layers)]
    for i, (layer, y, wanted) in enumerate(zip(found.layers, outputs, expected, strict=True)):
        assert (layer.in_shape, layer.out_shape) == (shapes[i], y.shape), layer.name
        assert y.dtype == np.float32
        most = 1e-5 * max(1, np.abs(wanted).max())
        np.testing.assert_allclose(y, wanted, rtol=0, atol=most, err_msg=layer.name)
    logits = eval_mode(model)(jnp.asarray(image[None] / 255, jnp.float32))
    np.testing.assert_allclose(outputs[-2], logits[0], rtol=1e-5, atol=1e-5)
    names = [layer.name for layer in found.layers]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("conv4", (9, 8, 1)), ("tiny_vgg", (20, 19, 3)), ("mlp_dropout", (5, 4, 1))],
)
def test_the_zoo(name: str, shape: tuple[int, int, int]) -> None:
    model = shaken(build(name, shape, 3))
    assert_is_the_model(model, network(model, shape))


def test_every_layer_of_jcnn() -> None:
    model = drawn(of_every_layer)
    found = network(model, (12, 11, 3))
    assert_is_the_model(model, found)
    assert [layer.name for layer in found.layers] == [
        "conv2d",
        "conv2d leaky_relu",
        "batch_normalization",
        "activation",
        "depthwise_conv2d",
        "average_pooling2d",
        "separable_conv2d",
        "separable_conv2d conv",
        "separable_conv2d tanh",
        "conv2d_1",
        "max_pooling2d",
        "flatten",
        "dropout",
        "dense",
        "dense silu",
        "dense_1",
        "softmax",
    ]
    settings = {layer.name: layer.settings for layer in found.layers}
    assert settings["conv2d leaky_relu"] == {"function": "leaky_relu", "slope": 0.3}
    assert settings["dropout"] == {"rate": 0.25}
    assert settings["average_pooling2d"] == {
        "window": (3, 3),
        "stride": (2, 2),
        "padding": ((0, 1), (0, 1)),
    }


def test_a_module_of_flax() -> None:
    model = drawn(OfFlax)
    found = network(model, (16, 14, 1))
    assert_is_the_model(model, found)
    assert [layer.name for layer in found.layers] == [
        "conv1",
        "norm",
        "norm relu",
        "norm average_pool",
        "conv2",
        "conv2 softplus",
        "every_pixel",
        "every_pixel max_pool",
        "every_pixel elu",
        "dropout",
        "dropout flatten",
        "hidden",
        "hidden tanh",
        "head",
        "softmax",
    ]


def test_a_model_that_gives_probabilities_ends_in_its_own_softmax() -> None:
    model = drawn(lambda: Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(0)), ops.softmax]))
    found = network(model, SHAPE)
    assert [layer.kind for layer in found.layers] == ["flatten", "dense", "softmax"]
    image = picture(SHAPE)
    probabilities = eval_mode(model)(jnp.asarray(image[None] / 255, jnp.float32))
    np.testing.assert_allclose(found.outputs(image)[-1], probabilities[0], rtol=1e-5)


class Between(nnx.Module):
    """Two convolutions with a function between them, and a dense layer."""

    def __init__(self, function: Callable[..., Any], *, after: Any = None) -> None:
        rngs = nnx.Rngs(0)
        self.conv1 = Conv2D(2, 3, rngs=rngs)
        self.conv2 = Conv2D(3, 3, rngs=rngs)
        self.dense = Dense(90, 4, rngs=rngs)
        self.function = function
        self.after = after

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 5, 2)`."""
        y = self.conv1(x)
        y = self.function(self.conv2, y)
        y = self.dense(ops.flatten(y))
        return y if self.after is None else self.after(y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Between(lambda conv, x: conv(x) + x),
            "layer 'add': got kind 'add'; accepted in a page so far: conv, ",
        ),
        (Between(lambda conv, x: conv(jnp.sin(x))), "model: sin "),
        (Between(lambda conv, x: conv(x[:, ::-1])), "model: rev "),
        (
            Between(lambda conv, x: conv(conv(x) * 1.001)),
            "layer 'conv2 multiply': got kind 'multiply'",
        ),
        (
            Between(lambda conv, x: conv(x), after=lambda y: 2 * y),
            "layer 'dense multiply': got kind 'mul",
        ),
        # The addend is zero for all images of 0..1, so no image reveals it.
        (
            Between(lambda conv, x: conv(x) + jnp.maximum(x - 20, 0)),
            "layer 'conv1 add': got kind 'add'",
        ),
    ],
)
def test_what_is_no_chain_is_refused(model: nnx.Module, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        network(model, SHAPE)
    assert "\n" not in str(caught.value)


def test_a_function_of_the_image_is_no_part_of_the_chain() -> None:
    model = Sequential([lambda x: 2 * x - 1, Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])
    with pytest.raises(
        ValueError, match=r"^layer 'activation': got kind 'multiply'; accepted in a page"
    ):
        network(model, SHAPE)


def test_a_convolution_that_is_called_twice() -> None:
    model = Between(lambda conv, x: conv(conv(x)))
    found = network(model, SHAPE)
    assert [layer.name for layer in found.layers[:3]] == ["conv1", "conv2", "conv2#2"]
    assert_is_the_model(model, found)


class Twisted(Conv2D):
    """A convolution that does more than its settings say."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Convolve `x`, and change the result a little."""
        return jnp.sin(super().__call__(x))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda r: nnx.RMSNorm(2, rngs=r), r"\w+ is not a known function; accepted: "),
        (lambda r: Twisted(2, 2, rngs=r), "sin .*is not a known function; accepted: "),
        (
            lambda r: Conv2DTranspose(2, 2, rngs=r),
            "got kind 'conv_transpose'; accepted in a page so far: conv, ",
        ),
        (
            lambda r: nnx.Conv(2, 2, (3, 3), padding="CIRCULAR", rngs=r),
            "padding: got 'CIRCULAR'; accepted: 'SAME', 'VALID', numbers",
        ),
        (lambda r: nnx.Conv(2, 2, (3,), rngs=r), r"kernel_size: got \(3,\) for \(6, 5, 2\)"),
        (
            lambda r: nnx.Conv(2, 2, (3, 3), mask=MASK, rngs=r),
            "mask: got an array; accepted: None",
        ),
        (
            lambda r: Conv2D(2, 2, activation=jnp.sin, rngs=r),
            "sin .*is not a known function; accepted: ",
        ),
    ],
)
def test_an_unknown_layer_is_refused_by_name(
    layer: Callable[[nnx.Rngs], nnx.Module], message: str
) -> None:
    rngs = nnx.Rngs(0)
    model = Sequential([layer(rngs), Flatten(), Dense(60, 3, rngs=rngs)])
    with pytest.raises(ValueError, match=rf"^layer '{model.names[0]}': {message}") as caught:
        network(model, SHAPE)
    assert "\n" not in str(caught.value)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^model: cannot take images of \(5, 5, 1\): layer"):
        network(build("mlp", SHAPE, 3), (5, 5, 1))


def test_feature_maps_are_no_logits() -> None:
    with pytest.raises(
        ValueError, match=r"^model: its output for an image is \(6, 5, 2\); accepted: "
    ):
        network(Sequential([Conv2D(2, 2, rngs=nnx.Rngs(0))]), SHAPE)


def test_every_function_of_the_page_has_an_oracle() -> None:
    assert set(SHOWN) == {*FUNCTIONS, "leaky_relu"}
