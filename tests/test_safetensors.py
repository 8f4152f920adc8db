"""The safetensors format, byte by byte as its description has it."""

import json
import struct
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jcnn import safetensors
from jcnn.safetensors import DamagedError


def test_a_file_is_what_the_format_says(tmp_path: Path) -> None:
    """Read with `struct` alone: length, header, then the arrays' bytes and no more."""
    matrix = np.array([[1.5, -2.0, 3.25]], np.float32)
    arrays = {
        "b.flag": np.array([True, False, True]),
        "a.matrix": matrix,
        "half": np.asarray(jnp.array([3.140625, -1.0], jnp.bfloat16)),
        "count": np.array(7, np.int64),
        "none": np.zeros((0, 3), np.uint8),
        "turned": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    }
    safetensors.write(tmp_path / "file", arrays, {"name": "Öl"})
    data = (tmp_path / "file").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size].decode("utf-8"))
    metadata = header.pop("__metadata__")
    assert metadata["name"] == "Öl"
    assert set(metadata) == {"name", "sha256"}
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


@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "uint8", "int8", "uint16", "int16", "float16", "bfloat16"),
        *("uint32", "int32", "float32", "uint64", "int64", "float64"),
    ],
)
def test_every_dtype_comes_back(tmp_path: Path, dtype: str) -> None:
    """All bits of it, those of NaNs too."""
    bits = np.random.default_rng(3).integers(0, 256, (5, 16)).astype(np.uint8)
    array = (bits % 2 if dtype == "bool" else bits).view(jnp.dtype(dtype))
    safetensors.write(tmp_path / "file", {"x": array, "odd": bits[:1, :3]}, {})
    arrays, texts = safetensors.read(tmp_path / "file")
    assert texts == {}
    assert arrays["x"].dtype == array.dtype
    assert arrays["x"].shape == array.shape
    assert arrays["x"].tobytes() == array.tobytes()
    np.testing.assert_array_equal(arrays["odd"], bits[:1, :3])


def test_other_dtypes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^x: got complex64; accepted: bool, uint8, int8, uint16"):
        safetensors.write(tmp_path / "file", {"x": np.zeros(2, np.complex64)}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    """As another program writes it."""
    header = json.dumps({"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "file").write_bytes(struct.pack("<Q", len(header)) + header + b"x")
    with pytest.raises(DamagedError, match=r"^its header cannot be read$"):
        safetensors.read(tmp_path / "file")
