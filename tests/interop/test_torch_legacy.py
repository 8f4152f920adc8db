"""The reader of PyTorch's format before 1.6."""

import pickle
import random
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from jcnn.interop.torch.legacy import read_torch_legacy
from jcnn.interop.torch.zip import read_torch
from tests.interop.test_torch_zip import mutated, sample
from tests.interop.torch_files import (
    FakeStorage,
    FakeTensor,
    dense,
    pickled,
    save,
    save_legacy,
)

START = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001))
LITTLE = pickle.dumps({"little_endian": True}, 2)


def refused(path: Path, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}"):
        read_torch_legacy(path)


def test_both_formats_hold_the_same(tmp_path: Path) -> None:
    content = sample()
    expected = read_torch(save(tmp_path / "zip.pth", content))
    read = read_torch_legacy(save_legacy(tmp_path / "old.pth", content))
    assert list(read) == list(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(read[name], value, strict=True)


def test_what_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"a": dense(np.zeros(3, np.float32))})
    refused(path, "not a checkpoint of PyTorch before 1.6; try read_torch")
    raw = save_legacy(path, {"a": dense(np.arange(3, dtype=np.float32))}).read_bytes()
    np.testing.assert_array_equal(read_torch_legacy(path)["a"], [0, 1, 2])
    path.write_bytes(raw[:-1])
    refused(path, f"has {len(raw) - 1} bytes; its storages end at {len(raw)}")
    path.write_bytes(raw + b"\0")
    refused(path, f"has {len(raw) + 1} bytes; its storages end at {len(raw)}")
    path.write_bytes(raw[:-20] + b"\4" + raw[-19:])
    refused(path, "storage '0' has 4 elements; expected 3")
    path.write_bytes(raw.replace(b"little_endianq\x02\x88", b"little_endianq\x02\x89"))
    refused(path, "not little-endian; accepted: little-endian numbers")
    path.write_bytes(raw.replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2)))
    refused(path, "not protocol 1001 of PyTorch's old format")
    empty = FakeTensor(FakeStorage("0", np.zeros(0, np.float32), 2**62), (2**62,), (1,))
    save_legacy(path, {"a": empty})
    refused(path, f"has {path.stat().st_size} bytes; its storages end at 1844674407370955")
    path.write_bytes(START + LITTLE + pickle.dumps(print, 2))
    refused(path, "contains __builtin__.print, which is not a tensor; accepted: a state_dict")
    content = pickled({"a": dense(np.zeros(2, np.float32))}, legacy=True)
    path.write_bytes(START + LITTLE + content + pickle.dumps(None, 2))
    refused(path, "has no list of its storages")
    path.write_bytes(START + LITTLE + content + pickle.dumps(["0", "0"], 2))
    refused(path, "lists 2 storages; its tensors name other ones")
    with pytest.raises(FileNotFoundError, match="missing: no such file"):
        read_torch_legacy(tmp_path / "missing")


@pytest.mark.parametrize("count", [pytest.param(100), pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, count: int) -> None:
    """Without a checksum, changed numbers cannot be seen; names and shapes stay in bounds."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    path = tmp_path / "a.pth"
    raw = save_legacy(path, sample()).read_bytes()
    read_count = 0
    tracemalloc.start()
    try:
        for number in range(count):
            path.write_bytes(mutated(raw, chance))
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            try:
                read = read_torch_legacy(path)
            except ValueError as error:
                assert str(error).startswith(f"{path}: "), f"seed {seed}, file {number}"
                assert str(error).isprintable(), f"seed {seed}, file {number}"
            else:
                read_count += 1
                total = sum(value.nbytes for value in read.values())
                assert total <= 4 * path.stat().st_size, f"seed {seed}, file {number}"
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 4 * 2**20, f"seed {seed}, file {number}"
    finally:
        tracemalloc.stop()
    assert 0 < read_count < count
