"""The training task that all contestants share: models, parameters and images.

It uses only Python and NumPy. The other files write the same training in the style of each
library's tutorial.
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
    """Dropout."""

    rate: float = 0.5


class Flatten(NamedTuple):
    """Flattening in the order rows, columns, channels."""


class Dense(NamedTuple):
    """A dense layer with bias."""

    units: int
    relu: bool = False


Layer = Conv | Pool | Dropout | Flatten | Dense


class Model(NamedTuple):
    """The input shape and the layers; the last one returns the logits."""

    shape: Shape
    layers: tuple[Layer, ...]

    @property
    def classes(self) -> int:
        """The number of classes."""
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
    """A training: a model of `MODELS`, batch size, steps per epoch, and the layers' dtype.

    Loss: cross-entropy; Adam with learning rate 1e-3 and epsilon 1e-7; metrics: loss and accuracy.
    """

    model: str
    batch: int
    steps: int
    compute: Literal["float32", "bfloat16"] = "float32"


def with_shapes(model: Model) -> Iterator[tuple[Layer, Shape]]:
    """Every layer with its input shape `(H, W, C)`; `(1, 1, D)` after flattening."""
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
    """Kernel, HWIO or `(D, U)`, and bias of each layer with parameters, float32."""
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


def random_images(model: Model, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images `(N, H, W, C)` uint8 and labels `(N,)` int32."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (examples, *model.shape), np.uint8)
    return images, rng.integers(0, model.classes, examples).astype(np.int32)


def on_gpu() -> bool:
    """Whether the contestants run on an NVIDIA GPU, by the same rules as JAX."""
    asked = os.environ.get("JAX_PLATFORMS", "")
    return shutil.which("nvidia-smi") is not None and asked in ("", "cuda")


# Number of images of the check, which compares the mean loss and its gradients in float32,
# without dropout.
CHECKED = 16
TOLERANCE = 1e-4


def digest(loss: float, gradients: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays to compare: the loss, and each gradient's norm and up to 1,000 of its numbers.

    Args:
        loss: mean over the checked images.
        gradients: in the order and layout of `parameters`.
    """
    rng = np.random.default_rng(2)
    answer = [np.array([loss])]
    for gradient in gradients:
        flat = np.asarray(gradient, np.float64).reshape(-1)
        answer.append(np.array([np.linalg.norm(flat)]))
        answer.append(flat[rng.permutation(flat.size)[:1000]])
    return answer
