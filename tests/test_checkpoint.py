"""Checkpoints restore every number exactly, and reject other models."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from jcnn.runs.history import EpochResult, History, from_rows, write_history
from jcnn.system.files import unfinished
from tests.checkpoints import META, assert_same_bits, model_state


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after three saves; tests only read it."""
    run = tmp_path_factory.mktemp("saved") / "run"
    for step in (5, 9, 10):
        checkpoint.save(run, step, model_state(seed=step), META | {"step": step})
    return run


def test_the_newest_state_comes_back_bit_for_bit(saved: Path) -> None:
    restored, meta = checkpoint.restore(saved, model_state(seed=99))
    assert_same_bits(restored, model_state(seed=10))
    assert meta == META | {"step": 10}
    assert checkpoint.read_meta(saved) == meta


def test_a_part_of_the_state_can_be_read(saved: Path) -> None:
    wanted = model_state(seed=99)
    restored, _ = checkpoint.restore(saved, {"rest": wanted["rest"]})
    assert_same_bits(restored, {"rest": model_state(seed=10)["rest"]})


def test_the_newest_two_are_kept(saved: Path) -> None:
    """In numeric order, not in that of the names."""
    assert checkpoint.steps(saved) == [9, 10]
    assert sorted(path.name for path in (saved / "checkpoints").iterdir()) == [
        "10.safetensors",
        "9.safetensors",
    ]


def test_every_type_comes_back_as_it_was(tmp_path: Path) -> None:
    values = {
        "float32": [1.5, -0.0, float("inf"), float("nan")],
        "float16": [6e-8, 65504],
        "bfloat16": [3.140625, -1e30],
        "int32": [-(2**31), 2**31 - 1],
        "uint32": [0, 2**32 - 1],
        "uint8": [0, 255],
        "bool": [True, False],
    }
    state = {name: jnp.asarray(numbers, name) for name, numbers in values.items()}
    state["scalar"] = jnp.asarray(7, jnp.int32)
    checkpoint.save(tmp_path, 0, state, {})
    restored, _ = checkpoint.restore(tmp_path, jax.tree.map(jnp.zeros_like, state))
    for name, array in state.items():
        assert restored[name].dtype == array.dtype
        assert np.asarray(restored[name]).tobytes() == np.asarray(array).tobytes()


def test_what_is_restored_may_be_donated(saved: Path) -> None:
    """A program with donated arguments must not write to NumPy's memory."""
    restored, _ = checkpoint.restore(saved, model_state())
    before = jax.tree.map(np.array, restored)
    double = jax.jit(lambda tree: jax.tree.map(lambda a: a + a, tree), donate_argnums=0)
    assert_same_bits(double(restored), jax.tree.map(lambda a: a + a, before))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(restored))


@pytest.mark.parametrize("step", [10, 9, 3])
def test_the_last_saved_is_the_newest(saved: Path, tmp_path: Path, step: int) -> None:
    """Also if the run already holds this step or a later one."""
    run = tmp_path / "run"
    shutil.copytree(saved, run)
    checkpoint.save(run, step, model_state(seed=77), {"again": step})
    restored, meta = checkpoint.restore(run, model_state())
    assert_same_bits(restored, model_state(seed=77))
    assert meta == {"again": step}
    assert checkpoint.steps(run) == {10: [9, 10], 9: [9], 3: [3]}[step]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for step in (1, 2):
        unfinished(folder / f"{step}.safetensors").write_text("half", encoding="utf-8")
    checkpoint.save(tmp_path, 1, model_state(), {})
    assert [path.name for path in folder.iterdir()] == ["1.safetensors"]


def test_others_may_read_a_checkpoint(tmp_path: Path) -> None:
    """According to the umask: colleagues evaluate each other's runs."""
    before = os.umask(0o022)
    try:
        checkpoint.save(tmp_path, 1, model_state(), {})
    finally:
        os.umask(before)
    for path in (tmp_path / "checkpoints").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


# --- what is refused ------------------------------------------------------------------------------


def test_another_models_checkpoint_is_refused(saved: Path) -> None:
    """No damage: older checkpoints are of another model too."""

    def refused(state: dict[str, Any], reason: str) -> None:
        message = f"{saved}: the checkpoint of step 10 is of another model: {reason}"
        with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
            checkpoint.restore(saved, state, on_damage=pytest.fail)

    refused(
        {"params": model_state(inputs=6)["params"]},
        "its params.dense.kernel.value is (500, 4) of float32, this model's (6, 4) of float32",
    )
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), model_state()["params"])
    shapes = {
        "batch_normalization.bias": "(4,)",
        "batch_normalization.scale": "(4,)",
        "dense.bias": "(4,)",
        "dense.kernel": "(500, 4)",
    }
    refused(
        {"params": half},
        "; ".join(
            f"its params.{name}.value is {shape} of float32, this model's {shape} of bfloat16"
            for name, shape in shapes.items()
        ),
    )
    refused(
        {"params": {"conv": jnp.zeros(3)}},
        "it has no params.conv; "
        + "; ".join(f"this model has no params.{name}.value" for name in [*shapes][:3])
        + "; and 1 more",
    )
    part = model_state()["params"]
    del part["dense"]["bias"]
    refused({"params": part}, "this model has no params.dense.bias.value")


@pytest.mark.parametrize(
    "leftover", [None, ".1.safetensors.unfinished", "01.safetensors", "².safetensors", "1", "notes"]
)
def test_a_run_without_a_checkpoint_says_so(tmp_path: Path, leftover: str | None) -> None:
    if leftover:
        (tmp_path / "checkpoints" / leftover).mkdir(parents=True)
    message = f"{tmp_path}: has no checkpoint yet; train it with: jcnn train --resume"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}"):
        checkpoint.restore(tmp_path, model_state())
    assert checkpoint.steps(tmp_path) == []
    assert checkpoint.read_meta(tmp_path) is None


# --- Ctrl-C, and the history ----------------------------------------------------------------------


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Python's default handler, also for tests in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
@pytest.mark.parametrize("door", ["mkdir", "replace"])
def test_ctrl_c_waits_for_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    original = getattr(Path, door)

    def press_and_do(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(Path, door, press_and_do)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, 4, model_state(), META)
    assert checkpoint.steps(tmp_path) == [4]
    assert checkpoint.read_meta(tmp_path) == META
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def history(epochs: int) -> History:
    rows = (EpochResult(n, 1 / n, 0.1 * n, None, None, 0.5, 100.0) for n in range(1, epochs + 1))
    return History(tuple(rows))


def test_the_history_is_a_line_an_epoch(tmp_path: Path) -> None:
    write_history(history(3), tmp_path)
    lines = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == history(3).rows()
    assert json.loads(lines[1]) == {
        "epoch": 2,
        "loss": 0.5,
        "accuracy": 0.2,
        "val_loss": None,
        "val_accuracy": None,
        "seconds": 0.5,
        "images_per_second": 100.0,
        "learning_rate": None,
    }
    table = (tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].split(",") == list(history(3).rows()[0])
    assert table[2] == "2,0.5,0.2,,,0.5,100.0,"


def test_a_history_is_read_by_column() -> None:
    two = history(2)
    assert len(two) == 2
    assert two["loss"] == [1.0, 0.5]
    assert two["val_loss"] == [None, None]
    assert from_rows(two.rows()) == two
    with pytest.raises(KeyError, match="'val_los'; accepted: epoch, loss, accuracy, val_loss"):
        two["val_los"]
