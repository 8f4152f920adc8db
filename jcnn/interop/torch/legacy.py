"""Reads PyTorch's checkpoints, as `torch.save` wrote them before PyTorch 1.6.

The pretrained EfficientNet-Lite0 has this format. One file holds, one after the other:

- pickles of a magic number, the protocol version 1001 and the machine's byte order;
- a pickle, whose tensors name their storages;
- a pickle of the list of the storages' keys;
- for each storage in that order, its number of elements as int64, and the elements.

There is no checksum.

Reference: PyTorch, `torch/serialization.py`, `_legacy_save`.
"""

from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data import Notify
from jcnn.data.events import silent
from jcnn.interop.torch.pickle import MAX_PICKLE_BYTES, Storage, interpret
from jcnn.interop.torch.state import Array, arrays, dtype_of, state_dict
from jcnn.interop.torch.zip import LEGACY_START
from jcnn.system.formats import check_file, shown

_PROTOCOL = 1001


def read_torch_legacy(path: str | Path, notify: Notify = silent) -> dict[str, Array]:
    """Read the tensors of an old PyTorch checkpoint; nothing in the file is executed.

    As `read_torch`, for a file of PyTorch before 1.6.

    Args:
        path: a file of `torch.save`.
        notify: called with a note where names were changed.

    Returns:
        As `read_torch`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not such a checkpoint, contains anything but tensors and plain
            values, or is damaged. The message is one line that names the file.
    """
    path = Path(path)
    where = shown(path)
    check_file(path, "a PyTorch checkpoint")
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(min(size, 2 * MAX_PICKLE_BYTES))
        if not head.startswith(LEGACY_START):
            raise ValueError(f"{where}: not a checkpoint of PyTorch before 1.6; try read_torch")
        protocol = interpret(head, where, len(LEGACY_START))
        if protocol.value != _PROTOCOL:
            raise ValueError(f"{where}: not protocol {_PROTOCOL} of PyTorch's old format")
        machine = interpret(head, where, protocol.end)
        if not isinstance(machine.value, dict) or machine.value.get("little_endian") is not True:
            raise ValueError(f"{where}: not little-endian; accepted: little-endian numbers")
        content = interpret(head, where, machine.end)
        keys = interpret(head, where, content.end)
        places, end = _places(keys.value, content.storages, keys.end, where)
        if end != size:
            raise ValueError(f"{where}: has {size} bytes; its storages end at {end}")
        tensors = state_dict(content.value, where, notify)
        return arrays(tensors, lambda storage: _load(stream, storage, places, where), where, size)


def _places(
    keys: object, storages: dict[str, Storage], start: int, where: str
) -> tuple[dict[str, int], int]:
    """The offset of every storage by its key, and the offset after the last one."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"{where}: has no list of its storages")
    if len(keys) != len(storages) or set(keys) != set(storages):
        raise ValueError(f"{where}: lists {len(keys)} storages; its tensors name other ones")
    places: dict[str, int] = {}
    for key in keys:
        places[key] = start
        start += 8 + _bytes(storages[key])
    return places, start


def _bytes(storage: Storage) -> int:
    return storage.elements * dtype_of(storage).itemsize


def _load(
    stream: BufferedReader, storage: Storage, places: dict[str, int], where: str
) -> npt.NDArray[np.uint8]:
    """Read a storage, whose end has been compared with the size of the file."""
    stream.seek(places[storage.key])
    elements = int.from_bytes(stream.read(8), "little", signed=True)
    if elements != storage.elements:
        raise ValueError(
            f"{where}: storage {storage.key[:80]!r} has {elements} elements; expected "
            f"{storage.elements}"
        )
    numbers = np.empty(_bytes(storage), np.uint8)
    if stream.readinto(numbers.data) != len(numbers):
        raise ValueError(f"{where}: storage {storage.key[:80]!r} ends too early")
    return numbers
