"""Frozen layers: what does not move, what training costs them, and their run folders."""

import json
import struct
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import BatchNormalization, Conv2D, Dense, Dropout, eval_mode
from jcnn.models import build
from jcnn.runs import create, describe, load
from jcnn.train import evaluate, fit

CLASSES = ("a", "b", "c")


class Net(nnx.Module):
    """A backbone with batch normalisation and dropout, and a head."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.blocks = nnx.List([Conv2D(2, 4, rngs=rngs), BatchNormalization(4, rngs=rngs)])
        self.dropout = Dropout(0.5, rngs=rngs)
        self.conv = Conv2D(4, 5, rngs=rngs)
        self.a_head = Dense(5, 3, rngs=rngs)  # first by name, last by call

    def features(self, x: jax.Array) -> jax.Array:
        """What the head reads, of `x (N, 6, 5, 2)`."""
        for block in self.blocks:
            x = block(x)
        return ops.global_average_pool2d(ops.relu(self.conv(self.dropout(ops.relu(x)))))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x (N, 6, 5, 2)`."""
        return self.a_head(self.features(x))


def pixels(channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (24, 6, 5, channels), np.uint8)


def data(channels: int = 2) -> Dataset:
    labels = np.random.default_rng(1).integers(0, 3, 24).astype(np.int32)
    return Dataset(pixels(channels), labels, CLASSES)


def arrays(model: nnx.Module) -> dict[str, np.ndarray]:
    state = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    flat = nnx.to_flat_state(state)
    return {"/".join(map(str, path)): np.asarray(v[...]) for path, v in flat}


@pytest.mark.parametrize(
    "compute_dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)]
)
def test_a_frozen_backbone_stays_as_it_is(compute_dtype: Any) -> None:
    model = Net()
    before = arrays(model)
    config = TrainConfig(
        epochs=2,
        batch_size=7,
        optimizer="adamw",
        weight_decay=0.1,
        freeze=("backbone",),
        compute_dtype=compute_dtype,
    )
    fit(model, data(), config)
    after = arrays(model)
    assert after.keys() == before.keys()
    moved = {name for name in after if not np.array_equal(after[name], before[name])}
    assert moved == {"a_head/kernel", "a_head/bias"}


def test_the_head_takes_the_step_of_its_gradient_on_features_in_eval_mode() -> None:
    """Without freezing, dropout and the batch's statistics would change the features."""
    model, part = Net(), data()
    evaluated: Any = eval_mode(model)
    features = evaluated.features(jnp.asarray(pixels() / 255, jnp.float32))
    head: Any = model.a_head
    kernel, bias = head.kernel[...], head.bias[...]

    def loss(kernel: jax.Array, bias: jax.Array) -> jax.Array:
        scores = jax.nn.log_softmax(features @ kernel + bias)
        return -jnp.mean(scores[jnp.arange(24), part.labels])

    slopes = jax.grad(loss, (0, 1))(kernel, bias)
    config = TrainConfig(
        epochs=1, batch_size=24, optimizer="sgd", learning_rate=0.5, freeze=["backbone"]
    )
    fit(model, part, config)
    for got, start, slope in zip(
        (head.kernel[...], head.bias[...]), (kernel, bias), slopes, strict=True
    ):
        np.testing.assert_allclose(got, start - 0.5 * slope, rtol=1e-5, atol=1e-6)


def test_layers_by_path() -> None:
    model = Net()
    before = arrays(model)
    fit(model, data(), TrainConfig(epochs=1, batch_size=8, freeze=("blocks/1", "conv")))
    after = arrays(model)
    moved = {name for name in after if not np.array_equal(after[name], before[name])}
    assert moved == {"blocks/0/kernel", "blocks/0/bias", "a_head/kernel", "a_head/bias"}
    # Nothing is left of it: another training moves all.
    fit(model, data(), TrainConfig(epochs=1, batch_size=8))
    assert all(not np.array_equal(one, after[name]) for name, one in arrays(model).items())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("cnv",), r"^freeze: got 'cnv'; accepted: backbone, or paths of layers: .*; did you mean"),
        (("",), "^freeze: got ''; accepted: backbone, or paths"),
        (("backbone", "a_head"), "^freeze: got backbone, a_head, which leaves no parameter"),
    ],
)
def test_a_wrong_name_leaves_the_model_as_it_was(names: tuple[str, ...], message: str) -> None:
    model = Net()
    before = nnx.graphdef(model)
    with pytest.raises(ValueError, match=message):
        fit(model, data(), TrainConfig(epochs=1, freeze=names))
    assert nnx.graphdef(model) == before


def test_a_name_alone_is_no_sequence() -> None:
    with pytest.raises(ValueError, match=r"^freeze: got 'backbone'; accepted: a sequence of names"):
        TrainConfig(freeze="backbone")


def test_its_run_has_no_optimizer_state_of_frozen_layers_and_goes_on(tmp_path: Path) -> None:
    part = data(channels=1)
    whole = {}
    for epochs in ((2,), (1, 2)):
        run = tmp_path / str(len(epochs))
        model = build("conv1", part.image_shape, 3)
        for until in epochs:
            config = TrainConfig(epochs=until, batch_size=8, freeze=("backbone",))
            if not run.exists():
                create(run, describe("conv1", part, "digits", None, config))
            fit(model, part, config, run=run, resume=until != epochs[0])
        found, _ = load(run)
        assert evaluate(found, part) == evaluate(model, part)
        whole[run] = arrays(found)
        (file,) = (run / "checkpoints").glob("6.safetensors")
        data_of_file = file.read_bytes()
        (size,) = struct.unpack("<Q", data_of_file[:8])
        names = [name for name in json.loads(data_of_file[8 : 8 + size]) if "optimizer" in name]
        assert names
        assert not any("conv2d" in name for name in names)
    first, second = whole.values()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
