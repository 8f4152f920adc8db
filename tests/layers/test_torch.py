"""Activations, normalisation and upsampling against PyTorch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import ops
from jcnn.layers import GroupNormalization, LayerNormalization

torch: Any = pytest.importorskip("torch", reason="needs PyTorch: pip install torch")

pytestmark = pytest.mark.slow

# Each with PyTorch's name.
ACTIVATIONS = {
    "relu6": "relu6",
    "elu": "elu",
    "selu": "selu",
    "hard_sigmoid": "hardsigmoid",
    "hard_swish": "hardswish",
    "silu": "silu",
    "mish": "mish",
    "softplus": "softplus",
    "gelu": "gelu",
}


def draw(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(0, 3, shape), jnp.float32)


def nchw(x: jax.Array) -> Any:
    return torch.tensor(np.asarray(x, np.float64).transpose(0, 3, 1, 2)).requires_grad_()


def nhwc(tensor: Any) -> Any:
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    x = draw(500)
    tensor = torch.tensor(np.asarray(x, np.float64)).requires_grad_()
    want = getattr(torch.nn.functional, ACTIVATIONS[name])(tensor)
    want.sum().backward()
    ours = getattr(ops, name)
    np.testing.assert_allclose(ours(x), want.detach().numpy(), rtol=1e-5, atol=1e-6)
    slope = jax.vmap(jax.grad(ours))(x)
    np.testing.assert_allclose(slope, tensor.grad.numpy(), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_upsampling(interpolation: Any) -> None:
    x = draw(2, 4, 5, 3)
    how: dict[str, Any] = {} if interpolation == "nearest" else {"align_corners": False}
    tensor = nchw(x)
    want = torch.nn.functional.interpolate(tensor, scale_factor=(2, 3), mode=interpolation, **how)
    want.sum().backward()
    got, pull_back = jax.vjp(lambda x: ops.upsample2d(x, (2, 3), interpolation=interpolation), x)
    np.testing.assert_allclose(got, nhwc(want), rtol=1e-5, atol=1e-5)
    by_x = pull_back(jnp.ones_like(got))[0]
    np.testing.assert_allclose(by_x, nhwc(tensor.grad), rtol=1e-5, atol=1e-5)


def test_normalisation() -> None:
    x = draw(2, 4, 5, 6)
    want = nhwc(torch.nn.functional.group_norm(nchw(x), 3, eps=1e-3))
    np.testing.assert_allclose(GroupNormalization(6, 3)(x), want, rtol=1e-4, atol=1e-5)
    tensor = torch.tensor(np.asarray(x, np.float64))
    want = torch.nn.functional.layer_norm(tensor, (6,), eps=1e-3).numpy()
    np.testing.assert_allclose(LayerNormalization(6)(x), want, rtol=1e-4, atol=1e-5)
