"""IDX files: read as written; an invalid file raises one line that names it."""

import gzip
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jcnn.data import DataError, read_idx, read_idx_dir
from tests.data.sources.idx_bytes import (
    NAMES,
    four_files,
    header,
    idx_bytes,
    write_dir,
    zeros_gzip,
)

PICTURES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def refused(path: Path) -> str:
    """Read a file that must raise a one-line DataError; return the reason after the file name."""
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)), st.booleans())
def test_reads_back_what_was_written(
    folder: Path, array: npt.NDArray[np.uint8], packed: bool
) -> None:
    data = idx_bytes(array)
    path = folder / ("back.gz" if packed else "back")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    read = read_idx(str(path))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array, strict=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not an IDX file (starts with bytes none; expected 00 00, a type code and"),
        (b"\0\0\x08", "not an IDX file (starts with bytes 00 00 08;"),
        (b"GIF89a..", "not an IDX file (starts with bytes 47 49 46 38;"),
        (gzip.compress(b"x", mtime=0), "not an IDX file (starts with bytes 1f 8b 08 00;"),
        (header(3, code=0x0A), "not an IDX file (starts with bytes 00 00 0a 01;"),
        (header(3, code=0x0D), "IDX type code 0x0d (float32); expected 0x08 (unsigned byte)"),
        (header(), "IDX file of 0 axes; expected 1 to 4"),
        (header(1, 1, 1, 1, 1) + b"x", "IDX file of 5 axes; expected 1 to 4"),
        (header(1, 1, 1)[:-1], "ends inside its header of 16 bytes"),
        (header(0, 28, 28), "empty (its header says 0 x 28 x 28)"),
        (header(9, 0), "empty (its header says 9 x 0)"),
        (header(2, 3, 4) + bytes(23), "only 23 bytes of data; its header says 24 (2 x 3 x 4)"),
        (header(2, 3, 4) + bytes(25), "more bytes of data; its header says 24 (2 x 3 x 4)"),
        (header(2, 3, 4) + bytes(999), "more bytes of data; its header says 24 (2 x 3 x 4)"),
        (header(2**31) + b"abc", "only 3 bytes of data; its header says 2147483648 (2147483648)"),
        (header(2**31, 28, 28), "its header says 1683627180032 bytes of data (2147483648 x"),
        (header(2**17, 2**15, 2), "its header says 8589934592 bytes of data (131072 x 32768 x 2);"),
        (header(*[2**32 - 1] * 4), "its header says 34028236"),
    ],
)
def test_refuses_a_wrong_file(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(data)
    assert refused(path).startswith(reason)
    if data:
        packed = tmp_path / "wrong.gz"
        packed.write_bytes(gzip.compress(data, mtime=0))
        assert refused(packed).startswith(reason)


def test_refuses_every_truncation(tmp_path: Path) -> None:
    data = idx_bytes(PICTURES)
    for name, whole in (("cut", data), ("cut.gz", gzip.compress(data, mtime=0))):
        path = tmp_path / name
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert refused(path)


def test_refuses_every_change_to_the_header(tmp_path: Path) -> None:
    data = idx_bytes(PICTURES)
    path = tmp_path / "changed"
    for position in range(len(header(2, 3, 4))):
        for change in range(1, 256):
            changed = bytearray(data)
            changed[position] ^= change
            path.write_bytes(changed)
            assert refused(path)


def test_a_changed_gzip_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    # Harmless: the time stamp and other fields of gzip's header have no checksum.
    whole = gzip.compress(idx_bytes(PICTURES), mtime=0)
    path = tmp_path / "changed.gz"
    harmless = 0
    for position in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            try:
                read = read_idx(path)
            except DataError as error:
                assert str(error).startswith(f"{path}: ")
                assert str(error).isprintable()
            else:
                np.testing.assert_array_equal(read, PICTURES)
                harmless += 1
    assert harmless <= 8 * 8


@given(st.sampled_from([b"", b"\0\0\x08", b"\0\0\x08\x01\0\0\0", header(1)]), st.binary())
def test_any_bytes_are_an_array_or_a_data_error(folder: Path, head: bytes, rest: bytes) -> None:
    path = folder / "any"
    path.write_bytes(head + rest)
    try:
        read = read_idx(path)
    except DataError as error:
        assert str(error).isprintable()
    else:
        assert idx_bytes(read) == head + rest


def test_trailing_bytes_behind_the_compressed_data(tmp_path: Path) -> None:
    whole = gzip.compress(idx_bytes(PICTURES), mtime=0)
    path = tmp_path / "more.gz"
    path.write_bytes(whole + b"junk")
    assert refused(path).startswith("cannot be read (Not a gzipped file (b'ju')")
    path.write_bytes(whole + gzip.compress(b"x", mtime=0))
    assert refused(path) == "more bytes of data; its header says 24 (2 x 3 x 4)"
    path.write_bytes(whole + bytes(512))  # padding as on tapes, which gzip accepts
    np.testing.assert_array_equal(read_idx(path), PICTURES)


def test_a_gzip_bomb_is_left_unread(tmp_path: Path) -> None:
    # 1 GiB of zeros after a header of 7,840 bytes. The damage at the end would be the
    # reason if the reader had reached it.
    path = tmp_path / "bomb.gz"
    path.write_bytes(zeros_gzip(header(10, 28, 28), 1024) + b"damage")
    tracemalloc.start()
    try:
        reason = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason == "more bytes of data; its header says 7840 (10 x 28 x 28)"
    assert peak < 4 * 2**20


def test_a_header_alone_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "promise"
    path.write_bytes(header(2**32 - 1) + bytes(100))
    tracemalloc.start()
    try:
        reason = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason == "only 100 bytes of data; its header says 4294967295 (4294967295)"
    assert peak < 4 * 2**20


def test_missing_folder_and_pipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path))}/none: no such file$"):
        read_idx(tmp_path / "none")
    assert refused(tmp_path) == "a folder; expected a file"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "a device or pipe; expected a file"
    assert refused(tmp_path / ("x" * 300)) == "File name too long"
    assert refused(Path(__file__) / "below") == "Not a directory"


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by permissions, since root may read everything.
    def denied(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "locked"
    path.write_bytes(idx_bytes(PICTURES))
    monkeypatch.setattr(Path, "open", denied)
    assert refused(path) == "cannot be read ([Errno 13] Permission denied)"


def test_a_name_of_two_lines_stays_on_one(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines"
    path.write_bytes(b"wrong")
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{str(path)!r}: not an IDX file")
    assert str(caught.value).isprintable()
    with pytest.raises(FileNotFoundError) as missing:
        read_idx_dir(tmp_path / "no\nfolder")
    assert str(missing.value).isprintable()


@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_reads_a_folder_under_each_name(tmp_path: Path, dot: bool, packed: bool) -> None:
    for name, data in four_files().items():
        stored = name.replace("-idx", ".idx") if dot else name
        path = tmp_path / (stored + ".gz" if packed else stored)
        path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    train, test = read_idx_dir(tmp_path)
    files = four_files()
    assert np.asarray(train.images).tobytes() == files[NAMES[0]][16:]
    assert train.labels.tolist() == [4, 0, 1, 2, 3, 0]
    assert np.asarray(test.images).tobytes() == files[NAMES[2]][16:]
    assert test.labels.tolist() == [1, 1, 3, 0]
    assert train.image_shape == test.image_shape == (3, 2, 1)
    assert train.class_names == test.class_names == ("0", "1", "2", "3", "4")


def test_names_come_from_the_largest_label_of_both_parts(tmp_path: Path) -> None:
    write_dir(tmp_path, t10k_labels_idx1_ubyte=idx_bytes(np.array([9, 0, 0, 0], np.uint8)))
    train, test = read_idx_dir(str(tmp_path))
    assert train.class_names == test.class_names == tuple("0123456789")


def test_names_given_are_kept(tmp_path: Path) -> None:
    train, test = read_idx_dir(write_dir(tmp_path), list("abcdef"))
    assert train.class_names == test.class_names == tuple("abcdef")


@pytest.mark.parametrize(
    ("change", "data", "reason"),
    [
        (
            NAMES[1],
            header(5) + bytes(5),
            "5 labels; expected 6, one for each image of " + NAMES[0],
        ),
        (
            NAMES[3],
            header(5) + bytes(5),
            "5 labels; expected 4, one for each image of " + NAMES[2],
        ),
        (NAMES[0], header(6) + bytes(6), "IDX file of 1 axes; expected 3"),
        (NAMES[1], header(6, 1) + bytes(6), "IDX file of 2 axes; expected 1"),
        (NAMES[2], header(0, 3, 2), "empty (its header says 0 x 3 x 2)"),
        (NAMES[2], header(4, 2, 3) + bytes(24), "images of 2 x 3; expected 3 x 2 as in"),
        (NAMES[1], header(6) + b"\0\1\7\2\0\4", "label 7 in row 2; expected 0 to 4 for 5 class"),
        (NAMES[3], header(4) + b"\0\1\4\5", "label 5 in row 3; expected 0 to 4 for 5 class names"),
    ],
)
def test_refuses_files_that_do_not_fit(
    tmp_path: Path, change: str, data: bytes, reason: str
) -> None:
    write_dir(tmp_path)
    (tmp_path / change).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_idx_dir(tmp_path, list("abcde"))
    assert str(caught.value).startswith(f"{tmp_path / change}: {reason}")


def test_missing_files_are_listed(tmp_path: Path) -> None:
    write_dir(tmp_path)
    (tmp_path / NAMES[1]).unlink()
    (tmp_path / NAMES[2]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        read_idx_dir(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no train-labels-idx1-ubyte[.gz], t10k-images-idx3-ubyte[.gz] in this folder"
    )


def test_a_file_for_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(DataError) as caught:
        read_idx_dir(path)
    assert str(caught.value) == f"{path}: Not a directory; expected a folder"
