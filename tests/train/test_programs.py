"""An epoch program equals its single steps, and its convolutions have the fast layout."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Sequential, train_mode
from jcnn.layers.model import split_model
from jcnn.models import build
from jcnn.ops import relu
from jcnn.ops.conv import primitive as _conv_primitive
from jcnn.train.metrics import zero_totals
from jcnn.train.programs import compiled_part, epoch_program
from jcnn.train.step import init_state, training_step
from tests.hlo import convolutions, faults
from tests.train import small

on_cpu = pytest.mark.skipif(jax.default_backend() != "cpu", reason="the form is XLA:CPU's")


@on_cpu
@pytest.mark.parametrize(
    ("name", "shape", "per_step"),
    # Forward, by kernel and by input, but no gradient by the pictures.
    [
        ("conv4", (28, 28, 1), 4 + 4 + 3),
        pytest.param("creatures", (20, 20, 3), 4 + 4 + 3, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("table", ["shipped", pytest.param("none", marks=pytest.mark.slow)])
def test_every_convolution_of_an_epoch_is_in_the_fast_form(
    name: str,
    shape: tuple[int, int, int],
    per_step: int,
    table: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if table == "none":  # every convolution is XLA's
        monkeypatch.setattr(_conv_primitive, "tables", lambda: ())
    epoch_program.cache_clear()
    parts = split_model(train_mode(build(name, shape, 10)))
    config = TrainConfig(batch_size=4)
    state = init_state(parts.params, parts.rest, config)
    images = jax.ShapeDtypeStruct((10, *shape), jnp.uint8)
    labels = jax.ShapeDtypeStruct((10,), jnp.int32)
    order = jax.ShapeDtypeStruct((10,), jnp.int32)
    program = epoch_program(parts.graphdef, config, examples=10, classes=10)
    window, key, rate = (images, labels, order, 0), jax.random.key(0), jnp.float32(1e-3)
    lowered = program.lower(state, parts.streams, zero_totals(), *window, key, rate, 0, 0, 3)
    text = lowered.compile().as_text()
    found = convolutions(text)
    assert {line: faults(line) for line in found if faults(line)} == {}
    if table == "none":
        assert len(found) == 2 * per_step  # whole batches, and the last of another size


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 7},
        {"seed": 3},
        {"learning_rate": 0.5},
        {"validation_split": 0.2},
        {"shuffle": False},
        {"monitor": "loss", "patience": 3, "min_delta": 0.1, "restore_best": True},
        {"steps_per_call": 2},
        {"time_limit": 2.5},
        {"keep_checkpoints": "all"},
    ],
)
def test_settings_that_are_no_part_of_a_program_compile_none(change: dict[str, Any]) -> None:
    changed = dataclasses.replace(TrainConfig(), **change)
    assert compiled_part(changed) == compiled_part(TrainConfig())


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 7},
        {"augment": "flip"},
        {"optimizer": "sgd"},
        {"schedule": "cosine"},
        {"weight_decay": 0.1},
        {"clip_norm": 1.0},
        {"accumulate_steps": 2},
        {"label_smoothing": 0.1},
        {"class_weights": (1.0, 2.0)},
        {"ema": 0.9},
        {"compute_dtype": "bfloat16"},
    ],
)
def test_settings_that_are_part_of_a_program_are_in_its_key(change: dict[str, Any]) -> None:
    changed = dataclasses.replace(TrainConfig(), **change)
    assert compiled_part(changed) != compiled_part(TrainConfig())


def test_the_number_of_epochs_is_part_of_a_falling_schedules_program() -> None:
    for schedule in ({"schedule": "cosine"}, {"schedule": "one_cycle"}, {"warmup_epochs": 0.5}):
        few, many = (
            compiled_part(dataclasses.replace(TrainConfig(), epochs=n, **schedule)) for n in (2, 9)
        )
        assert few != many


def test_an_epoch_in_one_program_is_its_steps_one_by_one() -> None:
    """Each single step gets its batch in the given order; the last batch has 10 examples."""
    rngs = nnx.Rngs(0)
    layers = [Conv2D(2, 4, activation=relu, rngs=rngs), MaxPooling2D(), Dropout(0.25, rngs=rngs)]
    parts = split_model(train_mode(Sequential([*layers, Flatten(), Dense(24, 3, rngs=rngs)])))
    data = small.dataset(42)
    config = TrainConfig(batch_size=16, schedule="cosine", epochs=3)
    order = np.random.default_rng(1).permutation(42).astype(np.int32)
    key, rate, done = jax.random.key(5), jnp.float32(0.01), 3

    step = jax.jit(training_step(parts.graphdef, parts.streams, config, steps=3, classes=3))
    carry = (init_state(parts.params, parts.rest, config), zero_totals())
    for i in range(3):
        rows = order[16 * i : 16 * (i + 1)]
        batch = (jnp.asarray(data.images[rows]), jnp.asarray(data.labels[rows]))
        carry = step(carry, *batch, jax.random.fold_in(key, i), jnp.int32(done + i), rate)

    program = epoch_program(parts.graphdef, config, examples=42, classes=3)
    first = init_state(jax.tree.map(jnp.copy, parts.params), parts.rest, config)
    window = (jnp.asarray(data.images), jnp.asarray(data.labels), jnp.asarray(order), 0)
    whole, totals = program(first, parts.streams, zero_totals(), *window, key, rate, done, 0, 3)

    alone, summed = carry
    for a, b in zip(jax.tree.leaves(whole.params), jax.tree.leaves(alone.params), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(totals.loss, summed.loss, rtol=1e-5)
    assert int(totals.correct) == int(summed.correct)
    assert int(whole.optimizer.t) == 3
