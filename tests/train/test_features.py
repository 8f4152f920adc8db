"""Training from features of frozen layers: where it is possible, and that it changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data import Dataset, Note, Reading
from jcnn.layers import Conv2D, Dense, Dropout, eval_mode, frozen
from jcnn.system.caches import cache_folder
from jcnn.train import evaluate, features, fit
from jcnn.train.feature_cache import cached_features
from jcnn.train.features import Start, call, find_start

SHAPE = (6, 5, 2)
PLAIN = TrainConfig(epochs=2, batch_size=7, optimizer="adam", freeze=("one", "two"))


class Net(nnx.Module):
    """Two convolutions, dropout and two dense layers."""

    def __init__(self, skip: bool = False, scale: bool = False) -> None:
        rngs = nnx.Rngs(3)
        self.one, self.two = Conv2D(2, 4, rngs=rngs), Conv2D(4, 5, rngs=rngs)
        self.dropout = Dropout(0.4, rngs=rngs)
        self.three, self.four = Dense(5, 6, rngs=rngs), Dense(6, 3, rngs=rngs)
        self.skip = skip
        self.scale = nnx.Param(jnp.ones(())) if scale else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 5, 2)`."""
        y = x if self.scale is None else x * self.scale[...]
        y = ops.global_average_pool2d(ops.relu(self.two(ops.relu(self.one(y)))))
        y = self.four(ops.relu(self.three(self.dropout(y))))
        return y + x.mean(axis=(1, 2, 3))[:, None] if self.skip else y


def data(rows: int = 24, seed: int = 0) -> Dataset:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (rows, *SHAPE), np.uint8)
    return Dataset(images, random.integers(0, 3, rows).astype(np.int32), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("names", "layer"),
    [
        (("one", "two"), "dropout"),
        (("one",), "two"),
        (("backbone",), "four"),
        (("two",), None),
        (("one", "two", "dropout", "three"), "four"),
    ],
)
def test_where_a_training_starts(names: tuple[str, ...], layer: str | None) -> None:
    model = Net()
    with frozen([model], names, SHAPE):
        found = find_start(model, SHAPE)
    assert found == (None if layer is None else Start(layer, SHAPE))


@pytest.mark.parametrize("options", [{"skip": True}, {"scale": True}])
def test_what_depends_on_the_images_otherwise_is_trained_from_them(options: Any) -> None:
    model = Net(**options)
    with frozen([model], ("one", "two"), SHAPE):
        assert find_start(model, SHAPE) is None


@pytest.mark.parametrize(
    "names", [("one", "two"), pytest.param(("backbone",), marks=pytest.mark.slow)]
)
def test_the_training_is_that_from_images(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(epochs=2, batch_size=7, optimizer="adam", freeze=names)
    cached, plain = Net(), Net()
    notes: list[Any] = []
    got = fit(cached, data(), config, validation=data(9, 1), on_event=notes.append)
    layer = "dropout" if names == ("one", "two") else "four"
    width = 5 if layer == "dropout" else 6
    text = f"trained from {width} features of each image, the input of {layer}"
    assert Note(text) in notes
    monkeypatch.setattr(features, "find_start", lambda *_: None)
    want = fit(plain, data(), config, validation=data(9, 1), verbose=0)
    for a, b in zip(got.epochs, want.epochs, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.val_loss == pytest.approx(b.val_loss, rel=1e-5)
        assert (a.accuracy, a.val_accuracy) == (b.accuracy, b.val_accuracy)
    for one, other in zip(*map(jax.tree.leaves, map(nnx.state, (cached, plain))), strict=True):
        if jnp.issubdtype(one.dtype, jnp.floating):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert not hasattr(cached, "start")


def test_a_resumed_training_gives_the_same_bits(tmp_path: Path) -> None:
    whole, parts = Net(), Net()
    fit(whole, data(), PLAIN, run=tmp_path / "a", verbose=0)
    first = replace(PLAIN, epochs=1)
    fit(parts, data(), first, run=tmp_path / "b", verbose=0)
    again = Net()
    fit(again, data(), PLAIN, run=tmp_path / "b", resume=True, verbose=0)
    trained = [jax.tree.leaves(nnx.state(model, nnx.Param)) for model in (whole, again)]
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_callback_may_evaluate_images() -> None:
    found: list[float] = []
    model = Net()

    def look(module: nnx.Module, _history: Any) -> None:
        found.append(evaluate(module, data()).loss)

    history = fit(model, data(), PLAIN, validation=data(), callbacks=[look], verbose=0)
    assert found == pytest.approx([row.val_loss for row in history.epochs], rel=1e-5)


def test_augmented_images_or_too_many_features_are_not_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    flips = replace(PLAIN, augment="flip")
    fit(Net(), data(), flips, on_event=seen.append)
    monkeypatch.setenv("JCNN_MEMORY_BYTES", str(24 * 5 * 4 - 1))
    fit(Net(), data(), PLAIN, on_event=seen.append)
    assert not [one for one in seen if isinstance(one, Note) and "trained from" in one.text]


def test_the_compiler_removes_the_frozen_layers() -> None:
    model: Any = eval_mode(Net())
    model.start = Start("three", SHAPE)
    text = jax.jit(lambda x: call(model, x)).lower(jnp.ones((4, 5))).compile().as_text()
    assert text is not None
    assert "convolution" not in text
    assert "dot" in text or "matmul" in text


def computed(events: list[Any]) -> int:
    return sum(isinstance(one, Reading) and one.done == one.total for one in events)


def test_features_are_computed_once_for_the_same_images_and_weights() -> None:
    """The key depends on both; a damaged file is noticed."""
    some, folder = data(26, seed=11), cache_folder() / "features"
    first: list[Any] = []
    fit(Net(), some, PLAIN, on_event=first.append)
    again: list[Any] = []
    fit(Net(), some, PLAIN, on_event=again.append)
    assert (computed(first), computed(again)) == (1, 0)

    other: Any = Net()
    other.one.bias[...] += 1e-3
    events: list[Any] = []
    fit(other, some, PLAIN, on_event=events.append)
    fit(Net(), data(26, seed=12), PLAIN, on_event=events.append)
    assert computed(events) == 2

    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    damaged: list[Any] = []
    fit(Net(), some, PLAIN, on_event=damaged.append)
    assert computed(damaged) == 1
    assert any(isinstance(one, Note) and "damaged" in one.text for one in damaged)


def test_at_most_twenty_files_are_kept() -> None:
    for n in range(22):
        numbers = np.full((2, 3), n, np.float32)
        made = cached_features(f"key{n}", numbers.copy, print)
        np.testing.assert_array_equal(made, numbers)
    assert len(list((cache_folder() / "features").iterdir())) == 20
    assert cached_features("key21", lambda: pytest.fail("computed again"), print)[0, 0] == 21
