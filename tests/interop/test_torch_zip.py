"""The reader of PyTorch's zip format: right arrays, or one line that says why not."""

import collections
import os
import pickle
import random
import re
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.data import Note
from jcnn.interop.torch.pickle import MAX_PICKLE_BYTES
from jcnn.interop.torch.zip import read_torch
from tests.interop.torch_files import (
    DTYPES,
    FakeParameter,
    FakeStorage,
    FakeTensor,
    dense,
    members_of,
    pickled,
    save,
    save_legacy,
    stand_in,
    write_zip,
)

RANDOM = np.random.default_rng()


def numbers(dtype: Any, *shape: int) -> npt.NDArray[Any]:
    if dtype is np.bool_:
        return RANDOM.integers(0, 2, shape).astype(np.bool_)
    raw = RANDOM.integers(0, 120, (*shape, np.dtype(dtype).itemsize), np.uint8)
    return np.asarray(raw.view(dtype)[..., 0])


def gathered(tensor: FakeTensor) -> npt.NDArray[Any]:
    """The elements by their definition, one by one."""
    flat, result = tensor.storage.numbers, np.empty(tensor.size, tensor.storage.numbers.dtype)
    for index in np.ndindex(tensor.size):
        place = sum(i * s for i, s in zip(index, tensor.stride, strict=True))
        result[index] = flat[tensor.offset + place]
    return result


def refused(path: Path, message: str) -> None:
    """The whole message, after the name of the file."""
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_torch(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 1, 4), (3, 0, 2)])
def test_every_dtype_and_shape(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    value = numbers(DTYPES[kind], *shape)
    (read,) = read_torch(save(tmp_path / "a.pth", {"a": dense(value)})).values()
    assert (read.shape, read.dtype) == (shape, value.dtype)
    assert read.tobytes() == value.tobytes()
    assert not read.flags.writeable


@st.composite
def strided(draw: st.DrawFn) -> dict[str, FakeTensor]:
    """Tensors of any strides that share storages."""
    storages = [
        FakeStorage(str(key), numbers(draw(st.sampled_from([*DTYPES.values()])), 60))
        for key in range(draw(st.integers(1, 3)))
    ]
    tensors = {}
    for i in range(draw(st.integers(1, 5))):
        size = draw(st.lists(st.integers(0, 4), max_size=3).map(tuple))
        stride = tuple(draw(st.integers(0, 5)) for _ in size)
        last = sum(max(n - 1, 0) * s for n, s in zip(size, stride, strict=True))
        offset = draw(st.integers(0, 59 - last))
        storage = draw(st.sampled_from(storages))
        tensors[f"layer.{i}.é"] = FakeTensor(storage, size, stride, offset)
    return tensors


@given(strided())
def test_strides_and_shared_storages(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, FakeTensor]
) -> None:
    path = save(tmp_path_factory.getbasetemp() / "strided.pth", tensors)
    read = read_torch(path)
    assert list(read) == list(tensors)
    for name, tensor in tensors.items():
        assert read[name].tobytes() == gathered(tensor).tobytes()
        assert (read[name].shape, read[name].dtype) == (tensor.size, tensor.storage.numbers.dtype)


def test_the_stride_of_an_axis_of_one_has_no_meaning(tmp_path: Path) -> None:
    storage = FakeStorage("0", numbers(np.float32, 6))
    tensor = FakeTensor(storage, (1, 3, 1, 2), (10**40, 1, 10**40, 3))
    (read,) = read_torch(save(tmp_path / "a.pth", {"a": tensor})).values()
    np.testing.assert_array_equal(read, storage.numbers.reshape(1, 2, 1, 3).transpose(0, 3, 2, 1))


def test_tied_weights_share_memory(tmp_path: Path) -> None:
    tensor = dense(numbers(np.float32, 100, 100))
    read = read_torch(save(tmp_path / "a.pth", {str(i): tensor for i in range(1000)}))
    assert len(read) == 1000
    assert np.shares_memory(read["0"], read["999"])


