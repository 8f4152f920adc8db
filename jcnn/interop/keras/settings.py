"""Settings and arrays of Keras's layers, checked, as jcnn's layers take them."""

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from jcnn import ops

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Step:
    """One node of a graph: its kind, its settings and its arrays by role.

    Attributes:
        suffix: of the node's name, for a step that is not the layer's first.
        channels: of the result, for convolutions.
        reads: number of an input of the layer that it reads besides the step before; None for none.
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    suffix: str = ""
    channels: int = 0
    reads: int | None = None


def window_of(config: dict[str, Any], shape: Shape, size: tuple[int, int]) -> dict[str, Any]:
    """Stride, padding in cells and dilation."""
    window = ops.resolve_window(
        (shape[0], shape[1]),
        size,
        stride=ops.check_pair("strides", config["strides"]),
        padding=padding_of(config),
        dilation=ops.check_pair("dilation_rate", config.get("dilation_rate", 1)),
    )
    return {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}


def padding_of(config: dict[str, Any]) -> Any:
    """The padding: "SAME" or "VALID"."""
    padding = str(config["padding"]).upper()
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding: got {config['padding']!r}; accepted: 'same', 'valid'")
    return padding


def number_of(value: Any) -> float:
    """A number, which Keras 3 may write as an array of one."""
    if isinstance(value, dict):  # an array of one number, in Keras 3's JSON
        value = value.get("config", {}).get("value")
    return float(value)


def check_axis(config: dict[str, Any], shape: Shape) -> None:
    """Raise a ValueError for any axis but the last."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, len(shape)):
        raise ValueError(f"axis: got {axis}; accepted: -1")


def array_of(arrays: Arrays, role: str, shape: Shape) -> Array:
    """The array of a role; a ValueError if it is missing or has another shape."""
    if role not in arrays:
        raise ValueError(f"{role}: the file has no such array")
    if arrays[role].shape != shape:
        raise ValueError(f"{role}: has shape {arrays[role].shape}; expected {shape}")
    return arrays[role]


def with_bias(kernel: Array, arrays: Arrays, filters: int) -> Arrays:
    """The arrays of a layer with a kernel, and a bias if the file has one."""
    made = {"kernel": kernel}
    if "bias" in arrays:
        made["bias"] = array_of(arrays, "bias", (filters,))
    return made


def renamed(arrays: Arrays, names: dict[str, str], channels: int) -> Arrays:
    """The arrays of a normalisation by jcnn's names."""
    return {new: array_of(arrays, old, (channels,)) for old, new in names.items() if old in arrays}
