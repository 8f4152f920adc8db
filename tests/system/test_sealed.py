"""Files of arrays and texts follow the safetensors format, and any change is detected."""

import hashlib
import json
import re
import struct
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jcnn.system import sealed
from jcnn.system.sealed import DamagedError


def test_a_file_is_what_the_format_says(tmp_path: Path) -> None:
    """Read with `struct`: length, header, then only the bytes of the arrays."""
    matrix = np.array([[1.5, -2.0, 3.25]], np.float32)
    arrays = {
        "b.flag": np.array([True, False, True]),
        "a.matrix": matrix,
        "half": np.asarray(jnp.array([3.140625, -1.0], jnp.bfloat16)),
        "count": np.array(7, np.int64),
        "none": np.zeros((0, 3), np.uint8),
        "turned": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    }
    sealed.write(tmp_path / "file", arrays, {"name": "Öl"})
    data = (tmp_path / "file").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size].decode("utf-8"))
    metadata = header.pop("__metadata__")
    assert metadata["name"] == "Öl"
    assert set(metadata) == {"name", "sha256"}
    checksum = metadata["sha256"]
    described = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    assert described == {
        "b.flag": ("BOOL", [3]),
        "a.matrix": ("F32", [1, 3]),
        "half": ("BF16", [2]),
        "count": ("I64", []),
        "none": ("U8", [0, 3]),
        "turned": ("I16", [2, 3]),
    }
    buffer = data[8 + size :]
    stored = {n: buffer[slice(*entry["data_offsets"])] for n, entry in header.items()}
    assert stored == {
        "b.flag": b"\1\0\1",
        "a.matrix": struct.pack("<3f", 1.5, -2.0, 3.25),
        "half": struct.pack("<2f", 3.140625, -1.0)[2:4] + struct.pack("<f", -1.0)[2:],
        "count": struct.pack("<q", 7),
        "none": b"",
        "turned": struct.pack("<6h", 0, 1, 2, 3, 4, 5),
    }
    # The format allows neither holes nor overlaps.
    spans = sorted(tuple(entry["data_offsets"]) for entry in header.values())
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(buffer)
    # And who maps the file into memory finds each array at a multiple of its numbers' size.
    assert all(e["data_offsets"][0] % arrays[n].itemsize == 0 for n, e in header.items())
    # The checksum as files that exist already have it: texts, then array by array.
    del metadata["sha256"]
    total = json.dumps(metadata).encode()
    for name in sorted(described):
        total += json.dumps([name, *described[name]]).encode() + stored[name]
    assert checksum == hashlib.sha256(total).hexdigest()


@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16"),
        *("uint32", "int32", "float32", "uint64", "int64", "float64"),
    ],
)
def test_every_dtype_comes_back(tmp_path: Path, dtype: str) -> None:
    """All bits, including those of NaN."""
    bits = np.random.default_rng(3).integers(0, 256, (5, 16)).astype(np.uint8)
    array = (bits % 2 if dtype == "bool" else bits).view(jnp.dtype(dtype))
    sealed.write(tmp_path / "file", {"x": array, "odd": bits[:1, :3]}, {})
    arrays, texts = sealed.read(tmp_path / "file")
    assert texts == {}
    assert arrays["x"].dtype == array.dtype
    assert arrays["x"].shape == array.shape
    assert arrays["x"].tobytes() == array.tobytes()
    np.testing.assert_array_equal(arrays["odd"], bits[:1, :3])


def test_texts_come_back(tmp_path: Path) -> None:
    """In any order in which the writer stores them."""
    texts = {name: f'{{"Öl \\ \x00\u2028": "{name}"}}' for name in "hgfedcba"} | {"none": ""}
    sealed.write(tmp_path / "file", {}, texts)
    assert sealed.read(tmp_path / "file") == ({}, texts)


