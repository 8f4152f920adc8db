"""Small data sets in the format of published ones, for tensorflow-datasets to prepare offline."""

import gzip
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from jcnn.data.dataset import Dataset
from jcnn.data.sources.tfds import originals as tfds_originals
from jcnn.data.sources.tfds.originals import registered_originals
from jcnn.data.sources.tfds.prepare import quiet_tfds
from tests.data.sources.idx_bytes import NAMES, idx_bytes

Bytes = npt.NDArray[np.uint8]


def own_places(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let TFDS and jcnn write their files to `folder` instead of the user's home."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))


def publish(
    monkeypatch: pytest.MonkeyPatch, name: str, files: Mapping[str, bytes], url: str = ""
) -> None:
    """Register these files in TFDS's table as those of data set `name`.

    They keep their published URLs, unless `url` replaces that of MNIST and similar data sets.
    """
    rows = [
        "\t".join(
            (
                f"{url}{one.filename}" if url else one.url,
                str(len(files[one.filename])),
                hashlib.sha256(files[one.filename]).hexdigest(),
                one.filename,
            )
        )
        for one in registered_originals(name)
    ]
    monkeypatch.setattr(tfds_originals, "_tables", lambda _name: ["\n".join(rows)])
    with quiet_tfds() as tfds:
        stock: Any = tfds.builder_cls(name)
        infos = tfds.core.download.checksums._parse_url_infos(rows)
    monkeypatch.setattr(stock, "url_infos", infos, raising=False)
    if url:
        monkeypatch.setattr(stock, "URL", url)


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def digits_of(seed: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """7 + 5 random images of 28 x 28, and their labels, in the order of the IDX files."""
    random = np.random.default_rng(seed)
    return (
        random.integers(0, 256, (7, 28, 28), np.uint8),
        np.array([9, 0, 3, 3, 8, 1, 0], np.uint8),
        random.integers(0, 256, (5, 28, 28), np.uint8),
        np.array([2, 7, 9, 2, 4], np.uint8),
    )


def idx_files(seed: int = 0) -> dict[str, bytes]:
    """The four compressed files of such digits."""
    arrays = zip(NAMES, digits_of(seed), strict=True)
    return {f"{name}.gz": gzip.compress(idx_bytes(array), mtime=0) for name, array in arrays}


def pairs(images: Any, labels: Any) -> list[tuple[bytes, int]]:
    """The bytes and label of each image, sorted, so that the order does not matter."""
    return sorted(
        (np.asarray(one).tobytes(), int(k)) for one, k in zip(images, labels, strict=True)
    )


def pairs_of(part: Dataset) -> list[tuple[bytes, int]]:
    return pairs(part.images[:], part.labels)


def encoded(array: Bytes, kind: str = "PNG") -> bytes:
    """An image file; `(H, W)` is grey."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format=kind)
    return stream.getvalue()
