"""Intermediates: the output of each layer of any module, without side effects."""

import re
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Conv2D, Dense, Flatten, Layer, Sequential, eval_mode, recorded_calls
from jcnn.models import build, intermediates
from jcnn.train import model_output_shape, predict


def image(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(5).random(shape), jnp.float32)


class Block(nnx.Module):
    """Convolution, normalisation and dropout of Flax."""

    def __init__(self, channels: int, filters: int, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(channels, filters, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(filters, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Half of `x`, and half dropped."""
        return self.dropout(self.norm(self.conv(x)))


class Net(nnx.Module):
    """A user's module: a list of blocks, an activation called twice, a head."""

    def __init__(self, head_inputs: int = 48, second_channels: int = 4) -> None:
        rngs = nnx.Rngs(0)
        self.blocks = nnx.List([Block(2, 4, rngs), Block(second_channels, 3, rngs)])
        self.head = nnx.Linear(head_inputs, 5, rngs=rngs)
        self.out = Dense(5, 5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 4, 4, 2)`."""
        for block in self.blocks:
            x = nnx.relu(block(x))
        return self.out(self.out(self.head(x.reshape(len(x), -1))))


NET_CALLS = [
    "blocks/0/conv",
    "blocks/0/norm",
    "blocks/0/dropout",
    "blocks/0",
    "blocks/1/conv",
    "blocks/1/norm",
    "blocks/1/dropout",
    "blocks/1",
    "head",
    "out",
    "out#2",
]


def test_a_zoo_model_layer_by_layer() -> None:
    model = build("conv4", (8, 7, 1))
    assert isinstance(model, Sequential)
    quiet, x = eval_mode(model), image(2, 8, 7, 1)
    logits, outputs = intermediates(model, x)
    assert list(outputs) == list(model.names)
    for name in model.names:
        x = getattr(quiet, name)(x)
        np.testing.assert_array_equal(outputs[name], x)
    np.testing.assert_array_equal(logits, x)


def test_a_users_module_by_hand() -> None:
    net, x = Net(), image(2, 4, 4, 2)
    logits, outputs = intermediates(net, x)
    assert list(outputs) == NET_CALLS
    first = eval_mode(net.blocks[0])
    assert isinstance(first, Block)
    np.testing.assert_array_equal(outputs["blocks/0/conv"], first.conv(x))
    np.testing.assert_array_equal(outputs["blocks/0/norm"], first.norm(first.conv(x)))
    np.testing.assert_array_equal(outputs["blocks/0/dropout"], outputs["blocks/0/norm"])
    np.testing.assert_array_equal(outputs["blocks/0"], outputs["blocks/0/dropout"])
    np.testing.assert_array_equal(outputs["out"], net.out(outputs["head"]))
    np.testing.assert_array_equal(outputs["out#2"], net.out(outputs["out"]))
    np.testing.assert_array_equal(logits, outputs["out#2"])


def test_inside_jit_the_same() -> None:
    net, x = Net(), image(2, 4, 4, 2)
    logits, outputs = jax.jit(lambda x: intermediates(net, x))(x)
    expected_logits, expected = intermediates(net, x)
    np.testing.assert_allclose(logits, expected_logits, atol=1e-5)
    assert outputs.keys() == set(NET_CALLS)
    for name, output in outputs.items():
        np.testing.assert_allclose(output, expected[name], atol=1e-5)
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(nnx.state(net)))


def test_a_list_of_layers() -> None:
    layers: list[Layer] = [Conv2D(1, 2, rngs=nnx.Rngs(0)), jnp.abs, Flatten()]
    logits, outputs = intermediates(layers, image(1, 3, 3, 1))
    assert list(outputs) == ["conv2d", "activation", "flatten"]
    assert logits.shape == (1, 18)


def test_a_call_holds_its_module_and_its_input() -> None:
    net = eval_mode(Net())
    assert isinstance(net, Net)
    x = image(1, 4, 4, 2)
    with recorded_calls(net) as calls:
        net(x)
    assert calls[0].module is net.blocks[0].conv
    assert calls[0].input is x
    assert calls[-1].input is calls[-2].output


class OwnNorm(nnx.BatchNorm):
    """A module that inherits its `__call__`."""


@pytest.mark.parametrize("head_inputs", [48, 7])
def test_the_classes_are_restored(head_inputs: int) -> None:
    """After an error, too, and for a class that inherits `__call__`."""
    classes = [nnx.Conv, nnx.BatchNorm, nnx.Linear, Dense, Block, Net, OwnNorm]
    before = [cls.__dict__.get("__call__") for cls in classes]
    net = Net(head_inputs)
    net.blocks[0].norm = OwnNorm(4, rngs=nnx.Rngs(0))
    if head_inputs == 48:
        intermediates(net, image(1, 4, 4, 2))
    else:
        with pytest.raises(ValueError, match="layer 'head'"):
            intermediates(net, image(1, 4, 4, 2))
    assert [cls.__dict__.get("__call__") for cls in classes] == before
    assert before[-1] is None
    with recorded_calls(net) as calls:
        pass
    Net()(image(1, 4, 4, 2))
    assert calls == []


def test_other_models_of_the_same_classes_are_not_recorded() -> None:
    net, other = eval_mode(Net()), eval_mode(Net())
    with recorded_calls(net) as calls:
        other(image(1, 4, 4, 2))
    assert calls == []


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Net(second_channels=6), "layer 'blocks/1/conv': "),
        (Net(head_inputs=7), "layer 'head': "),
    ],
)
def test_the_layer_that_cannot_take_its_input_is_named(net: Net, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        intermediates(net, image(1, 4, 4, 2))
    start = f"model: cannot take images of (4, 4, 2): {message}"
    with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
        model_output_shape(net, (4, 4, 2))


def test_the_output_shape_of_a_users_module() -> None:
    assert model_output_shape(Net(), (4, 4, 2)) == (5,)


class LooksInside(nnx.Module):
    """A module that uses the intermediates of a submodule."""

    def __init__(self) -> None:
        self.net = Net()
        self.head = nnx.Linear(5, 3, rngs=nnx.Rngs(1))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of the part's logits, and the mean of its first convolution."""
        logits, outputs = intermediates(self.net, x)
        return self.head(logits) + outputs["blocks/0/conv"].mean((1, 2, 3))[:, None]


def test_a_module_may_ask_for_intermediates_in_its_call() -> None:
    model, call = eval_mode(LooksInside()), nnx.Conv.__call__
    assert isinstance(model, LooksInside)
    x = image(2, 4, 4, 2)
    conv = nnx.Conv.__call__(model.net.blocks[0].conv, x)
    expected = model.head(model.net(x)) + conv.mean((1, 2, 3))[:, None]
    found: list[tuple[jax.Array, dict[str, jax.Array]]] = []
    call_it = threading.Thread(target=lambda: found.append(intermediates(model, x)), daemon=True)
    call_it.start()
    call_it.join(60)  # a thread that waits for itself would wait for ever
    logits, outputs = found[0]
    np.testing.assert_allclose(logits, expected, rtol=1e-6)
    # A copy of the submodule runs, so its calls are not recorded as the model's own.
    assert list(outputs) == ["head"]
    images = np.random.default_rng(3).integers(0, 255, (2, 4, 4, 2)).astype(np.uint8)
    p = predict(model, images)
    np.testing.assert_allclose(p, jax.nn.softmax(model(jnp.float32(images) / 255)), atol=1e-6)
    assert nnx.Conv.__call__ is call


def test_calls_of_another_thread_are_not_recorded() -> None:
    net = eval_mode(Net())
    with recorded_calls(net) as calls:
        other = threading.Thread(target=net, args=(image(1, 4, 4, 2),))
        other.start()
        other.join()
        assert calls == []
        net(image(1, 4, 4, 2))
        assert len(calls) > 0
