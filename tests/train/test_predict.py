"""`predict` traces a model once, and uses its current parameters and structure."""

import gc
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import Dropout, Flatten, Sequential
from jcnn.layers.model import SplitModel, split_model
from jcnn.train import predict, predict_logits, prepared
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


class Shared(nnx.Module):
    """Two linear layers with one kernel."""

    def __init__(self) -> None:
        self.first = Scaled(kernel(0, classes=4))
        self.second = Scaled(kernel(1, classes=4))
        self.second.kernel = self.first.kernel

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 2, 2, 1)`."""
        return self.second(self.first(x))


def test_new_parameters_deep_in_a_model_are_seen_without_tracing_again() -> None:
    rngs = nnx.Rngs(0)
    model = Sequential([Dropout(0.5, rngs=rngs), Scaled(kernel(0)), nnx.Linear(3, 2, rngs=rngs)])
    for seed in range(3):
        before, w, b = Scaled.traced, kernel(seed + 7)[:3, :2], kernel(seed)[0, :2]
        model.linear.kernel[...] = jnp.asarray(w, jnp.float32)
        model.linear.bias.set_value(jnp.asarray(b, jnp.float32))
        assert_logits(model, X @ kernel(0) @ w + b)
        assert (Scaled.traced == before) == (seed > 0)


def test_a_replaced_layer_and_an_added_attribute_are_seen() -> None:
    model: Any = Sequential([Scaled(kernel(0, classes=4)), Scaled(kernel(1))])
    assert_logits(model, X @ kernel(0, classes=4) @ kernel(1))
    model.scaled = Scaled(kernel(2, classes=4))
    assert_logits(model, X @ kernel(2, classes=4) @ kernel(1))
    model.scaled, model.scaled_1 = Sequential([model.scaled]), Scaled(kernel(3))
    assert_logits(model, X @ kernel(2, classes=4) @ kernel(3))
    model.names = (model.names[1],)
    assert_logits(model, X @ kernel(3))
    del model.scaled
    assert_logits(model, X @ kernel(3))


def test_a_shared_kernel_is_read_in_both_places() -> None:
    model = Shared()
    for seed in (0, 1):
        model.first.kernel[...] = jnp.asarray(kernel(seed, classes=4), jnp.float32)
        assert_logits(model, X @ kernel(seed, classes=4) @ kernel(seed, classes=4))
    model.second.kernel = nnx.Param(jnp.asarray(kernel(2), jnp.float32))
    assert_logits(model, X @ kernel(1, classes=4) @ kernel(2))


class Offset(nnx.Module):
    """A linear model with an offset that is a variable in a container, or a bare array."""

    offset: Any

    def __init__(self, container: Any) -> None:
        self.scaled, self.container = Scaled(kernel(0)), container
        self.set(1.0)

    def set(self, value: float) -> None:
        """Replace the offset."""
        parameter = nnx.Param(jnp.full(3, value))
        if self.container is nnx.List:
            self.offset = nnx.List([parameter])
        elif self.container is nnx.Dict:
            self.offset = nnx.Dict(a=parameter)
        else:
            self.offset = nnx.data(self.container(np.full(3, value, np.float32)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 2, 2, 1)`."""
        key: Any = {nnx.List: 0, nnx.Dict: "a"}.get(self.container, ...)
        return self.scaled(x) + jnp.asarray(self.offset[key])


@pytest.mark.parametrize("container", [jnp.asarray, np.asarray, nnx.List, nnx.Dict])
def test_arrays_and_containers_as_attributes(container: Any) -> None:
    model = Offset(container)
    for value in (1.0, 2.0):
        model.set(value)
        assert_logits(model, X @ kernel(0) + value)
        assert_logits(model, X @ kernel(0) + value)
    if container is np.asarray:
        model.offset[...] = 5
    elif container is nnx.List:
        model.offset[0] = nnx.Param(jnp.full(3, 5.0))
    elif container is nnx.Dict:
        model.offset["a"][...] = jnp.full(3, 5.0)
    else:
        model.offset = model.offset + 3
    assert_logits(model, X @ kernel(0) + 5)


def test_an_unchanged_model_is_split_once(monkeypatch: pytest.MonkeyPatch) -> None:
    splits: list[nnx.Module] = []

    def counted(model: nnx.Module) -> SplitModel:
        splits.append(model)
        return split_model(model)

    model = small.model()
    image = np.zeros((1, 6, 5, 2), np.uint8)
    predict(model, image)
    monkeypatch.setattr(prepared, "split_model", counted)
    model.dense.kernel[...] = jnp.ones((24, 3))
    predict(model, image)
    assert splits == []
    model.dropout.rate = 0.125
    predict(model, image)
    assert splits != []


def test_a_model_that_predict_has_seen_is_freed() -> None:
    model = Scaled(kernel(0))
    predict(model, IMAGES)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


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
