"""NumPy archives: read as NumPy wrote them; whatever is wrong is one line that names the file."""

import io
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

RANDOM = np.random.default_rng(2)
Arrays = dict[str, npt.NDArray[Any]]


def divided() -> Arrays:
    return {
        "x_train": RANDOM.integers(0, 256, (6, 3, 2), np.uint8),
        "y_train": np.array([4, 0, 1, 2, 3, 0], np.uint8),
        "x_test": RANDOM.integers(0, 256, (4, 3, 2), np.uint8),
        "y_test": np.array([1, 1, 3, 0], np.uint8),
    }


def whole() -> Arrays:
    return {
        "images": RANDOM.integers(0, 256, (20, 3, 2), np.uint8),
        "labels": np.arange(20) % 2,
    }


def npy(header: bytes | str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """Write one member by the definition of the format, true or not."""
    text = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def says(shape: str, descr: str = "|u1", fortran: object = False) -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"


def write(
    path: Path, arrays: Arrays, compression: int = zipfile.ZIP_DEFLATED, **members: bytes
) -> Path:
    """Write an archive of arrays, some members of it as they are given."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in {**arrays, **members}:
            stream = io.BytesIO()
            if name not in members:
                np.save(stream, arrays[name])
            archive.writestr(f"{name}.npy", members.get(name) or stream.getvalue())
    return path


def refused(path: Path) -> str:
    """Load a file that must be refused with one line; return the reason behind its name."""
    with pytest.raises(DataError) as caught:
        load(f"npz:{path}")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", ["u1", "i8", ">i4", ">u2"])
def test_reads_what_numpy_writes(tmp_path: Path, save: Any, labels: str) -> None:
    arrays = divided()
    arrays["y_test"] = arrays["y_test"].astype(labels)
    save(tmp_path / "a.npz", **arrays)
    train, test = load(f"npz:{tmp_path}/a.npz")
    np.testing.assert_array_equal(np.asarray(train.images), arrays["x_train"][..., None])
    np.testing.assert_array_equal(np.asarray(test.images), arrays["x_test"][..., None])
    np.testing.assert_array_equal(train.labels, np.array([4, 0, 1, 2, 3, 0], np.int32), strict=True)
    np.testing.assert_array_equal(test.labels, np.array([1, 1, 3, 0], np.int32), strict=True)
    assert train.class_names == test.class_names == tuple("01234")


def test_colour_columns_of_labels_and_any_order_of_memory(tmp_path: Path) -> None:
    # As CIFAR's archives have them; and columns first, as Fortran and MATLAB keep them.
    arrays = divided()
    pixels = RANDOM.integers(0, 256, (6, 3, 2, 3), np.uint8)
    arrays["x_train"] = np.asfortranarray(pixels)
    arrays["x_test"] = pixels[:4]
    arrays["y_train"] = arrays["y_train"][:, None]
    assert not arrays["x_train"].flags.c_contiguous
    train, test = load(f"npz:{write(tmp_path / 'a.npz', arrays)}")
    assert train.image_shape == (3, 2, 3)
    np.testing.assert_array_equal(np.asarray(train.images), pixels)
    np.testing.assert_array_equal(np.asarray(test.images), pixels[:4])
    assert train.labels.tolist() == [4, 0, 1, 2, 3, 0]


def test_an_undivided_archive_is_split(tmp_path: Path) -> None:
    arrays = whole()
    path = write(tmp_path / "a.npz", arrays)
    train, test = load(f"npz:{path}")
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    expected = {(x.tobytes(), int(y)) for x, y in zip(*arrays.values(), strict=True)}
    found = {
        (x.tobytes(), int(y))
        for part in (train, test)
        for x, y in zip(np.asarray(part.images), part.labels, strict=True)
    }
    assert found == expected
    again = load(f"npz:{path}")
    np.testing.assert_array_equal(np.asarray(again[1].images), np.asarray(test.images))


def test_class_names_are_kept(tmp_path: Path) -> None:
    names = np.array(["zero", "Straße", "猫", "three", "four", "unused"])
    train, test = load(f"npz:{write(tmp_path / 'a.npz', divided() | {'class_names': names})}")
    assert train.class_names == test.class_names == tuple(names.tolist())
    assert all(type(name) is str for name in train.class_names)


def test_other_members_are_left_unread(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", divided(), note=b"no array", images=b"x")
    assert len(load(f"npz:{path}")[0]) == 6


TAKEN = "expected x_train, y_train, x_test, y_test, or images, labels"


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (["x_test", "y_test"], f"no x_test, y_test in this archive; {TAKEN}"),
        (["y_train"], f"no y_train in this archive; {TAKEN}"),
        (list(divided()), f"no images, labels in this archive; {TAKEN}"),
    ],
)
def test_missing_members_are_named(tmp_path: Path, without: list[str], reason: str) -> None:
    arrays = {name: array for name, array in divided().items() if name not in without}
    assert refused(write(tmp_path / "a.npz", arrays)) == reason


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("x_train", np.zeros((6, 3, 2), np.float32), "got dtype float32; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 3, 2), np.int64), "got dtype int64; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 3, 2), bool), "got dtype bool; expected uint8, 0 to 255"),
        ("x_train", np.zeros((6, 6), np.uint8), "got shape (6, 6); expected (N, H, W), or (N, H"),
        ("x_train", np.zeros((6, 3, 9, 9), np.uint8), "got shape (6, 3, 9, 9); expected (N, H, W)"),
        ("x_train", np.zeros((5, 3, 2), np.uint8), "5 pictures; expected 6, as labels"),
        ("x_train", np.zeros((0, 3, 2), np.uint8), "empty (its header says 0 x 3 x 2 of uint8)"),
        ("x_test", np.zeros((4, 2, 3), np.uint8), "pictures of (2, 3, 1); expected (3, 2, 1) as"),
        ("y_test", np.zeros(5, np.uint8), "x_test: 4 pictures; expected 5, as labels"),
        ("y_test", np.zeros(4), "got shape (4,) of float64; expected (N,) or (N, 1) of integers"),
        ("y_test", np.zeros((4, 5), np.uint8), "got shape (4, 5) of uint8; expected (N,) or (N"),
        ("y_test", np.uint8(3), "got shape () of uint8; expected (N,) or (N, 1) of integers"),
        ("y_test", np.array([0, 1, -2, 0]), "label -2 in row 2; expected 0 to 65535"),
        ("y_test", np.array([0, 2**63, 0, 0], np.uint64), "label 9223372036854775808 in row 1;"),
        ("y_test", np.array([0, 0, 0, 10**6]), "label 1000000 in row 3; expected 0 to 65535"),
        ("y_train", np.array([{}] * 6), "Python objects (pickled), which are never read; expected"),
        ("y_train", np.array(["a"] * 6), "got shape (6,) of <U1; expected (N,) or (N, 1) of int"),
        ("class_names", np.array([b"a"] * 9), "got shape (9,) of |S1; expected (K,) of text"),
        ("class_names", np.array(["a"] * 5, object), "Python objects (pickled), which are never"),
        ("class_names", np.array([["a"]]), "got shape (1, 1) of <U1; expected (K,) of text"),
        ("class_names", np.array(list("abcd")), "y_train: label 4 in row 0; expected 0 to 3"),
        ("class_names", np.array(list("abcda")), "got 'a' more than once; expected unique names"),
        ("class_names", np.array(["a", "b\nc"] * 3), r"got 'b\nc'; expected text without control"),
        ("class_names", np.array(["a"] * 70_000), "got shape (70000,) of <U1; expected (K,) of"),
        ("class_names", np.array(["a", "\ud800"]), r"got '\ud800'; expected text without control"),
        ("class_names", np.frombuffer(b"\xff" * 4, "<U1"), "character 0xffffffff; expected"),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, name: str, array: Any, reason: str) -> None:
    message = refused(write(tmp_path / "a.npz", divided() | {name: np.asarray(array)}))
    own_name = reason.startswith(("x_test", "y_train"))
    assert message.startswith(reason if own_name else f"{name}: {reason}")


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
    # 256 MiB of zeros in 256 KiB: behind a short array's header, and as a header itself.
    zeros = bytes(2**28)
    member = npy(says("(6, 3, 2)"), zeros)
    if version == b"\2\0":
        member = b"\x93NUMPY\2\0" + struct.pack("<I", 2**28) + zeros
    path = write(tmp_path / "a.npz", divided(), x_train=member)
    del zeros, member
    tracemalloc.start()
    try:
        reason = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason.startswith(("x_train: more bytes of data", "x_train: its header has 268435456"))
    assert peak < 8 * 2**20


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
    path.write_bytes(b"PK\5\6" + bytes(18))  # a zip file of nothing
    assert refused(path).startswith("no images, labels in this archive")


def test_a_member_whose_name_is_no_text_or_is_encrypted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.npz", divided(), é=b"x")
    data = path.read_bytes()
    path.write_bytes(data.replace("é".encode(), b"\xff\xff"))
    assert refused(path).startswith("no NumPy archive, or damaged ('utf-8' codec can't decode")
    entry = bytearray(data)
    for place in (data.index(b"PK\1\2") + 8, 6):  # the flags of x_train, in both of its heads
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
