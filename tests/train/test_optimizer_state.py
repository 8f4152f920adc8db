"""A training that goes on from an optimizer's saved state is one that never stopped."""

from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest
from flax import nnx

from jcnn.config import Optimizer, TrainConfig
from jcnn.interop.imported import SavedOptimizer
from jcnn.layers import Conv2D, Dense, Flatten, Sequential
from jcnn.runs import RunError, read_config
from jcnn.runs.optimizer_file import OPTIMIZER_FILE, optimizer_of, read_optimizer, write_optimizer
from jcnn.train import fit
from tests.train.small import arrays, dataset

STEPS = 5  # of an epoch: 50 examples in batches of 10


def net() -> Sequential:
    rngs = nnx.Rngs(3)
    return Sequential([Conv2D(2, 3, rngs=rngs), Flatten(), Dense(90, 3, rngs=rngs)])


def config(optimizer: Optimizer, epochs: int) -> TrainConfig:
    rate = 0.5 if optimizer == "adadelta" else 0.01
    return TrainConfig(epochs, 10, optimizer=optimizer, learning_rate=rate, shuffle=False)


def saved(run: Path) -> SavedOptimizer:
    found = optimizer_of(run, read_config(run))
    assert found is not None
    assert found.updates == STEPS
    return found


@pytest.mark.parametrize(
    "optimizer", ["sgd", "nesterov", "adam", "nadam", "rmsprop", "adagrad", "adadelta", "lion"]
)
def test_two_trainings_are_one(tmp_path: Path, optimizer: Optimizer) -> None:
    whole, parted = net(), net()
    fit(whole, dataset(), config(optimizer, 2), verbose=0)
    fit(parted, dataset(), config(optimizer, 1), run=tmp_path / "run", verbose=0)
    write_optimizer(tmp_path, saved(tmp_path / "run"))
    state = read_optimizer(tmp_path)
    assert state is not None
    fit(parted, dataset(), config(optimizer, 1), optimizer_state=state, verbose=0)
    for one, other in zip(arrays(parted), arrays(whole), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def adam(tmp_path_factory: pytest.TempPathFactory) -> SavedOptimizer:
    run = tmp_path_factory.mktemp("adam") / "run"
    fit(net(), dataset(), config("adam", 1), run=run, verbose=0)
    return saved(run)


def changed(state: SavedOptimizer, **arrays: np.ndarray | None) -> SavedOptimizer:
    """The same with other arrays of the mean, or without."""
    mean = {**state.slots["mean"], **{k.replace("_", "."): v for k, v in arrays.items()}}
    kept = {path: array for path, array in mean.items() if array is not None}
    return SavedOptimizer(state.settings, state.updates, {**state.slots, "mean": kept})


def test_what_does_not_fit_is_refused_by_name(adam: SavedOptimizer) -> None:
    layer = next(path for path in adam.slots["mean"] if path.endswith(".bias"))
    bias = layer.replace(".", "_")
    extra = np.zeros(3, np.float32)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"optimizer_state": changed(adam, **{bias: None})}, f"has no 'mean' of {layer}"),
        ({"optimizer_state": changed(adam, **{bias: np.zeros(9, np.float32)})}, "has shape (9,)"),
        ({"optimizer_state": changed(adam, a_bias=extra)}, "'mean' of a.bias: is no trained"),
        ({"optimizer_state": adam, "config": config("lion", 1)}, "is of adam; config.optimizer is"),
        ({"optimizer_state": adam, "optimizer": optax.sgd(0.1)}, "None with an optimizer of your"),
    ]
    for words, said in cases:
        given = {"config": config("adam", 1)} | words
        if "optimizer" in given:
            del given["config"]
        with pytest.raises(ValueError) as caught:
            fit(net(), dataset(), verbose=0, **given)
        assert said in str(caught.value)
        assert str(caught.value).startswith("optimizer_state: ")


def test_a_damaged_file_is_one_line(adam: SavedOptimizer, tmp_path: Path) -> None:
    assert read_optimizer(tmp_path) is None
    write_optimizer(tmp_path, adam)
    file = tmp_path / OPTIMIZER_FILE
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"optimizer\.safetensors: is damaged: ") as caught:
        read_optimizer(tmp_path)
    assert "\n" not in str(caught.value)