@pytest.mark.parametrize("place", ["state_dict", "model"])
def test_a_training_checkpoint(tmp_path: Path, place: str) -> None:
    value = numbers(np.float32, 2, 3)
    parameter = FakeParameter(dense(value))
    names = collections.OrderedDict({"a": parameter, "b": dense(value.T.copy(), "1")})
    vars(names)["_metadata"] = collections.OrderedDict({"": {"version": 1}})
    optimizer = {"state": {0: {"step": 3, "m": dense(value, "2")}}, "lr": [0.1, -1, 2**40, 300]}
    content = {"epoch": 3, "name": "x", "best": None, place: names, "o": optimizer, "t": (True,)}
    read = read_torch(save(tmp_path / "a.pth", content))
    np.testing.assert_array_equal(read["a"], value)
    np.testing.assert_array_equal(read["b"], value.T)
    assert len(read) == 2


def test_the_prefix_of_data_parallel_is_removed_with_a_note(tmp_path: Path) -> None:
    notes: list[object] = []
    tensor = dense(numbers(np.float32, 2))
    path = save(tmp_path / "a.pth", {"module.a": tensor, "module.module.b": tensor})
    assert list(read_torch(path, notes.append)) == ["a", "module.b"]
    assert notes == [Note(f"{path}: the prefix 'module.' was removed from all names")]
    path = save(tmp_path / "b.pth", {"module.a": tensor, "b": tensor})
    assert list(read_torch(path, notes.append)) == ["module.a", "b"]
    assert len(notes) == 1


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "torch.FloatTensor", "torch._C.f"])
def test_no_other_name_is_accepted(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    raw = b"\x80\x02c%b\n%b\nX\x02\x00\x00\x00ls\x85R." % (module.encode(), function.encode())
    path = write_zip(tmp_path / "a.pth", {"data.pkl": raw})
    refused(path, f"contains {name}, which is not a tensor; accepted: a state_dict")


def test_a_whole_model_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("torchvision_models")
    kind = stand_in("torchvision_models", "ResNet")
    monkeypatch.setitem(sys.modules, "torchvision_models", module)
    vars(module)["ResNet"] = kind
    path = save(tmp_path / "a.pth", {"model": kind()})
    refused(
        path, "contains torchvision_models.ResNet, which is not a tensor; accepted: a state_dict"
    )


PROGRAMS = {
    b"\x80\x04N.": "contains pickle protocol 4, not 2",
    b"\x80\x02\x8c\x02os\x8c\x06system\x93.": "contains the pickle opcode SHORT_BINUNICODE",
    b"\x80\x02(ios\nsystem\n.": "contains the pickle opcode INST",
    b"\x80\x02}N\x81.": "contains the pickle opcode NEWOBJ",
    b"\x80\x02\x82\x01.": "contains the pickle opcode EXT1",
    b"\x80\x02P0\n.": "contains the pickle opcode PERSID",
    b"\x80\x02I3\n.": "contains the pickle opcode INT",
    b"\x80\x02}}Ns.": "contains a dict key of type dict",
    b"\x80\x02})\x85Ns.": "contains a dict key of type tuple",
    b"\x80\x02}\x8a\x08" + b"\x7f" * 8 + b"Ns.": "contains a dict key of type int",
    b"\x80\x02}\x88Ns.": "contains a dict key of type bool",
    b"\x80\x02]}b.": "contains attributes of an object",
    b"\x80\x02c\x1bos\nx\n.": r"contains '\x1bos.x'",
    b"": "damaged pickle at byte 0 (it ends too early)",
    b"\x80\x02": "damaged pickle at byte 2 (it ends too early)",
    b"\x80\x02X\xff\xff\xff\xffa": "damaged pickle at byte 7 (it ends too early)",
    b"\x80\x02X\x01\x00\x00\x00\xff.": "damaged pickle at byte 8 (text that is not UTF-8)",
    b"\x80\x02.": "damaged pickle at byte 3 (the stack is empty)",
    b"\x80\x02(.": "damaged pickle at byte 4 (a mark in place of a value)",
    b"\x80\x02NN.": "damaged pickle at byte 5 (values are left over)",
    b"\x80\x02Nt.": "damaged pickle at byte 4 (no mark)",
    b"\x80\x02h\x07.": "damaged pickle at byte 4 (nothing is stored at 7)",
    b"\x80\x02NNa.": "damaged pickle at byte 5 (no list to append to)",
    b"\x80\x02NNNs.": "damaged pickle at byte 6 (no dict to put pairs into)",
    b"\x80\x02}(Nu.": "damaged pickle at byte 6 (no dict to put pairs into)",
    b"\x80\x02NNR.": "damaged pickle at byte 5 (a call without function or arguments)",
    b"\x80\x02ccollections\nOrderedDict\nN\x85R.": "damaged pickle at byte 30 (OrderedDict with",
    b"\x80\x02NQ.": "damaged pickle at byte 4 (an id that is not of a storage)",
    b"\x80\x02\xfe.": r"damaged pickle at byte 3 (no opcode b'\xfe')",
    b"\x80\x02c" + b"x" * 2000: "damaged pickle at byte 3 (a name without an end)",
    b"\x80\x02]q\x00h\x00a.": "got a list; accepted: a state_dict, alone or in a dict",
    b"\x80\x02}.": "got an empty dict; accepted: a state_dict",
    b"\x80\x02}X\x01\x00\x00\x00aK\x01s.": "contains 'a' of type int, which is not a tensor",
    b"\x80\x02}K\x01K\x01s.": "contains 1 of type int, which is not a tensor",
    b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.": "contains 'model' of type dict",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_other_program_is_accepted(tmp_path: Path, program: bytes) -> None:
    path = write_zip(tmp_path / "a.pth", {"data.pkl": program})
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {PROGRAMS[program]}')}") as caught:
        read_torch(path)
    assert str(caught.value).isprintable()


def bad_tensors() -> dict[str, tuple[FakeTensor | FakeParameter, str]]:
    good = FakeStorage("0", np.arange(6, dtype=np.float32))
    ends = "tensor 'a': ends at element {} of storage '0', which has 6"
    whole = "damaged pickle at byte .*(a {} that is not a whole number >= 0)"
    many = (1,) * 65
    return {
        "too long": (FakeTensor(good, (7,), (1,)), ends.format(7)),
        "too far": (FakeTensor(good, (2, 3), (3, 1), 1), ends.format(7)),
        "wide stride": (FakeTensor(good, (2, 2), (5, 1)), ends.format(7)),
        "vast": (FakeTensor(good, (2**40,), (2**40,)), ends.format((2**40 - 1) * 2**40 + 1)),
        "empty but outside": (FakeTensor(good, (0,), (1,), 7), ends.format(7)),
        "repeated": (FakeTensor(good, (10**9,), (0,)), "its strided tensors have 4000000000 bytes"),
        "beyond NumPy": (FakeTensor(good, (2**60, 0), (1, 1)), "tensor 'a': got shape (1152921504"),
        "many axes": (
            FakeTensor(good, many, many),
            "tensor 'a': got 65 axes; accepted: at most 64",
        ),
        "negative offset": (FakeTensor(good, (1,), (1,), -1), whole.format("offset")),
        "negative size": (FakeTensor(good, (-1,), (1,)), whole.format("size")),
        "negative stride": (FakeTensor(good, (2,), (-1,), 3), whole.format("stride")),
        "float size": (FakeTensor(good, (2.0,), (1,)), whole.format("size")),
        "bool size": (FakeTensor(good, (True,), (1,)), whole.format("size")),
        "ranks": (FakeTensor(good, (1, 1), (1,)), "damaged pickle at byte .*(a tensor of 2 sizes"),
        "arguments": (
            FakeTensor(good, (1,), (1,), more=()),
            "damaged pickle at byte .*(a tensor of 4 arguments)",
        ),
        "bytes": (
            FakeTensor(FakeStorage("0", np.zeros(6, np.float32), 7), (7,), (1,)),
            "storage '0' has 24 bytes; expected 28",
        ),
        "another type": (
            FakeTensor(FakeStorage("0", np.zeros(6, np.float32), kind="HalfStorage"), (6,), (1,)),
            "storage '0' has 24 bytes; expected 12",
        ),
        "bool": (
            FakeTensor(FakeStorage("0", np.full(3, 2, np.uint8), kind="BoolStorage"), (3,), (1,)),
            "storage '0' has a bool that is not 0 or 1",
        ),
    }


@pytest.mark.parametrize("name", bad_tensors())
def test_a_tensor_lies_in_its_storage(tmp_path: Path, name: str) -> None:
    tensor, message = bad_tensors()[name]
    expected = ".*".join(re.escape(part) for part in message.split(".*"))
    path = save(tmp_path / "a.pth", {"a": tensor})
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {expected}"):
        read_torch(path)


def test_two_sizes_of_one_storage(tmp_path: Path) -> None:
    one = FakeStorage("0", np.zeros(4, np.float32))
    other = FakeStorage("0", np.zeros(4, np.float32), 2)
    path = save(tmp_path / "a.pth", {"a": FakeTensor(one, (4,), (1,)), "b": dense(other.numbers)})
    assert read_torch(path)["b"].shape == (4,)
    content = {"a": FakeTensor(one, (4,), (1,)), "b": FakeTensor(other, (2,), (1,))}
    with pytest.raises(ValueError, match="two sizes or types of storage '0'"):
        read_torch(save(path, content))


def test_two_state_dicts(tmp_path: Path) -> None:
    inside = {"a": dense(np.zeros(2, np.float32))}
    path = save(tmp_path / "a.pth", {"state_dict": inside, "model": inside})
    refused(path, "got state_dict and model; accepted: one of them")


def test_archives_that_are_refused(tmp_path: Path) -> None:
    members = members_of({"a": dense(np.zeros(200, np.float32))})
    path = tmp_path / "a.pth"
    write_zip(path, members, method=zipfile.ZIP_DEFLATED)
    refused(path, "member 'archive/data.pkl' is compressed; accepted: stored ones")
    write_zip(path, members | {"byteorder": b"big"})
    refused(path, "got byte order b'big'; accepted: b'little'")
    write_zip(path, {k: v for k, v in members.items() if k != "data/0"})
    refused(path, "has no storage '0'")
    write_zip(path, {k: v for k, v in members.items() if k != "data.pkl"})
    refused(path, "has no data.pkl; accepted: a PyTorch checkpoint")
    write_zip(path, members | {"../x": b""})
    refused(path, "got a member 'archive/../x'; accepted: FOLDER/NAME")
    write_zip(path, members, folder="/")
    refused(path, "got a member '/data.pkl'; accepted: FOLDER/NAME")
    write_zip(path, members, folder="")
    refused(path, "got a member 'data.pkl'; accepted: FOLDER/NAME")
    write_zip(path, members | {"data.pkl": bytes(MAX_PICKLE_BYTES + 1)})
    refused(path, f"member 'archive/data.pkl' has 8388609 bytes; accepted: at most {8 * 2**20}")
    write_zip(path, members | {"constants.pkl": b""})
    with pytest.raises(ValueError, match="is a TorchScript program, which is not read; accepted"):
        read_torch(path)
    write_zip(path, {k: v for k, v in members.items() if k != "byteorder"})
    assert read_torch(path)["a"].shape == (200,)  # as before PyTorch 2.1


def test_a_member_is_there_once(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"a": dense(np.zeros(2, np.float32))})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("archive/data/0", bytes(8))
    refused(path, "got member 'archive/data/0' twice; accepted: once")
    path = save(path, {"a": dense(np.zeros(2, np.float32))})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/x", b"")
    refused(path, "got 2 folders; accepted: one, of a checkpoint")


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"a": dense(np.zeros(2000, np.float32))})
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    entry = raw[start:].split(b"PK\x01\x02")[3]
    copies = b"".join(b"PK\x01\x02" + entry.replace(b"data/0", b"data/%d" % i) for i in range(1, 9))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 13, 13, 0, start, 0)
    directory = raw[start : raw.rindex(b"PK\x05\x06")] + copies
    end = end[:12] + struct.pack("<2L", len(directory), start) + end[20:]
    path.write_bytes(raw[:start] + directory + end)
    with pytest.raises(ValueError, match=r": its members have \d+ bytes, the file \d+$"):
        read_torch(path)


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = save_legacy(tmp_path / "a.pth", {"a": dense(np.zeros(2, np.float32))})
    with pytest.raises(ValueError, match=r": has the format of PyTorch before 1\.6; accepted: the"):
        read_torch(path)
    path.write_bytes(b"")
    refused(path, "not a PyTorch checkpoint, or damaged (File is not a zip file)")
    path.write_bytes(pickle.dumps({"a": 1}))
    refused(path, "not a PyTorch checkpoint, or damaged (File is not a zip file)")
    with pytest.raises(FileNotFoundError, match="missing: no such file"):
        read_torch(tmp_path / "missing")
    refused(tmp_path, "not a file; accepted: a PyTorch checkpoint")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a file; accepted: a PyTorch checkpoint")


