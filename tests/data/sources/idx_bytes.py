"""IDX files written from the definition of the format, sharing no code with jcnn."""

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def header(*shape: int, code: int = 8) -> bytes:
    """The magic number and the sizes, valid or not."""
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def idx_bytes(array: npt.NDArray[np.uint8]) -> bytes:
    return header(*array.shape) + array.tobytes()


def four_files(seed: int = 0) -> dict[str, bytes]:
    """Write a small data set: 6 + 4 images of 3 x 2 pixels, labels 0..4."""
    random = np.random.default_rng(seed)
    arrays = (
        random.integers(0, 256, (6, 3, 2), np.uint8),
        np.array([4, 0, 1, 2, 3, 0], np.uint8),
        random.integers(0, 256, (4, 3, 2), np.uint8),
        np.array([1, 1, 3, 0], np.uint8),
    )
    return {name: idx_bytes(array) for name, array in zip(NAMES, arrays, strict=True)}


def write_dir(folder: Path, **changes: bytes) -> Path:
    """Write the four files plain; a change replaces one, its name written with "_" for "-"."""
    files = four_files() | {name.replace("_", "-"): data for name, data in changes.items()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def zeros_gzip(head: bytes, zeros_mib: int) -> bytes:
    """Compress `head` and many zeros; repeated gzip members make 1 GiB cheap to write."""
    block = gzip.compress(bytes(16 * 2**20), 9)
    return gzip.compress(head, mtime=0) + block * (zeros_mib // 16)