@pytest.mark.parametrize("dtype", ["complex64", ">f4", "float8_e4m3fn", "S3"])
def test_other_dtypes_are_refused(tmp_path: Path, dtype: str) -> None:
    array = np.zeros(2, jnp.dtype(dtype))
    message = f"x: got {array.dtype}; accepted: bool, uint8, int8, uint16, "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        sealed.write(tmp_path / "file", {"x": array}, {})
    assert list(tmp_path.iterdir()) == []


# --- what is changed, or of another program -------------------------------------------------------

ARRAYS = {
    "a": np.array([[1, -2, 3], [4, 5, 6]], np.int16),
    "c": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "one": np.array(0.1),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    sealed.write(tmp_path / "file", ARRAYS, {"meta": '{"step": 1}', "step": "1"})
    return tmp_path / "file"


@pytest.mark.parametrize("bit", [0b1, 0b100000])
def test_each_byte_counts(file: Path, bit: int) -> None:
    """Also if a digit changes by one, or a letter changes its case."""
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= bit
        file.write_bytes(changed)
        with pytest.raises(DamagedError):
            sealed.read(file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"dtype":"I16"', b'"dtype":"U16"'),
        (b'"shape":[2,3]', b'"shape":[3,2]'),
        (b'"shape":[0,3]', b'"shape":[0,4]'),
        (b'"a":{', b'"b":{'),
        (b'"step":"1"', b'"stop":"1"'),
        (b'"step":"1"', b'"step":"2"'),
        (struct.pack("<6h", 1, -2, 3, 4, 5, 6), struct.pack("<6h", 4, 5, 6, 1, -2, 3)),
    ],
)
def test_a_file_of_other_contents_is_found(file: Path, old: bytes, new: bytes) -> None:
    """Although the file is valid in the format."""
    data = file.read_bytes()
    assert data.count(old) == 1
    file.write_bytes(data.replace(old, new))
    with pytest.raises(DamagedError, match=r"^it does not match its checksum$"):
        sealed.read(file)


# A file by hand that the format allows: one byte, and a checksum that is none.
FOREIGN = '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"sha256":""}}'
NINES = "9" * 5000
DEEP = "[" * 100_000 + "]" * 100_000


def refusal(tmp_path: Path, old: str, new: str) -> str:
    """The error for FOREIGN with `old` replaced by `new` in its header."""
    assert FOREIGN.count(old) == 1
    header = FOREIGN.replace(old, new).encode()
    (tmp_path / "file").write_bytes(struct.pack("<Q", len(header)) + header + b"x")
    with pytest.raises(DamagedError) as caught:
        sealed.read(tmp_path / "file")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("U8", "U8"),
        ("U8", "F8_E4M3"),
        ("[1]", str([1] * 100)),
        ('"x":', '"y":{"dtype":"U8","shape":[18446744073709551615,0],"data_offsets":[0,0]},"x":'),
    ],
)
def test_a_file_of_another_program_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """Before NumPy gets a dtype that it does not support."""
    assert refusal(tmp_path, old, new) == "it does not match its checksum"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (',"__metadata__":{"sha256":""}', ""),
        ('{"sha256":""}', "null"),
        ('{"sha256":""}', "{}"),
        ('"sha256":""', '"sha256":5'),
        ('"sha256":""', r'"sha256":"\ud800"'),
        ("U8", "X8"),
        ("[0,1]", "[0,2]"),
        ("[0,1]", "[1,2]"),
        ("[0,1]", "[1,0]"),
        ("[1]", "[2]"),
        ("[1]", "[-1]"),
        ("[1]", "[4294967296,4294967296,1]"),
        ("[1]", f"[{NINES}]"),
        ("[1]", DEEP),
        ("[1]", f'[1],"more":{NINES}'),
        ("[1]", f'[1],"more":{DEEP}'),
        ('"x":', '"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":'),
    ],
    ids=lambda text: text[:30],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert refusal(tmp_path, old, new) == "its header cannot be read"