def test_memory_is_the_tensors_and_a_constant(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"a": dense(np.zeros(2_000_000, np.float32))})
    tracemalloc.start()
    try:
        read = read_torch(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < read["a"].nbytes + 3 * 2**20


def sample() -> dict[str, object]:
    shared = FakeStorage("0", numbers(np.float32, 40))
    return {
        "epoch": 7,
        "state_dict": collections.OrderedDict(
            {
                "conv.weight": FakeTensor(shared, (2, 3, 2), (1, 2, 6), 3),
                "conv.bias": FakeTensor(shared, (4,), (1,), 36),
                "steps": dense(numbers(np.int64), "1"),
                "mask": FakeParameter(dense(numbers(np.bool_, 3, 3), "2")),
            }
        ),
    }


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, repeated, removed or cut off."""
    data = bytearray(raw)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place = chance.randrange(len(data) or 1)
        length = chance.choice([1, 2, 4, 9])
        match chance.randrange(5):
            case 0:
                data[place : place + length] = chance.randbytes(length)
            case 1:
                data[place:place] = data[max(0, place - length) : place]
            case 2:
                del data[place : place + length]
            case 3:
                data[place : place + 1] = bytes([chance.choice([0, 1, 127, 128, 255])])
            case _:
                del data[chance.randrange(len(data) * 9 // 10, len(data) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("count", [pytest.param(200), pytest.param(1000, marks=pytest.mark.slow)])
def test_a_damaged_file_is_refused_or_read_right(tmp_path: Path, count: int) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    path = tmp_path / "a.pth"
    content = sample()
    raw = save(path, content).read_bytes()
    right = {k: v.tobytes() for k, v in read_torch(path).items()}
    members, program, read_count = members_of(content), pickled(content), 0
    tracemalloc.start()
    try:
        for number in range(count):
            if whole := number % 2 == 0:
                path.write_bytes(mutated(raw, chance))
            else:
                write_zip(path, members | {"data.pkl": mutated(program, chance)})
            size = path.stat().st_size
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            try:
                read = read_torch(path)
            except ValueError as error:
                text = str(error)
                assert text.startswith(f"{path}: "), f"seed {seed}, file {number}"
                assert text.isprintable(), f"seed {seed}, file {number}"
            else:
                read_count += 1
                found = {k: v.tobytes() for k, v in read.items()}
                # Every member has a CRC-32, which the mutated pickles got anew.
                assert not whole or found == right, f"seed {seed}, file {number}"
                assert sum(map(len, found.values())) <= 4 * size, f"seed {seed}, file {number}"
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 4 * 2**20, f"seed {seed}, file {number}"
    finally:
        tracemalloc.stop()
    assert 0 < read_count < count
