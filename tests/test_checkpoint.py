"""Checkpoints: every number comes back exactly, and what is damaged or foreign is refused."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from jcnn.history import EpochResult, History, from_rows, write_history
from jcnn.layers import BatchNormalization, Dense, Sequential, take_apart


def history(epochs: int) -> History:
    rows = (EpochResult(n, 1 / n, 0.1 * n, None, None, 0.5, 100.0) for n in range(1, epochs + 1))
    return History(tuple(rows))


def model_state(inputs: int = 500, seed: int = 0) -> dict[str, Any]:
    """Parameters, batch statistics and an Adam that has made a step, no two numbers alike."""
    rngs = nnx.Rngs(seed)
    parts = take_apart(Sequential([Dense(inputs, 4, rngs=rngs), BatchNormalization(4, rngs=rngs)]))
    random = np.random.default_rng(seed)
    params, rest = jax.tree.map(
        lambda a: jnp.asarray(random.standard_normal(a.shape), a.dtype), (parts.params, parts.rest)
    )
    adam = optax.adam(1e-3)
    _, moments = adam.update(params, adam.init(params), params)
    return {"params": params, "rest": rest, "optimizer": moments}


def assert_same_bits(a: Any, b: Any) -> None:
    chex.assert_trees_all_equal_structs(a, b)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs, to be read only."""
    run = tmp_path_factory.mktemp("saved") / "run"
    for epoch in (1, 2, 3):
        checkpoint.save(run, model_state(seed=epoch), history(epoch))
    return run


def test_the_newest_state_comes_back_bit_for_bit(saved: Path) -> None:
    restored, epochs = checkpoint.restore(saved, model_state(seed=99))
    assert_same_bits(restored, model_state(seed=3))
    assert epochs == history(3)


def test_a_part_of_the_state_can_be_read(saved: Path) -> None:
    wanted = model_state(seed=99)
    restored, _ = checkpoint.restore(saved, {"rest": wanted["rest"]})
    assert_same_bits(restored, {"rest": model_state(seed=3)["rest"]})


def test_the_newest_two_are_kept(saved: Path) -> None:
    assert checkpoint.epochs(saved) == [2, 3]
    assert sorted(path.name for path in (saved / "checkpoints").iterdir()) == ["2", "3"]


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
    checkpoint.save(tmp_path, state, history(1))
    restored, _ = checkpoint.restore(tmp_path, jax.tree.map(jnp.zeros_like, state))
    for name, array in state.items():
        assert restored[name].dtype == array.dtype
        assert np.asarray(restored[name]).tobytes() == np.asarray(array).tobytes()


def test_the_history_is_a_line_an_epoch(saved: Path) -> None:
    lines = (saved / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == history(3).rows()
    assert json.loads(lines[1]) == {
        "epoch": 2,
        "loss": 0.5,
        "accuracy": 0.2,
        "val_loss": None,
        "val_accuracy": None,
        "seconds": 0.5,
        "images_per_second": 100.0,
    }


# --- what is refused ------------------------------------------------------------------------------


def copied(saved: Path, place: Path) -> Path:
    run = place / "run"
    for file in saved.rglob("*"):
        if file.is_file():
            target = run / file.relative_to(saved)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return run


def test_a_flipped_byte_is_found(saved: Path, tmp_path: Path) -> None:
    run = copied(saved, tmp_path)
    files = [file for file in (run / "checkpoints/3/state").rglob("*") if file.is_file()]
    largest = max(files, key=lambda file: file.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(run, model_state())
    assert str(caught.value).startswith(f"{run}: the checkpoint of epoch 3 is damaged: ")
    assert "\n" not in str(caught.value)


def test_damaged_metadata_is_found(saved: Path, tmp_path: Path) -> None:
    run = copied(saved, tmp_path)
    (run / "checkpoints/3/meta/metadata").write_text('{"sha256": ', encoding="utf-8")
    start = re.escape(f"{run}: the checkpoint of epoch 3 is damaged: ")
    with pytest.raises(CheckpointError, match=f"^{start}.+$"):
        checkpoint.restore(run, model_state())


def test_another_models_checkpoint_is_refused(saved: Path) -> None:
    place = f"{saved}: the checkpoint of epoch 3 is of another model: "
    wider = f"{place}its params.dense.kernel.value is (500, 4), this model's (6, 4)"
    with pytest.raises(CheckpointError, match=f"^{re.escape(wider)}$"):
        checkpoint.restore(saved, {"params": model_state(inputs=6)["params"]})
    missing = f"{place}it has no params.conv"
    with pytest.raises(CheckpointError, match=f"^{re.escape(missing)}$"):
        checkpoint.restore(saved, {"params": {"conv": jnp.zeros(3)}})


@pytest.mark.parametrize("leftover", [None, "1.orbax-checkpoint-tmp"])
def test_a_run_without_a_checkpoint_says_so(tmp_path: Path, leftover: str | None) -> None:
    if leftover:
        (tmp_path / "checkpoints" / leftover).mkdir(parents=True)
    message = f"{tmp_path}: has no checkpoint yet; train it with: jcnn train --resume"
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}"):
        checkpoint.restore(tmp_path, model_state())


# --- Ctrl-C, and the history ----------------------------------------------------------------------


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_waits_for_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_and_write(written: History, file: Path) -> None:
        signal.raise_signal(signal.SIGINT)
        write_history(written, file)

    monkeypatch.setattr(checkpoint, "write_history", press_and_write)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, model_state(), history(1))
    assert checkpoint.epochs(tmp_path) == [1]
    assert len((tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_history_is_read_by_column() -> None:
    two = history(2)
    assert len(two) == 2
    assert two["loss"] == [1.0, 0.5]
    assert two["val_loss"] == [None, None]
    assert from_rows(two.rows()) == two
    with pytest.raises(KeyError, match="'val_los'; accepted: epoch, loss, accuracy, val_loss"):
        two["val_los"]
