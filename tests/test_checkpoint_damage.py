"""A damaged checkpoint is detected and skipped; a full disk damages nothing."""

import os
import random
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jcnn import checkpoint
from jcnn.checkpoint import CheckpointError
from tests.checkpoints import META, assert_same_bits, model_state
from tests.disks import small_disk

Harm = Callable[[Path, int, random.Random], None]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with the checkpoints of steps 4 and 8."""
    for step in (4, 8):
        checkpoint.save(tmp_path / "run", step, model_state(seed=step), META | {"step": step})
    return tmp_path / "run"


@pytest.fixture
def chance() -> random.Random:
    """A new seed for each run; a failing test prints it, so that it can be repeated."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"random.Random({seed})")
    return random.Random(seed)


def flip_a_bit(file: Path, below: int, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(below)] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def cut_short(file: Path, below: int, chance: random.Random) -> None:
    os.truncate(file, chance.randrange(below))


def lengthen(file: Path, _below: int, chance: random.Random) -> None:
    file.write_bytes(file.read_bytes() + chance.randbytes(chance.randrange(1, 100)))


def blank_a_block(file: Path, below: int, chance: random.Random) -> None:
    """As after a power failure."""
    data = bytearray(file.read_bytes())
    start, size = chance.randrange(below), chance.choice([1, 512, 4096])
    data[start : start + size] = bytes(len(data[start : start + size]))
    file.write_bytes(data)


@pytest.mark.parametrize("harm", [flip_a_bit, cut_short, lengthen, blank_a_block])
def test_damage_is_found_wherever_it_is(run: Path, chance: random.Random, harm: Harm) -> None:
    """The older state is then restored; half of the positions are in the header."""
    file = run / "checkpoints/8.safetensors"
    whole, wanted, older = file.read_bytes(), model_state(), model_state(seed=4)
    header = 8 + int.from_bytes(whole[:8], "little")
    for i in range(100):
        file.write_bytes(whole)
        harm(file, header if i % 2 else len(whole), chance)
        if file.read_bytes() == whole:  # zeros over zeros
            continue
        said: list[str] = []
        restored, meta = checkpoint.restore(run, wanted, on_damage=said.append)
        assert_same_bits(restored, older)
        assert checkpoint.read_meta(run) == meta == META | {"step": 4}
        [line] = said
        reason = "its header cannot be read|it does not match its checksum"
        start = re.escape(f"{run}: the checkpoint of step 8 is damaged (")
        assert re.fullmatch(rf"{start}({reason})\); going back to that of step 4", line)


def test_a_file_that_is_not_as_it_was(run: Path) -> None:
    older, newest = run / "checkpoints/4.safetensors", run / "checkpoints/8.safetensors"
    wanted, expected = model_state(), model_state(seed=4)

    def passed_over(reason: str) -> None:
        said: list[str] = []
        restored, _ = checkpoint.restore(run, wanted, on_damage=said.append)
        assert_same_bits(restored, expected)
        start = f"{run}: the checkpoint of step 8 is damaged ({reason}); going back to that of"
        assert said == [f"{start} step 4"]

    newest.unlink()
    newest.mkdir()
    passed_over("it cannot be read: Is a directory")
    newest.rmdir()
    newest.symlink_to("nowhere")
    passed_over("it cannot be read: No such file or directory")
    newest.unlink()
    shutil.copy(older, newest)
    passed_over("it is that of step 4")
    for header in (
        "null",
        "[]",
        "{}",
        '{"__metadata__": {}}',
        '{"__metadata__": 5}',
        '{"a": 1, "__metadata__": {"sha256":',
        "\x00",
        "9" * 5000,
        "[" * 100_000,
    ):
        newest.write_bytes(len(header).to_bytes(8, "little") + header.encode())
        passed_over("its header cannot be read")
    for size in (0, 2**63 + 1, 2**64 - 1):
        newest.write_bytes(size.to_bytes(8, "little") + b"{}")
        passed_over("its header cannot be read")
    newest.write_bytes(b"")
    passed_over("its header cannot be read")


