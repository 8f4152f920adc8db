"""SqueezeExcitation against NumPy float64, its activations and parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.layers import SqueezeExcitation
from jcnn.models import summary
from tests.ops.conv import oracle
from tests.ops.conv.cases import draw
from tests.ops.conv.refusals import refusal

SHAPE = (2, 4, 5, 6)


def made() -> SqueezeExcitation:
    layer = SqueezeExcitation(6, 4, rngs=nnx.Rngs(0))
    for seed, conv in enumerate((layer.fc1, layer.fc2)):
        conv.kernel[...] = draw(f"kernel{seed}", conv.kernel.shape)
        assert conv.bias is not None
        conv.bias[...] = draw(f"bias{seed}", conv.bias.shape)
    return layer


@pytest.mark.parametrize("hard", [False, True])
def test_value(hard: bool) -> None:
    layer, x = made(), draw("x", SHAPE)
    if hard:
        layer.fc1.activation, layer.fc2.activation = ops.silu, ops.hard_sigmoid
    wide = oracle.float64(x)
    kernels = [oracle.float64(c.kernel[...])[0, 0] for c in (layer.fc1, layer.fc2)]
    biases = [oracle.float64(c.bias[...]) for c in (layer.fc1, layer.fc2) if c.bias is not None]
    hidden = wide.mean((1, 2)) @ kernels[0] + biases[0]
    hidden = hidden / (1 + np.exp(-hidden)) if hard else np.maximum(hidden, 0)
    gate = hidden @ kernels[1] + biases[1]
    gate = np.clip(gate + 3, 0, 6) / 6 if hard else 1 / (1 + np.exp(-gate))
    np.testing.assert_allclose(layer(x), wide * gate[:, None, None], rtol=1e-5, atol=1e-5)


def test_activations_parameters_and_shapes() -> None:
    layer = SqueezeExcitation(
        6, 4, activation=ops.silu, scale_activation=ops.hard_sigmoid, rngs=nnx.Rngs(0)
    )
    assert (layer.fc1.activation, layer.fc2.activation) == (ops.silu, ops.hard_sigmoid)
    assert layer.fc1.kernel.shape == (1, 1, 6, 4) and layer.fc2.kernel.shape == (1, 1, 4, 6)
    found = summary(layer, SHAPE[1:])
    assert (found.params, found.multiply_adds) == (6 * 4 + 4 + 4 * 6 + 6, 48)
    plain = SqueezeExcitation(6, 4, rngs=nnx.Rngs(0))
    assert (plain.fc1.activation, plain.fc2.activation) == (ops.relu, ops.sigmoid)


def test_jit_gradients_and_empty_batches() -> None:
    layer, x = made(), draw("x", SHAPE)
    np.testing.assert_allclose(nnx.jit(layer)(x), layer(x), rtol=1e-5, atol=1e-6)
    along, step = draw("along", SHAPE), 1e-3
    by_x = jax.jit(jax.grad(lambda x: layer(x).sum()))(x)
    difference = (layer(x + step * along) - layer(x - step * along)).sum() / (2 * step)
    assert float(jnp.sum(by_x * along)) == pytest.approx(float(difference), rel=1e-2, abs=1e-2)
    assert layer(x[:0]).shape == (0, 4, 5, 6)


def test_refusals() -> None:
    layer = made()
    said = refusal(lambda: layer(jnp.ones((2, 6, 5, 4))))
    assert said.startswith("x: got shape (2, 6, 5, 4); expected 6 channels in the last axis; x loo")
    said = refusal(lambda: layer(jnp.ones((2, 6))))
    assert said == "x: got shape (2, 6); expected 4 axes (N, H, W, C)"
    said = refusal(lambda: SqueezeExcitation(6, 0, rngs=nnx.Rngs(0)))
    assert said == "squeeze_channels: got 0; accepted: a positive int"
