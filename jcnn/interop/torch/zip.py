"""Reads PyTorch's checkpoints, as `torch.save` writes them since PyTorch 1.6: a zip archive.

The archive NAME.zip holds, under one folder:

- `data.pkl`: a pickle, whose tensors name their storages;
- `data/KEY`: the numbers of the storage KEY, not compressed;
- `byteorder`: "little" or "big"; older files have none and are little-endian.

Reference: PyTorch, "Serialization semantics".
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from jcnn.data import Notify
from jcnn.data.events import silent
from jcnn.interop.torch.pickle import MAX_PICKLE_BYTES, Storage, Tensor, interpret
from jcnn.interop.torch.state import Array, arrays, dtype_of, state_dict
from jcnn.system.formats import check_file, shown

# Before the zip format, a file began with this number as a pickle.
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

_CHUNK = 2**20
_PICKLE = "data.pkl"


def read_torch(path: str | Path, notify: Notify = silent) -> dict[str, Array]:
    """Read the tensors of a PyTorch checkpoint; nothing in the file is executed.

    Accepted are a state_dict, or a dict that holds one as "state_dict" or "model"; what is next
    to it is ignored. The prefix "module." is removed where all names have it.

    Memory is that of the tensors, of one storage more, and a constant.

    Args:
        path: a file of `torch.save`, of PyTorch 1.6 or newer.
        notify: called with a note where names were changed.

    Returns:
        Read-only arrays by name, in the order of the file. bfloat16 is `ml_dtypes.bfloat16`.
        Tied weights share memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not such a checkpoint, contains anything but tensors and plain
            values, or is damaged. The message is one line that names the file.
    """
    path = Path(path)
    with _opened(path) as archive:
        return _read(archive, path.stat().st_size, shown(path), notify)


def torch_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """The shape and dtype of each tensor of a PyTorch checkpoint, whose numbers are not read.

    Raises:
        FileNotFoundError, ValueError: as for `read_torch`.
    """
    with _opened(path) as archive:
        tensors, _ = _tensors(archive, path.stat().st_size, shown(path), silent)
    return {
        name: (tuple(tensor.size), str(dtype_of(tensor.storage)))
        for name, tensor in tensors.items()
    }


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    where = shown(path)
    check_file(path, "a PyTorch checkpoint")
    with path.open("rb") as stream:
        if stream.read(len(LEGACY_START)) == LEGACY_START:
            raise ValueError(
                f"{where}: has the format of PyTorch before 1.6; accepted: the zip format, which "
                f"torch.save(torch.load(FILE, weights_only=True), NEW_FILE) of a newer one writes"
            )
    with _damage(where):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


@contextmanager
def _damage(where: str) -> Iterator[None]:
    """Make every error that zipfile raises for a damaged archive a ValueError of one line."""
    try:
        yield
    # RuntimeError: encrypted, or of a newer version. ValueError: a name that is not UTF-8, or a
    # negative position. OverflowError: a position beyond 2**63.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        RuntimeError,
        ValueError,
        OverflowError,
        OSError,
    ) as error:
        reason = str(error) or type(error).__name__
        reason = reason if reason.isprintable() else repr(reason)
        raise ValueError(f"{where}: not a PyTorch checkpoint, or damaged ({reason})") from error


def _tensors(
    archive: zipfile.ZipFile, size: int, where: str, notify: Notify
) -> tuple[dict[str, Tensor], dict[str, zipfile.ZipInfo]]:
    """The tensors by name, and the members of the archive."""
    members = _members(archive, size, where)
    order = members.get("byteorder")
    if order is not None and (found := _bytes(archive, order, 16, where)) != b"little":
        raise ValueError(f"{where}: got byte order {found!r}; accepted: b'little'")
    if _PICKLE not in members:
        raise ValueError(f"{where}: has no {_PICKLE}; accepted: a PyTorch checkpoint")
    if "constants.pkl" in members:
        raise ValueError(
            f"{where}: is a TorchScript program, which is not read; accepted: a state_dict, which "
            f"torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE) writes"
        )
    pickled = _bytes(archive, members[_PICKLE], MAX_PICKLE_BYTES, where)
    return state_dict(interpret(pickled, where).value, where, notify), members


def _read(archive: zipfile.ZipFile, size: int, where: str, notify: Notify) -> dict[str, Array]:
    tensors, members = _tensors(archive, size, where, notify)

    def load(storage: Storage) -> npt.NDArray[np.uint8]:
        expected = storage.elements * dtype_of(storage).itemsize
        member = members.get(f"data/{storage.key}")
        if member is None:
            raise ValueError(f"{where}: has no storage {storage.key[:80]!r}")
        if member.file_size != expected:
            raise ValueError(
                f"{where}: storage {storage.key[:80]!r} has {member.file_size} bytes; expected "
                f"{expected}"
            )
        return _numbers(archive, member, where)

    return arrays(tensors, load, where, size)


def _members(archive: zipfile.ZipFile, size: int, where: str) -> dict[str, zipfile.ZipInfo]:
    """The members by their name in the one folder; all checks that need no content."""
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in archive.infolist():
        name = info.orig_filename
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or len(path.parts) < 2:
            raise ValueError(f"{where}: got a member {name[:80]!r}; accepted: FOLDER/NAME")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"{where}: member {name[:80]!r} is compressed; accepted: stored ones")
        inside = name.partition("/")[2]
        if inside in members:
            raise ValueError(f"{where}: got member {name[:80]!r} twice; accepted: once")
        members[inside] = info
        folders.add(path.parts[0])
    if len(folders) != 1:
        raise ValueError(f"{where}: got {len(folders)} folders; accepted: one, of a checkpoint")
    # Members that overlap would need more memory than the file has bytes.
    total = sum(info.file_size for info in members.values())
    if total > size:
        raise ValueError(f"{where}: its members have {total} bytes, the file {size}")
    return members


def _bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int, where: str) -> bytes:
    if member.file_size > limit:
        raise ValueError(
            f"{where}: member {member.filename[:80]!r} has {member.file_size} bytes; accepted: at "
            f"most {limit}"
        )
    return _numbers(archive, member, where).tobytes()


def _numbers(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str
) -> npt.NDArray[np.uint8]:
    """The bytes of a member, in chunks: zipfile would hold them twice. Its CRC-32 is verified."""
    numbers = np.empty(member.file_size, np.uint8)
    done = 0
    with _damage(where), archive.open(member) as stream:
        while chunk := stream.read(_CHUNK):
            numbers[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            done += len(chunk)
        if done != len(numbers):
            raise EOFError(f"{member.filename[:80]!r} ends too early")
    return numbers
