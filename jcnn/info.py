"""Describes the installation for a bug report.

Only paths of the caches are shown, with "~" for the home folder.
"""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from jcnn import __version__
from jcnn.data.cache_limit import KINDS
from jcnn.data.memory import memory_budget
from jcnn.ops.conv.in_use import convolution_in_use
from jcnn.ops.conv.table.file import SHIPPED, tables
from jcnn.system.caches import cache_folder, check_private
from jcnn.system.machine import describe_machine

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "numpy", "pillow", "safetensors"),
    *("matplotlib", "tensorflow-datasets", "tyro", "rich"),
)
_CACHES = (*KINDS, "native", "xla", "conv_table.json")
_VARIABLES = ("JCNN_", "JAX_", "XLA_", "XDG_CACHE_HOME", "TFDS_DATA_DIR", "CXX", "CUDA_VISIBLE_")


def installation() -> dict[str, Any]:
    """Versions, machine, devices, kernels, tables, caches, memory and disk, as JSON values.

    Returns:
        `versions` by package; `machine` from `describe_machine`; `devices`, their names;
        `convolution` from `convolution_in_use`; `tables`, each with its `file`, `measured_on` and
        number of `convolutions`; `caches`, each with its `path`, number of `files`, `bytes` and,
        if it cannot be used, the `problem`; `picture_memory_bytes`, beyond which images are
        streamed; `free_disk_bytes` of the cache folder and the working folder; `environment`, the
        variables that change results or the place of files.
    """
    cache = cache_folder()
    return {
        "versions": {"jcnn": __version__, "python": platform.python_version(), **_versions()},
        "machine": describe_machine(),
        "devices": [str(device) for device in jax.devices()],
        "convolution": {name: _short(text) for name, text in convolution_in_use().items()},
        "tables": [
            {
                "file": "jcnn's own" if table.file == SHIPPED else _short(str(table.file)),
                "measured_on": table.measured_on,
                "convolutions": len(table.lines),
            }
            for table in tables()
        ],
        "caches": [_cache(name, cache / name) for name in _CACHES],
        "picture_memory_bytes": memory_budget(),
        "free_disk_bytes": {"cache": _free(cache), "working folder": _free(Path.cwd())},
        "environment": {
            name: _short(value)
            for name, value in sorted(os.environ.items())
            if name.startswith(_VARIABLES)
        },
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _cache(name: str, path: Path) -> dict[str, Any]:
    problem = None
    try:
        if path.exists():
            check_private(path)
    except OSError as error:
        problem = _short(f"{error.filename}: {error.strerror}")
    sizes = [size for file in (path, *path.rglob("*")) if (size := _size(file)) is not None]
    return {
        "name": name,
        "path": _short(str(path)),
        "files": len(sizes),
        "bytes": sum(sizes),
        "problem": problem,
    }


def _size(file: Path) -> int | None:
    """The bytes of a regular file; None for anything else, or if it has disappeared."""
    try:
        return file.lstat().st_size if file.is_file() and not file.is_symlink() else None
    except OSError:
        return None


def _free(folder: Path) -> int:
    """The free bytes of the disk of a folder, which need not exist."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(there).free


def _short(text: str | None) -> str | None:
    """The text with "~" for the home folder."""
    home = os.environ.get("HOME", "").rstrip("/")
    return text.replace(home, "~") if text and home else text
