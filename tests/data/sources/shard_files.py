"""Small tar and Parquet shards, written with tarfile and pyarrow."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.data.sources.image_folders import pixels


def png(seed: int, height: int = 4, width: int = 6) -> bytes:
    """The grey image number `seed`."""
    data = io.BytesIO()
    Image.fromarray(pixels(seed, height, width)).save(data, "PNG")
    return data.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """Write a plain tar file with these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def samples(labels: Sequence[object], first: int = 0) -> dict[str, bytes | str]:
    """Members `N.png` and `N.cls` for each label; the image is number N."""
    members: dict[str, bytes | str] = {}
    for n, label in enumerate(labels, first):
        members[f"{n:03}.png"] = png(n)
        members[f"{n:03}.cls"] = str(label)
    return members


def write_parquet(
    path: Path,
    labels: Sequence[Any],
    *,
    first: int = 0,
    names: Sequence[str] | None = None,
    rows: int = 4,
    columns: Mapping[str, Any] | None = None,
) -> Path:
    """Write images `first`, ... with these labels, in row groups of `rows`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": png(first + n), "path": f"{first + n}.png"} for n in range(len(labels))]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {"image": pa.array(images, kind), "label": pa.array(labels)} | dict(columns or {})
    )
    if names is not None:
        features = {
            "image": {"_type": "Image"},
            "label": {"_type": "ClassLabel", "names": list(names)},
        }
        about = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": about})
    pq.write_table(table, path, row_group_size=rows)
    return path
