"""The layers of a page equal the model, or the model is refused by layer name."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.explore._layer import FUNCTIONS as SHOWN
from jcnn.explore._network import Network, network
from jcnn.layers import Conv2D, Dense, Flatten, Sequential, eval_mode
from jcnn.models import build
from jcnn.train import predict
from tests.explore.branches import MODELS
from tests.explore.models import OfFlax, drawn, of_every_layer, shaken
from tests.explore.oracle import FUNCTIONS, run_all

SHAPE = (6, 5, 2)
MASK = jnp.asarray(np.random.default_rng(7).integers(0, 2, (3, 3, 2, 2)), jnp.float32)


def picture(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def as_json(found: Network) -> list[dict[str, Any]]:
    return [
        {"kind": v.kind, "arrays": v.arrays, "inputs": v.inputs, "out": v.out_shape, **v.settings}
        for v in found.layers
    ]


def assert_is_the_model(model: nnx.Module, found: Network) -> None:
    """The layers, computed in float64, give the outputs of JAX and the logits."""
    image = picture(found.input_shape)
    outputs = found.outputs(image)
    expected = run_all(as_json(found), image[None] / 255)
    shapes = [found.input_shape, *(layer.out_shape for layer in found.layers)]
    for i, (layer, y, wanted) in enumerate(zip(found.layers, outputs, expected, strict=True)):
        read = [shapes[one] for one in layer.inputs]
        assert (layer.in_shape, layer.out_shape) == (read[0], y.shape), layer.name
        assert layer.settings.get("ins", read) == read
        assert all(one <= i for one in layer.inputs)
        assert y.dtype == np.float32
        most = 1e-5 * max(1, np.abs(wanted).max())
        np.testing.assert_allclose(y, wanted, rtol=0, atol=most, err_msg=layer.name)
    logits = jax.jit(eval_mode(model))(np.asarray(image[None] / 255, np.float32))
    np.testing.assert_allclose(outputs[-2], logits[0], rtol=1e-5, atol=1e-5)
    names = [layer.name for layer in found.layers]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param("conv4", (9, 8, 1), marks=pytest.mark.slow),
        pytest.param("tiny_vgg", (20, 19, 3), marks=pytest.mark.slow),
        ("mlp_dropout", (5, 4, 1)),
    ],
)
def test_the_zoo(name: str, shape: tuple[int, int, int]) -> None:
    model = shaken(build(name, shape, 3))
    assert_is_the_model(model, network(model, shape))


@pytest.mark.parametrize(
    "name",
    [
        n if n in ("residual", "squeeze") else pytest.param(n, marks=pytest.mark.slow)
        for n in MODELS
    ],
)
def test_models_with_branches(name: str) -> None:
    make, shape = MODELS[name]
    model = drawn(make)
    assert_is_the_model(model, network(model, shape))


def test_branches_name_what_they_read() -> None:
    """In the order of the computation, the picture is 0."""
    found = network(drawn(MODELS["fire"][0]), MODELS["fire"][1])
    reads = {layer.name: layer.inputs for layer in found.layers}
    names = ["input", *(layer.name for layer in found.layers)]
    assert reads["squeeze"] == (0,)
    assert [names[i] for i in reads["expand1x1"]] == ["squeeze relu"]
    assert [names[i] for i in reads["join"]] == ["expand1x1 relu", "expand3x3 relu"]
    assert [names[i] for i in reads["concatenate"]] == [
        "join global_average_pool flatten",
        "join global_max_pool flatten",
    ]


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
        (Between(lambda conv, x: conv(jnp.sin(x))), "model: sin "),
        (Between(lambda conv, x: conv(x[:, ::-1])), "model: rev "),
        (
            Between(lambda conv, x: jnp.concatenate([conv(x[:, :2]), x[:, 2:]], 1)),
            "layer 'concatenate': concatenates along axis -3; accepted in a page: -1, the channels",
        ),
        (
            Between(lambda conv, x: conv(x.reshape(len(x), 5, 6, 3))),
            r"layer 'conv1 reshape': reshapes \(6, 5, 3\) to \(5, 6, 3\); accepted in a page: ",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(model: nnx.Module, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        network(model, SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (Between(lambda conv, x: conv(x) + x), ["conv", "conv", "add"]),
        (Between(lambda conv, x: x * x), ["conv", "multiply"]),
        (Between(lambda conv, x: conv(x) * 1.5), ["conv", "conv", "multiply"]),
        (Between(lambda conv, x: x - MASK[0, 0, 0, 0] - 2), ["conv", "add", "add"]),
        # The addend is zero for all images of 0..1, so no image would reveal it.
        (
            Between(lambda conv, x: conv(x) + jnp.maximum(x - 20, 0)),
            ["conv", "conv", "add", "activation", "add"],
        ),
    ],
)
def test_arithmetic_between_layers(model: nnx.Module, kinds: list[str]) -> None:
    found = network(model, SHAPE)
    assert [layer.kind for layer in found.layers][:-3] == kinds
    assert_is_the_model(model, found)


def test_a_constant_has_an_axis_for_each_of_the_output() -> None:
    """It may have fewer, or a batch axis."""
    column = np.arange(6, dtype=np.float32).reshape(6, 1, 1)
    for constant in (2.5, np.array([1, 2, 3], np.float32), column, column[None]):
        model = Between(lambda conv, x, constant=constant: x + jnp.asarray(constant))
        found = network(model, SHAPE)
        assert found.layers[1].arrays["constant"].ndim == 3
        assert_is_the_model(model, found)


def test_a_function_of_the_image_is_shown() -> None:
    model = Sequential([lambda x: 2 * x - 1, Flatten(), Dense(60, 3, rngs=nnx.Rngs(0))])
    found = network(model, SHAPE)
    assert [layer.kind for layer in found.layers[:3]] == ["multiply", "add", "flatten"]
    assert_is_the_model(model, found)


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


def test_a_preprocessing_is_the_first_layer() -> None:
    """The page's chances are those of `predict`, which standardises too."""
    model = shaken(build("conv1", (7, 6, 3), 3))
    own = Preprocessing((7, 6), "pad", "rgb", (0.4, 0.5, 0.1), (0.2, 0.3, 0.7))
    set_preprocessing(model, own)
    image = np.random.default_rng(0).integers(0, 256, (7, 6, 3), np.uint8)
    found = network(model, (7, 6, 3))
    first, second = found.layers[:2]
    assert (first.name, first.inputs, second.inputs) == ("standardise", (0,), (1,))
    outputs = found.outputs(image)
    x = (image / 255 - np.array(own.mean)) / np.array(own.deviation)
    np.testing.assert_allclose(outputs[0], x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs[-1], predict(model, image[None])[0], rtol=1e-4, atol=1e-6)

    set_preprocessing(model, Preprocessing((7, 6), "pad", "rgb", (0.0,) * 3, (1.0,) * 3))
    assert network(model, (7, 6, 3)).layers[0].name == second.name
    set_preprocessing(model, Preprocessing((7, 6), "pad", "bgr", (0.0,) * 3, (1.0,) * 3))
    with pytest.raises(ValueError, match=r"^preprocessing: channels: got 'bgr'"):
        network(model, (7, 6, 3))
