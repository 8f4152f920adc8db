"""`keep_checkpoints`: what is kept are the model's weights after each epoch, on every path."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn import checkpoint
from jcnn.config import TrainConfig
from jcnn.layers import Dense, Flatten, Sequential
from jcnn.runs import load
from jcnn.runs.epochs import kept_epochs, load_epoch
from jcnn.system import sealed
from jcnn.train import fit, fit_population, loop
from jcnn.train.resume import save_progress
from tests.train import small

DATA = small.dataset()
CONFIG = TrainConfig(epochs=4, batch_size=16, learning_rate=0.01, keep_checkpoints="all")


def linear(seed: int = 0) -> Sequential:
    return Sequential([Flatten(), Dense(60, 3, rngs=nnx.Rngs(seed))])


def arrays(model: nnx.Module) -> list[np.ndarray]:
    return [np.array(x) for x in jax.tree.leaves(nnx.state(model, nnx.Not(nnx.RngState)))]


def files(run: Path) -> dict[str, Any]:
    """The content of the kept files; the format writes its texts in any order."""
    found = {file.name: sealed.read(file) for file in sorted((run / "epochs").iterdir())}
    return {
        name: (texts, {key: array.tobytes() for key, array in of.items()})
        for name, (of, texts) in found.items()
    }


def seen_after_each_epoch(model: nnx.Module, config: TrainConfig, run: Path) -> list[Any]:
    """The model's arrays before training and, by a callback, after every epoch."""
    found = [arrays(model)]

    def note(trained: nnx.Module, _history: Any) -> None:
        found.append(arrays(trained))

    fit(model, DATA, config, run=run, callbacks=[note], verbose=0)
    return found


@pytest.mark.parametrize(
    "more",
    [{}, {"ema": 0.5}, {"restore_best": True, "validation_split": 0.3}, {"freeze": ("conv2d",)}],
    ids=["plain", "ema", "restore_best", "frozen"],
)
def test_the_weights_after_each_epoch(tmp_path: Path, more: dict[str, Any]) -> None:
    """With batch statistics, a mean of the weights, and weights of another epoch."""
    model = small.model()
    seen = seen_after_each_epoch(model, replace(CONFIG, epochs=3, **more), tmp_path)
    assert kept_epochs(tmp_path) == [0, 1, 2, 3]
    again = small.model(seed=9)
    for epoch, expected in enumerate(seen):
        load_epoch(again, tmp_path, epoch)
        for ours, theirs in zip(arrays(again), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert any(np.any(a != b) for a, b in zip(seen[1], seen[2], strict=True))


def test_an_interrupted_training_keeps_what_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after an epoch is kept and before its checkpoint, and after the checkpoint."""
    config = replace(CONFIG, epochs=5, keep_checkpoints=3)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(linear(), DATA, config, run=whole, verbose=0)
    assert kept_epochs(whole) == [0, 3, 5]

    real = save_progress
    calls = 0

    def save(*args: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        real(*args, **named)

    def stop(_model: nnx.Module, history: Any) -> None:
        if len(history) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_progress", save)
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), DATA, config, run=cut, verbose=0)
    assert kept_epochs(cut) == [0, 2]
    assert checkpoint.read_meta(cut) is not None
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), DATA, config, run=cut, resume=True, callbacks=[stop], verbose=0)
    assert kept_epochs(cut) == [0, 3, 4]
    fit(linear(), DATA, config, run=cut, resume=True, verbose=0)
    assert files(cut) == files(whole)


def test_a_checkpoint_that_is_damaged_takes_its_epoch_along(tmp_path: Path) -> None:
    """The training goes on from the epoch before, whose weights were removed already."""
    short = replace(CONFIG, epochs=3, keep_checkpoints=2)
    fit(linear(), DATA, short, run=tmp_path / "a", verbose=0)
    fit(linear(), DATA, replace(short, epochs=2), run=tmp_path / "b", verbose=0)
    newest = tmp_path / "a" / "checkpoints" / f"{checkpoint.steps(tmp_path / 'a')[-1]}.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    fit(
        linear(),
        DATA,
        replace(short, epochs=2),
        run=tmp_path / "a",
        resume=True,
        verbose=0,
    )
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert kept_epochs(tmp_path / "a") == [0, 2]


def test_layers_that_are_unfrozen_in_between(tmp_path: Path) -> None:
    """The parts of a training name the same arrays differently."""
    config = replace(CONFIG, epochs=2, freeze=("conv2d",), unfreeze_at=1)
    seen = seen_after_each_epoch(small.model(), config, tmp_path)
    again = small.model(seed=9)
    for epoch, expected in enumerate(seen):
        load_epoch(again, tmp_path, epoch)
        for ours, theirs in zip(arrays(again), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_last_epoch_is_the_runs_model(tmp_path: Path) -> None:
    fit(linear(), DATA, CONFIG, run=tmp_path, verbose=0)
    model, _ = load(tmp_path)
    last, _ = load(tmp_path)
    load_epoch(last, tmp_path, 4)
    for ours, theirs in zip(arrays(last), arrays(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    load_epoch(last, tmp_path, 0)
    assert any(np.any(a != b) for a, b in zip(arrays(last), arrays(model), strict=True))


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    fit(linear(), DATA, replace(CONFIG, keep_checkpoints=None, epochs=1), run=tmp_path, verbose=0)
    assert not (tmp_path / "epochs").exists()
    said = "keep_checkpoints: got all; accepted: None for several models"
    with pytest.raises(ValueError, match=f"^{said}$"):
        fit_population([linear(), linear(1)], DATA, [CONFIG, replace(CONFIG, seed=1)], verbose=0)
