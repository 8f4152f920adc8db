"""Atomic writes: synced to disk before the rename, and safe with many writers at once."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jcnn.system.files import unfinished, unfinished_in, write_bytes, write_text
from tests.disks import small_disk


def write_often(file: Path, letter: str, times: int) -> None:
    for _ in range(times):
        write_bytes(file, [letter.encode() * 5000, letter.encode() * 5000])


def test_many_writers_of_one_file_all_succeed(tmp_path: Path) -> None:
    """With threads and processes, the file always holds the complete content of one writer."""
    file = tmp_path / "file"
    write_often(file, "a", 1)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from jcnn.system.files import write_bytes\n"
        "for _ in range(40): write_bytes(Path(sys.argv[1]), [sys.argv[2].encode() * 5000] * 2)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, file, x]) for x in "bc"]
    failed: list[BaseException] = []

    def write(letter: str) -> None:
        try:
            write_often(file, letter, 40)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "de"]
    for thread in threads:
        thread.start()
    while any(process.poll() is None for process in processes):
        content = file.read_bytes()
        assert len(content) == 10_000
        assert len(set(content)) == 1
    for thread in threads:
        thread.join()
    assert failed == []
    assert [process.returncode for process in processes] == [0, 0]
    assert list(tmp_path.iterdir()) == [file]


def test_the_content_is_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is synced too: after a power failure, the old or the new file is there."""
    file, calls = tmp_path / "file", list[tuple[str, int, bytes]]()
    write_text(file, "old")
    kept = os.fsync

    def fsync(descriptor: int) -> None:
        state = os.fstat(descriptor)
        calls.append(("fsync", state.st_ino, file.read_bytes()))
        kept(descriptor)

    def replace(self: Path, target: Path) -> Path:
        calls.append(("replace", self.stat().st_ino, self.read_bytes()))
        self.rename(target)
        return target

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_bytes(file, [b"n", b"ew"])
    written, folder = file.stat().st_ino, tmp_path.stat().st_ino
    assert calls == [
        ("fsync", written, b"old"),
        ("replace", written, b"new"),
        ("fsync", folder, b"new"),
    ]


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    file = tmp_path / "file"
    left, busy, other = unfinished(file), unfinished(file), unfinished(tmp_path / "other")
    for path in (left, busy, other):
        path.write_bytes(b"half")
    with busy.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        write_text(file, "whole")
        assert set(tmp_path.iterdir()) == {file, busy, other}
    assert unfinished_in(tmp_path) == sorted([busy, other])


def test_a_file_that_is_cleared_away_before_it_is_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, removed = fcntl.flock, list[Path]()

    def flock(stream: Any, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not removed:
            removed.extend(unfinished_in(tmp_path))
            removed[0].unlink()
        kept(stream, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    write_text(tmp_path / "file", "whole")
    assert len(removed) == 1
    assert (tmp_path / "file").read_text() == "whole"


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk_is_told_with_the_files_own_name(full: Path) -> None:
    file = full / "page.html"
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_bytes(file, [bytes(100_000)])
    assert caught.value.filename == str(file)
    assert list(full.iterdir()) == []


def test_a_missing_folder_is_told_with_the_files_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_text(tmp_path / "none" / "file", "text")
    assert caught.value.filename == str(tmp_path / "none" / "file")


def test_an_error_of_the_content_keeps_its_own_name(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        yield (tmp_path / "source").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        write_bytes(tmp_path / "file", pieces())
    assert str(caught.value.filename) == str(tmp_path / "source")
    assert list(tmp_path.iterdir()) == []
