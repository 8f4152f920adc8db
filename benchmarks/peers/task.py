"""What every contestant is given: the models as tables of layers, parameters and pictures.

It is plain Python and NumPy, so that no library gets the others' code, and each file beside this
one writes the same training in the way of its library's own tutorial.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Shape = tuple[int, int, int]


class Conv(NamedTuple):
    """A 3x3 convolution with bias, and ReLU."""

    filters: int
    padding: Literal["same", "valid"] = "same"


class Pool(NamedTuple):
    """Max pooling 2x2."""


class Dropout(NamedTuple):
    """Half of the numbers."""

    rate: float = 0.5


class Flatten(NamedTuple):
    """Rows, columns, channels in a row."""


class Dense(NamedTuple):
    """With bias."""

    units: int
    relu: bool = False


Layer = Conv | Pool | Dropout | Flatten | Dense


class Model(NamedTuple):
    """The pictures' shape and the layers; the last one gives the logits."""

    shape: Shape
    layers: tuple[Layer, ...]

    @property
    def classes(self) -> int:
        """K."""
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return last.units


_D = (28, 28, 1)
MODELS = {
    "conv1": Model(_D, (Conv(32), Flatten(), Dropout(), Dense(10))),
    "conv2pool": Model(_D, (Conv(32), Conv(64), Pool(), Flatten(), Dropout(), Dense(10))),
    "conv4": Model(
        _D,
        (
            *(Conv(32), Conv(64), Pool(), Dropout()),
            *(Conv(64), Conv(128), Pool(), Dropout()),
            *(Flatten(), Dropout(), Dense(10)),
        ),
    ),
    "creatures": Model(
        (100, 100, 3),
        (
            *(Conv(32), Conv(32, "valid"), Pool()),
            *(Conv(64), Conv(64, "valid"), Pool()),
            *(Flatten(), Dense(512, relu=True), Dense(6)),
        ),
    ),
}


@dataclass(frozen=True)
class Task:
    """One training: a model of `MODELS`, pictures a step, steps an epoch, the layers' dtype.

    Loss: cross-entropy; Adam with rate 1e-3 and epsilon 1e-7; metrics: mean loss and accuracy.
    """

    model: str
    batch: int
    steps: int
    compute: Literal["float32", "bfloat16"] = "float32"


def with_shapes(model: Model) -> Iterator[tuple[Layer, Shape]]:
    """Every layer, and the shape `(H, W, C)` of what it gets; `(1, 1, D)` after flattening."""
    rows, columns, channels = model.shape
    for layer in model.layers:
        yield layer, (rows, columns, channels)
        match layer:
            case Conv(filters, padding):
                lost = 2 if padding == "valid" else 0
                rows, columns, channels = rows - lost, columns - lost, filters
            case Pool():
                rows, columns = rows // 2, columns // 2
            case Flatten():
                rows, columns, channels = 1, 1, rows * columns * channels
            case Dense(units):
                channels = units


def parameters(model: Model) -> list[np.ndarray]:
    """Kernel and bias of each layer that has them, float32; HWIO, or `(D, U)`."""
    rng = np.random.default_rng(0)
    drawn = []
    for layer, (_, _, channels) in with_shapes(model):
        if isinstance(layer, Conv):
            drawn.append(rng.normal(0, (2 / (9 * channels)) ** 0.5, (3, 3, channels, layer[0])))
            drawn.append(rng.normal(0, 0.1, layer.filters))
        elif isinstance(layer, Dense):
            drawn.append(rng.normal(0, channels**-0.5, (channels, layer.units)))
            drawn.append(rng.normal(0, 0.1, layer.units))
    return [array.astype(np.float32) for array in drawn]


def pictures(model: Model, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures `(N, H, W, C)` uint8 and labels `(N,)` int32."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (examples, *model.shape), np.uint8)
    return images, rng.integers(0, model.classes, examples).astype(np.int32)


def on_gpu() -> bool:
    """Whether the contestants are to run on this machine's NVIDIA GPU, as JAX would be."""
    asked = os.environ.get("JAX_PLATFORMS", "")
    return shutil.which("nvidia-smi") is not None and asked in ("", "cuda")


# The check: loss and gradients of the mean loss over these pictures, in float32, dropout off.
CHECKED = 16
TOLERANCE = 1e-4


def digest(loss: float, gradients: list[np.ndarray]) -> list[np.ndarray]:
    """What is compared: the loss, and of each gradient its norm and up to 1,000 of its numbers.

    Args:
        loss: the mean over the checked pictures.
        gradients: in the order and layout of `parameters`.
    """
    rng = np.random.default_rng(2)
    answer = [np.array([loss])]
    for gradient in gradients:
        flat = np.asarray(gradient, np.float64).reshape(-1)
        answer.append(np.array([np.linalg.norm(flat)]))
        answer.append(flat[rng.permutation(flat.size)[:1000]])
    return answer
