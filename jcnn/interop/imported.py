"""What the readers of other libraries' files return, and what they share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.data.preprocessing import Preprocessing
from jcnn.graph import Graph, Node

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

ASSUMED = "how images are scaled is not in the file: x / 255 is assumed"


def dotted(path: str) -> str:
    """A path as checkpoints write it, with dots: "conv1.kernel" for "conv1/kernel".

    Paths are compared in this form, since a layer's own name may have a dot, too.
    """
    return path.replace("/", ".")


@dataclass(frozen=True)
class SavedOptimizer:
    """An optimizer in the middle of a training.

    Attributes:
        settings: of `TrainConfig`: "optimizer", "learning_rate", and others that the file has.
        updates: number of updates so far.
        slots: its arrays by role, the field of the optimizer's state in `jcnn.train.optimizers`
            ("mean", "square", "velocity", ...), then by path of the parameter ("conv1/kernel", or
            "conv1.kernel" as in a checkpoint).
    """

    settings: Mapping[str, Any]
    updates: int
    slots: Mapping[str, Mapping[str, Array]] = field(repr=False)

    def for_paths(self, paths: Iterable[str]) -> "SavedOptimizer":
        """The same with the paths written as these are."""
        written = {dotted(path): path for path in paths}
        slots = {
            role: {written.get(dotted(path), path): array for path, array in arrays.items()}
            for role, arrays in self.slots.items()
        }
        return replace(self, slots=slots)


@dataclass(frozen=True)
class Imported:
    """A model that was read from a file.

    Attributes:
        graph: of the model, which gives logits.
        preprocessing: how the input is made of an image; None means `x / 255`.
        notes: what is worth telling, a line each.
        class_names: a name for each logit; None if the file has none.
        optimizer: of the file's training; None if it has none, or one that jcnn has not.
        frozen: names of the nodes with parameters that were not trained.
    """

    graph: Graph
    preprocessing: Preprocessing | None
    notes: tuple[str, ...]
    class_names: tuple[str, ...] | None = None
    optimizer: SavedOptimizer | None = None
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A layer of a file, for `jcnn show`.

    Attributes:
        name, kind: as in the file.
        shape: of its output, without the batch axis; None if a layer before it is refused.
        parameters: number of numbers in its arrays.
        refused: why jcnn cannot read it; "" if it can.
    """

    name: str
    kind: str
    shape: Shape | None
    parameters: int
    refused: str = ""


@dataclass(frozen=True)
class Listing:
    """What is in a file, read without its arrays.

    Attributes:
        format: such as "Keras 3.15.0, .keras" or "ONNX, opset 17, by pytorch 2.13.0".
        input_shape: `(H, W, C)`; None for a size that is free.
        rows: in the order of computation.
        notes: what is worth telling, a line each.
    """

    format: str
    input_shape: tuple[int | None, ...] | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def not_finite(arrays: Iterable[tuple[str, npt.ArrayLike]]) -> str:
    """A note on named arrays with numbers that are not finite, or ""."""
    wrong = [name for name, array in arrays if not np.isfinite(np.asarray(array, np.float32)).all()]
    more = f" and {len(wrong) - 1} more arrays" if len(wrong) > 1 else ""
    return f"{wrong[0]}{more} holds NaN or infinity" if wrong else ""


def zeros(shape: Sequence[int], dtype: Any = np.float32) -> Array:
    """An array of zeros that takes no memory, in place of one that is not read."""
    return np.broadcast_to(np.zeros((), dtype), tuple(shape))


def chosen_shape(
    found: Sequence[int | None] | None, given: tuple[int, int, int] | None
) -> tuple[int, int, int]:
    """The shape `(H, W, C)` of a model's images.

    Args:
        found: in the file; None for sizes that are free.
        given: by the user, for these.

    Raises:
        ValueError: they do not fit, or are not images, or a size is free and was not given.
    """
    shape = given if found is None else tuple(found)
    if shape is None:
        raise ValueError("does not say the shape of its images: name it (H, W, C)")
    if len(shape) != 3:
        raise ValueError(f"takes {shape}; accepted: images (H, W, C)")
    if given is not None:
        fits = all(a in (None, b) for a, b in zip(shape, given, strict=True))
        if not fits:
            raise ValueError(f"takes images of {shape}, not {given}")
        shape = given
    if any(size is None for size in shape):
        raise ValueError(f"takes images of any size {shape}: name one, (H, W, C)")
    height, width, channels = (int(size or 0) for size in shape)
    return height, width, channels


def without_softmax(
    nodes: Sequence[Node], output: str
) -> tuple[tuple[Node, ...], str, tuple[str, ...]]:
    """The nodes without a softmax at the end, the name of the new output, and notes.

    Raises:
        ValueError: no node has the output.
    """
    last = next((node for node in nodes if node.name == output), None)
    if last is None:
        raise ValueError("the model computes nothing")
    if last.kind != "activation":
        return tuple(nodes), output, ()
    if last.settings["function"] != "softmax":
        said = f"the model ends in {last.settings['function']}, not in softmax or logits"
        return tuple(nodes), output, (said,)
    rest = tuple(node for node in nodes if node is not last)
    return rest, last.inputs[0], (f"{last.name}: left out, since jcnn's models give logits",)
