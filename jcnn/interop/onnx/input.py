"""The beginning of an ONNX program: the images, and how it scales them."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.data.preprocessing import Preprocessing
from jcnn.interop.onnx.decode import OnnxModel, OnnxOperation
from jcnn.interop.onnx.values import NCHW, NHWC

Array = npt.NDArray[Any]

# Operations whose images are `(N, C, H, W)`.
_OF_MAPS = (
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN"),
)
_UINT8 = 2
# A factor below this takes images of 0 to 255, rather than 0 to 1.
_OF_BYTES = 0.05


def images_of(
    model: OnnxModel,
) -> tuple[tuple[int | None, ...], tuple[int, int, int], int | None]:
    """The images of a model.

    Returns:
        `(H, W, C)`, None for a size that is free; where these axes are in the input; and the number
        of images, in a file for one number only.

    Raises:
        ValueError: it has several inputs, or takes no images.
    """
    if len(model.inputs) != 1:
        raise ValueError(f"has {len(model.inputs)} inputs; accepted: one")
    sizes = model.inputs[0].sizes
    if sizes is None or len(sizes) != 4:
        raise ValueError(f"takes an array of {sizes}; accepted: images of four axes")
    if model.inputs[0].data_type not in (1, _UINT8, 10, 11, 16):
        raise ValueError(
            f"takes images of the data type {model.inputs[0].data_type}; accepted: floating-point "
            "numbers and uint8"
        )
    layout = _layout(model, sizes)
    return tuple(sizes[axis] for axis in layout), layout, sizes[0]


def _layout(model: OnnxModel, sizes: Sequence[int | None]) -> tuple[int, int, int]:
    """Where height, width and channels are, by the first operation that knows it."""
    orders: dict[str, tuple[int, ...]] = {model.inputs[0].name: (0, 1, 2, 3)}
    for node in model.nodes:
        order = orders.get(node.inputs[0]) if node.inputs else None
        if order is None:
            order = next((orders[name] for name in node.inputs if name in orders), None)
        if order is None or not node.outputs:
            continue
        if node.kind in _OF_MAPS:
            return order[2], order[3], order[1]
        if node.kind == "Transpose":
            perm = node.attributes.get("perm")
            if isinstance(perm, list) and sorted(perm) == [0, 1, 2, 3]:
                orders[node.outputs[0]] = tuple(order[axis] for axis in perm)
        elif node.kind not in ("Reshape", "Flatten", "Shape", "Gemm", "MatMul", "ReduceMean"):
            orders[node.outputs[0]] = order
    if model.producer.startswith("jcnn"):
        return NHWC
    last = sizes[1] not in (1, 3, 4) and sizes[3] in (1, 3, 4)
    return NHWC if last else NCHW


@dataclass(frozen=True)
class Scaling:
    """The first operations of a program, where they scale images of 0 to 255.

    Attributes:
        nodes: the operations.
        layouts: for each output of them, where height, width and channels are.
        factor, shift: `factor * x + shift` for each channel, in the order of the model.
        backwards: whether the model takes blue, green, red.
        written: the same as the file's metadata have it.
    """

    nodes: tuple[OnnxOperation, ...]
    layouts: Mapping[str, tuple[int, int, int]]
    factor: Array
    shift: Array
    backwards: bool
    written: tuple[Preprocessing | None] | None = None

    def equals(self, own: Preprocessing | None) -> bool:
        """Whether a preprocessing computes the same."""
        mean, deviation = ((0.0,), (1.0,)) if own is None else (own.mean, own.deviation)
        scale = self.factor * 255 * np.array(deviation)
        shift = self.shift * np.array(deviation) + np.array(mean)
        return (
            self.backwards == (own is not None and own.channels == "bgr")
            and np.allclose(scale, 1, rtol=1e-5)
            and np.allclose(shift, 0, atol=1e-6)
        )

    def preprocessing(self, shape: tuple[int, int, int]) -> Preprocessing | None:
        """As `(x / 255 - mean) / deviation`; None where that is `x / 255`.

        Raises:
            ValueError: images of so many channels have no preprocessing.
        """
        if self.written is not None:
            return self.written[0]
        deviation = 1 / (255 * self.factor)
        mean = -self.shift * deviation
        mean, deviation = (np.broadcast_to(one, shape[2]) for one in (mean, deviation))
        if np.allclose(mean, 0) and np.allclose(deviation, 1) and not self.backwards:
            return None
        if shape[2] not in (1, 3):
            raise ValueError(f"scales images of {shape[2]} channels; accepted: 1 or 3")
        return Preprocessing(
            shape[:2],
            "stretch",
            "grey" if shape[2] == 1 else "bgr" if self.backwards else "rgb",
            _rounded(mean),
            _rounded(deviation),
        )


def scaling_of(
    model: OnnxModel,
    nodes: Sequence[OnnxOperation],
    layout: tuple[int, int, int],
    known: Callable[[str], Array | None],
    written: tuple[Preprocessing | None] | None,
) -> Scaling | None:
    """The operations before the first layer, if they scale images of 0 to 255.

    Args:
        model, nodes: the program.
        layout: where height, width and channels of the input are.
        known: a constant by name, or None.
        written: the preprocessing in the metadata, at which the scaling ends.
    """
    images = model.inputs[0]
    if images.data_type != _UINT8 and written is not None:
        return None  # the input is what the metadata says
    readers = Counter(name for node in nodes for name in node.inputs)
    reader = {name: node for node in nodes for name in node.inputs}
    channels = images.sizes[layout[2]] if images.sizes is not None else None
    factor, shift, backwards = np.ones(1), np.zeros(1), False
    current, at = images.name, layout
    found: list[OnnxOperation] = []
    layouts: dict[str, tuple[int, int, int]] = {}
    while readers[current] == 1 and reader[current].outputs:
        node = reader[current]
        others = [known(name) for name in node.inputs if name != current]
        other = others[0] if len(others) == 1 else None
        match node.kind:
            case "Cast" | "Identity":
                pass
            case "Transpose":
                perm = node.attributes.get("perm")
                if not isinstance(perm, list) or sorted(perm) != [0, 1, 2, 3]:
                    break
                at = (perm.index(at[0]), perm.index(at[1]), perm.index(at[2]))
            case "Gather":
                axis = node.attributes.get("axis", 0)
                if other is None or axis != at[2] or other.tolist() != [2, 1, 0] or channels != 3:
                    break
                factor, shift, backwards = factor[::-1], shift[::-1], not backwards
            case "Mul" | "Div" | "Add" | "Sub":
                numbers = None if other is None else _by_channel(other, at[2], channels)
                if numbers is None or (node.kind in ("Div", "Sub") and node.inputs[0] != current):
                    break
                if node.kind in ("Mul", "Div"):
                    numbers = 1 / numbers if node.kind == "Div" else numbers
                    factor, shift = factor * numbers, shift * numbers
                else:
                    shift = shift + (numbers if node.kind == "Add" else -numbers)
            case _:
                break
        found.append(node)
        current = node.outputs[0]
        layouts[current] = at
        made = Scaling(tuple(found), dict(layouts), factor, shift, backwards)
        if written is not None and made.equals(written[0]):
            return replace(made, written=written)
    sound = np.all(np.isfinite(factor) & np.isfinite(shift) & (factor != 0))
    if not sound or (images.data_type != _UINT8 and np.max(abs(factor)) > _OF_BYTES):
        return None
    return Scaling(tuple(found), layouts, factor, shift, backwards)


def _by_channel(array: Array, axis: int, channels: int | None) -> Array | None:
    """A number for each channel, of an array that is combined with images; None for another one."""
    if array.dtype.kind not in "fiu" or array.ndim > 4:
        return None
    shape = (1,) * (4 - array.ndim) + array.shape
    if any(size != 1 for k, size in enumerate(shape) if k != axis):
        return None
    numbers = array.astype(np.float64).reshape(-1)
    if numbers.size not in (1, channels) or not np.all(np.isfinite(numbers) & (numbers != 0)):
        return numbers if numbers.size == 1 and numbers[0] == 0 else None
    return numbers


def written_preprocessing(
    model: OnnxModel, shape: tuple[int, int, int]
) -> tuple[Preprocessing | None] | None:
    """What the metadata have, as jcnn writes it: (None,) for `x / 255`, and None for nothing."""
    try:
        content = json.loads(model.metadata.get("preprocessing", ""))
        own = None if content == "x / 255" else Preprocessing.from_json(content)
    except (ValueError, RecursionError):
        return None
    return (own,) if own is None or own.image_shape == shape else None


def _rounded(numbers: Array) -> tuple[float, ...]:
    """Without the error of float32, which the file's numbers have: 0.5 for 0.49999997."""
    return tuple(float(f"{one:.7g}") for one in numbers)
