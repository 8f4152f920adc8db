"""`predict` traces a model once, and answers for the model as it is now."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Dropout, Flatten, Sequential
from jcnn.train import predict, predict_logits
from tests.train import small

IMAGES = np.random.default_rng(2).integers(0, 255, (3, 2, 2, 1)).astype(np.uint8)
X = IMAGES.reshape(3, 4) / 255


class Scaled(nnx.Module):
    """A linear model that counts how often Python runs its call."""

    traced = 0

    def __init__(self, kernel: np.ndarray) -> None:
        self.kernel = nnx.Param(jnp.asarray(kernel, jnp.float32))
        self.factor = 1.0

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 2, 2, 1)`."""
        type(self).traced += 1
        return self.factor * x.reshape(len(x), -1) @ self.kernel[...]


def kernel(seed: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(4, classes))


def assert_logits(model: nnx.Module, expected: np.ndarray) -> None:
    found = np.asarray(predict_logits(model, IMAGES))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    p = np.exp(expected) / np.exp(expected).sum(1, keepdims=True)
    np.testing.assert_allclose(predict(model, IMAGES), p, atol=1e-6)


def test_a_second_call_traces_nothing() -> None:
    model = Scaled(kernel(0))
    assert_logits(model, X @ kernel(0))
    before = Scaled.traced
    predict(model, IMAGES)
    model.kernel[...] = jnp.asarray(kernel(1), jnp.float32)
    assert_logits(model, X @ kernel(1))
    model.kernel = nnx.Param(jnp.asarray(kernel(2), jnp.float32))
    assert_logits(model, X @ kernel(2))
    assert_logits(Scaled(kernel(3)), X @ kernel(3))
    assert Scaled.traced == before


def test_a_changed_structure_is_seen() -> None:
    model = Scaled(kernel(0))
    assert_logits(model, X @ kernel(0))
    model.factor = 2.0
    assert_logits(model, 2 * X @ kernel(0))
    model.kernel = nnx.Param(jnp.asarray(kernel(1, classes=5), jnp.float32))
    assert_logits(model, 2 * X @ kernel(1, classes=5))
    model.factor = 1.0
    assert_logits(model, X @ kernel(1, classes=5))
    with pytest.raises(ValueError, match="layer 'scaled'"):
        predict(Sequential([model]), IMAGES[:, :1])


def test_the_mode_of_a_model_does_not_matter() -> None:
    model = Sequential([Dropout(0.9, rngs=nnx.Rngs(0)), Flatten(), Scaled(kernel(0))])
    assert_logits(model, X @ kernel(0))
    model.dropout.deterministic = True
    assert_logits(model, X @ kernel(0))
    model.dropout.deterministic = False
    assert_logits(model, X @ kernel(0))
    assert not model.dropout.deterministic


def test_batches_and_pieces_give_the_same() -> None:
    data, model = small.dataset(20), small.model()
    whole = predict(model, data.images)
    for size in (1, 7, 20):
        np.testing.assert_allclose(predict(model, data.images, batch_size=size), whole, atol=1e-6)
    for row in (0, 19):
        one = predict(model, data.images[np.array([row])])
        np.testing.assert_allclose(one[0], whole[row], atol=1e-6)
    with pytest.raises(ValueError, match=r"^batch_size: got 0; accepted: an int >= 1$"):
        predict(model, data.images, batch_size=0)
