"""Damaged or malicious archives: one line that names the file, and no large allocation."""

import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data import DataError, load
from tests.data.sources.npz_bytes import Arrays, divided, npy, refused, says, write

SHORT = "its header says 36 (6 x 3 x 2 of uint8)"


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (b"GIF89a", "no array of NumPy's format 1 or 2 (starts with b'GIF89a')"),
        (b"\x93NUMPY\3\0" + bytes(9), "no array of NumPy's format 1 or 2 (starts with"),
        (npy(says("(6, 3, 2)"), bytes(35)), f"only 35 bytes of data; {SHORT}"),
        (npy(says("(6, 3, 2)"), bytes(37)), f"more bytes of data; {SHORT}"),
        (npy(says("(2147483648, 9, 9)"), bytes(9)), "its header says 173946175488 bytes of data"),
        (npy(says("(2147483648,)"), bytes(9)), "only 9 bytes of data; its header says 2147483648"),
        (npy(says("(-1, 3)"), bytes(9)), "its header is"),
        (npy(says("(True, 3)"), bytes(9)), "its header is"),
        (npy(says("[6, 3]"), bytes(9)), "its header is"),
        (npy(says("(6, 3, 2)", fortran=1), bytes(36)), "its header is"),
        (npy(says("(6, 3, 2)", "|V8O9"), bytes(36)), "its header is"),
        (npy(says("(6, 3, 2)", "O"), bytes(999)), "Python objects (pickled), which are never read"),
        (npy("__import__('os').abort()"), "its header is"),
        (npy("(" * 500), "its header is"),
        (npy("-" * 1000 + "1"), "its header is"),
        (npy("[" * 900 + "]" * 100), "its header is"),
        (npy(b"\xff\xfe\0"), "its header is"),
        (npy("{'descr': '|u1'}"), "its header is"),
        (npy(" " * 2000 + says("(6, 3, 2)"), bytes(36)), "its header has"),
        (npy(b"", version=b"\2\0")[:8] + b"\xff" * 4, "its header has 4294967295 characters"),
    ],
)
def test_a_wrong_member_is_named(tmp_path: Path, member: bytes, reason: str) -> None:
    message = refused(write(tmp_path / "a.npz", divided(), x_train=member))
    assert message.startswith(f"x_train: {reason}")


def test_format_2_is_read(tmp_path: Path) -> None:
    arrays = divided()
    member = npy(says("(6, 3, 2)"), arrays["x_train"].tobytes(), b"\2\0")
    train, _ = load(f"npz:{write(tmp_path / 'a.npz', arrays, x_train=member)}")
    np.testing.assert_array_equal(np.asarray(train.images)[..., 0], arrays["x_train"])


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    for name in ("x_train", "y_test", "class_names"):
        arrays = divided() | {name: np.array([Trap()] * 4)}
        assert "Python objects" in refused(write(tmp_path / "a.npz", arrays))
    np.save(tmp_path / "b.npy", np.array([Trap()]), allow_pickle=True)
    assert refused(tmp_path / "b.npy").startswith("no NumPy archive, or damaged (File is not a zip")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("version", [b"\1\0", b"\2\0"])
def test_a_bomb_is_left_unread(tmp_path: Path, version: bytes) -> None:
    # 16 MiB of zeros in 16 KiB: after the header of a short array, and as a header.
    zeros = bytes(2**24)
    member = npy(says("(6, 3, 2)"), zeros)
    if version == b"\2\0":
        member = b"\x93NUMPY\2\0" + struct.pack("<I", 2**24) + zeros
    path = write(tmp_path / "a.npz", divided(), x_train=member)
    del zeros, member
    tracemalloc.start()
    try:
        reason = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason.startswith(("x_train: more bytes of data", "x_train: its header has 16777216"))
    assert peak < 2**20


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("y_train", np.zeros(2**24, np.uint8), "x_train: 6 images; expected 16777216, as labels"),
        ("x_test", np.zeros((2**22, 2, 2), np.uint8), "x_test: 4194304 images; expected 4, as"),
        ("x_test", np.zeros((4, 2**11, 2**11), np.uint8), "x_test: images of (2048, 2048, 1); "),
        ("class_names", np.array(["a" * 2**20] * 17), "class_names: 71303168 bytes of text; exp"),
    ],
)
def test_what_does_not_fit_together_takes_no_memory(
    tmp_path: Path, name: str, array: npt.NDArray[Any], reason: str
) -> None:
    # 16 MiB and more of one value in 16 KiB: the headers alone suffice to reject it.
    path = write(tmp_path / "a.npz", divided() | {name: array})
    tracemalloc.start()
    try:
        message = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message.startswith(reason)
    assert peak < 2**20


def test_too_many_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jcnn.data.sources.npz._MAX_PICTURES", 5)
    path = write(tmp_path / "a.npz", divided())
    assert refused(path) == "x_train: 6 images; expected at most 5"


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", kind) as archive:
        for name in divided():
            archive.writestr(f"{name}.npy", b"x")
    assert refused(tmp_path / "a.npz") == (
        f"y_train: compressed as zip's type {kind}; expected 0 or 8"
    )


def test_files_that_are_no_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path))}/no: no such file$"):
        load(f"npz:{tmp_path}/no")
    assert refused(tmp_path) == "a folder; expected a file"
    path = tmp_path / "a.npz"
    for data in (b"", b"text", b"PK\5\6" + bytes(17)):
        path.write_bytes(data)
        assert refused(path).startswith("no NumPy archive, or damaged (")
    path.write_bytes(b"PK\5\6" + bytes(18))  # an empty zip file
    assert refused(path).startswith("no images, labels in this archive")


def test_a_member_whose_name_is_no_text_or_is_encrypted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", divided(), é=b"x")
    data = path.read_bytes()
    path.write_bytes(data.replace("é".encode(), b"\xff\xff"))
    assert refused(path).startswith("no NumPy archive, or damaged ('utf-8' codec can't decode")
    entry = bytearray(data)
    for place in (data.index(b"PK\1\2") + 8, 6):  # the flags of x_train, in both of its headers
        entry[place] |= 1
    path.write_bytes(entry)
    assert "is encrypted, password required" in refused(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_one_flipped_bit_in_the_data_is_refused(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    write(path, divided(), zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("x_train.npy").header_offset
        size = archive.getinfo("x_train.npy").compress_size
    data[start + 30 + len("x_train.npy") + size - 3] ^= 8
    path.write_bytes(data)
    assert refused(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


@given(data=st.data())
def test_damage_is_a_data_error_or_harmless(folder: Path, data: st.DataObject) -> None:
    path = folder / "a.npz"
    arrays: Arrays = {
        "images": np.arange(120, dtype=np.uint8).reshape(20, 3, 2),
        "labels": np.arange(20) % 2,
        "class_names": np.array(["a", "b"]),
    }
    compressed = data.draw(st.booleans())
    write(path, arrays, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    changes = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for position, value in data.draw(st.lists(changes, max_size=4)):
        content[position] = value
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) - 7]))])
    try:
        train, _ = load(f"npz:{path}")
    except DataError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
    else:
        assert train.image_shape == (3, 2, 1)


@given(
    st.text("(){}[]'\":,-+ .0123456789ejudscrptfoahenTF|\\\n", max_size=60) | st.binary(max_size=60)
)
def test_any_header_is_a_data_error(folder: Path, header: str | bytes) -> None:
    assert refused(write(folder / "b.npz", divided(), x_train=npy(header, bytes(36))))
