"""Damage to a checkpoint is found before Orbax meets it; a disk that is full spoils nothing."""

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from tests.checkpoints import META, assert_same_bits, model_state

Harm = Callable[[Path, random.Random], None]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with the checkpoints of steps 4 and 8."""
    for step in (4, 8):
        checkpoint.save(tmp_path / "run", step, model_state(seed=step), META | {"step": step})
    return tmp_path / "run"


@pytest.fixture
def chance() -> random.Random:
    """Another course each time; where a test fails, what it printed replays it."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"random.Random({seed})")
    return random.Random(seed)


def flip_a_bit(file: Path, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def cut_short(file: Path, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(file.stat().st_size))


def lengthen(file: Path, chance: random.Random) -> None:
    file.write_bytes(file.read_bytes() + chance.randbytes(chance.randrange(1, 100)))


def blank_a_block(file: Path, chance: random.Random) -> None:
    """As a power cut does."""
    data = bytearray(file.read_bytes())
    start = chance.randrange(len(data))
    data[start : start + 4096] = bytes(min(4096, len(data) - start))
    file.write_bytes(data)


def delete(file: Path, _chance: random.Random) -> None:
    file.unlink()


def files_of(checkpoint_folder: Path) -> list[Path]:
    return sorted(path for path in checkpoint_folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("harm", [flip_a_bit, cut_short, lengthen, blank_a_block, delete])
def test_any_file_may_be_damaged(
    run: Path, chance: random.Random, capfd: pytest.CaptureFixture[str], harm: Harm
) -> None:
    """The older state is restored, or the newer one in full; and nothing is written to stderr."""
    states = {step: model_state(seed=step) for step in (4, 8)}
    passed_over = 0
    for file in files_of(run / "checkpoints/8"):
        for _ in range(1 if harm is delete else 3):
            before = file.read_bytes()
            harm(file, chance)
            changed = not file.exists() or file.read_bytes() != before
            said: list[str] = []
            restored, meta = checkpoint.restore(run, model_state(), on_damage=said.append)
            assert_same_bits(restored, states[meta["step"]])
            assert checkpoint.read_meta(run) == meta == META | {"step": meta["step"]}
            if meta["step"] == 4:
                passed_over += 1
                [line] = said
                start = re.escape(f"{run}: the checkpoint of step 8 is damaged (")
                assert re.fullmatch(rf"{start}.+\); going back to that of step 4", line)
                assert file.name in line
            else:  # the seal's own punctuation may change without a change of what it says
                assert said == []
                assert file.name == "seal.json" or not changed
            file.write_bytes(before)
    assert passed_over >= len(files_of(run / "checkpoints/8")) - 1
    assert capfd.readouterr().err == ""


def test_a_folder_that_is_not_as_it_was(run: Path) -> None:
    older, newest = run / "checkpoints/4", run / "checkpoints/8"

    def passed_over(reason: str) -> None:
        said: list[str] = []
        restored, _ = checkpoint.restore(run, model_state(), on_damage=said.append)
        assert_same_bits(restored, model_state(seed=4))
        start = f"{run}: the checkpoint of step 8 is damaged ({reason}); going back to that of"
        assert said == [f"{start} step 4"]

    shutil.rmtree(newest)
    newest.write_text("a file", encoding="utf-8")
    passed_over("seal.json: Not a directory")
    newest.unlink()
    newest.mkdir()
    passed_over("seal.json: No such file or directory")
    for text in ("null", "[]", '{"sealed": {}}', '{"sealed": {}, "sha256": 5', "\x00"):
        (newest / "seal.json").write_text(text, encoding="utf-8")
        passed_over("seal.json is no seal")
    shutil.rmtree(newest)
    shutil.copytree(older, newest)
    passed_over("it is that of step 4")
    shutil.rmtree(newest)
    for stray in (".saving", "8.orbax-checkpoint-tmp", "notes"):
        (newest.parent / stray).mkdir()
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=4))


def test_a_file_that_is_not_ours_is_no_damage(run: Path) -> None:
    """Folders that were looked at on another system hold some."""
    (run / "checkpoints/8/.DS_Store").write_bytes(b"\0")
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=8))


def test_the_newest_whole_one_is_found_behind_several(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, model_state(seed=step), {})
    shutil.copytree(tmp_path / "checkpoints/2", tmp_path / "checkpoints/3")
    (tmp_path / "checkpoints/2/seal.json").unlink()
    said: list[str] = []
    checkpoint.restore(tmp_path, model_state(), on_damage=said.append)
    assert [re.findall(r"step (\d)", line) for line in said] == [["3", "2", "1"], ["2", "1"]]


def test_where_none_is_whole_the_newest_is_named(run: Path) -> None:
    def refused(more: str) -> None:
        message = (
            f"{run}: the checkpoint of step 8 is damaged: seal.json: No such file or directory"
        )
        with pytest.raises(CheckpointError, match=f"^{re.escape(message + more)}$"):
            checkpoint.restore(run, model_state(), on_damage=pytest.fail)
        assert checkpoint.read_meta(run) is None

    (run / "checkpoints/8/seal.json").unlink()
    (run / "checkpoints/4/seal.json").unlink()
    refused("; no older one is whole")
    shutil.rmtree(run / "checkpoints/4")
    refused("")


@pytest.mark.parametrize("step", [6, 8, 12])
def test_the_next_save_clears_damage_away(run: Path, step: int) -> None:
    """What is damaged does not count among those kept, whatever its step."""
    cut_short(run / "checkpoints/8/seal.json", random.Random(1))
    checkpoint.save(run, step, model_state(seed=step), {})
    assert checkpoint.steps(run) == [4, step]
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=step))
