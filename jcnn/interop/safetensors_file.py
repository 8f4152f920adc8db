"""Reads the arrays of a safetensors file, such as those of timm and torchvision."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from jcnn.interop.torch.state import Array
from jcnn.system.formats import check_file, shown
from jcnn.system.sealed import DTYPES


def read_safetensors(path: str | Path) -> dict[str, Array]:
    """Read a safetensors file.

    Returns:
        By name, in the order of the file; read-only.

    Raises:
        ValueError: the file is damaged, or holds a dtype that NumPy and ml_dtypes lack.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    check_file(path, "a safetensors file")
    try:
        parts = deserialize(path.read_bytes())  # it checks all positions and sizes
    except SafetensorError as error:
        raise ValueError(f"{shown(path)}: no valid safetensors file: {error}") from None
    found: dict[str, Array] = {}
    for name, part in parts:
        if part["dtype"] not in DTYPES:
            raise ValueError(
                f"{shown(path)}: {name!r} has dtype {part['dtype']}; accepted: {', '.join(DTYPES)}"
            )
        flat = np.frombuffer(part["data"], jnp.dtype(DTYPES[part["dtype"]]))
        found[name] = flat.reshape(part["shape"])
    return found


def safetensors_shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """The shape and dtype of each array of a safetensors file, whose numbers are not read.

    Raises:
        FileNotFoundError, ValueError: as for `read_safetensors`.
    """
    check_file(path, "a safetensors file")
    try:
        with safe_open(path, framework="numpy") as opened:
            parts = {name: opened.get_slice(name) for name in list(opened.keys())}
            return {
                name: (tuple(part.get_shape()), DTYPES.get(part.get_dtype(), part.get_dtype()))
                for name, part in parts.items()
            }
    except SafetensorError as error:
        raise ValueError(f"{shown(path)}: no valid safetensors file: {error}") from None