def test_what_is_not_ours_is_left_alone(run: Path) -> None:
    for name in ("9.safetensors.bak", "notes.txt", "12"):
        (run / "checkpoints" / name).write_text("mine", encoding="utf-8")
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=8))
    checkpoint.save(run, 12, model_state(), {})
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names >= {"9.safetensors.bak", "notes.txt", "12"}


def test_the_newest_whole_one_is_found_behind_several(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, model_state(seed=step), {})
    folder = tmp_path / "checkpoints"
    shutil.copy(folder / "2.safetensors", folder / "3.safetensors")
    os.truncate(folder / "2.safetensors", 100)
    said: list[str] = []
    checkpoint.restore(tmp_path, model_state(), on_damage=said.append)
    assert [re.findall(r"step (\d)", line) for line in said] == [["3", "2", "1"], ["2", "1"]]


def test_where_none_is_whole_the_newest_is_named(run: Path) -> None:
    def refused(more: str) -> None:
        message = f"{run}: the checkpoint of step 8 is damaged: its header cannot be read"
        with pytest.raises(CheckpointError, match=f"^{re.escape(message + more)}$"):
            checkpoint.restore(run, model_state(), on_damage=pytest.fail)
        assert checkpoint.read_meta(run) is None

    for step in (4, 8):
        os.truncate(run / f"checkpoints/{step}.safetensors", 7)
    refused("; no older one is whole")
    (run / "checkpoints/4.safetensors").unlink()
    refused("")


@pytest.mark.parametrize("step", [6, 8, 12])
def test_the_next_save_clears_damage_away(run: Path, step: int) -> None:
    """Damaged checkpoints do not count as kept ones, for any step."""
    os.truncate(run / "checkpoints/8.safetensors", 1000)
    checkpoint.save(run, step, model_state(seed=step), {})
    assert checkpoint.steps(run) == [4, step]
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=step))


# --- what cannot be written -----------------------------------------------------------------------


def files_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (run / "checkpoints").iterdir()}


def assert_refused(run: Path, reason: str) -> None:
    """A save of step 12 fails with a one-line error, and no file changes."""
    before = files_of(run)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.save(run, 12, model_state(seed=12), META)
    start = f"{run}: the checkpoint of step 12 could not be saved: "
    assert str(caught.value) == f"{start}{reason}; that of step 8 remains"
    assert files_of(run) == before


@pytest.mark.parametrize("limit", [0, 7, 8, 500, 5000, 20_000])
def test_a_limit_of_the_size_of_files(run: Path, limit: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        assert_refused(run, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    checkpoint.save(run, 12, model_state(seed=12), META)
    assert checkpoint.steps(run) == [8, 12]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "512k") as disk:
        yield disk


def test_a_full_disk(disk: Path) -> None:
    """At any position in the file; with free space again, the next save works."""
    run = disk / "run"
    for step in (4, 8):
        checkpoint.save(run, step, model_state(seed=step), META)
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    needed = len(files_of(run)["8.safetensors"])
    for left in range(0, needed, 4096):
        filler.write_bytes(bytes(free - left))
        assert_refused(run, "No space left on device")
        filler.unlink()
    checkpoint.save(run, 12, model_state(seed=12), META)
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=12))


def test_a_disk_that_is_read_only(disk: Path) -> None:
    """The run can at least be read."""
    run = disk / "run"
    for step in (4, 8):
        checkpoint.save(run, step, model_state(seed=step), META)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert_refused(run, "Read-only file system")
    restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    assert_same_bits(restored, model_state(seed=8))


def test_a_folder_without_permission(run: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (run / "checkpoints").chmod(0o500)
    try:
        assert_refused(run, "Permission denied")
        restored, _ = checkpoint.restore(run, model_state(), on_damage=pytest.fail)
    finally:
        (run / "checkpoints").chmod(0o700)
    assert_same_bits(restored, model_state(seed=8))


def test_a_first_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file", encoding="utf-8")
    start = f"{tmp_path}: the checkpoint of step 1 could not be saved: "
    message = re.escape(f"{start}File exists; there is no older one")
    with pytest.raises(CheckpointError, match=f"^{message}$"):
        checkpoint.save(tmp_path, 1, model_state(), {})
