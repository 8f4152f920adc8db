"""What a page needs to train its model in the browser: pictures with labels, and limits."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.explore._layer import STANDARDISE
from jcnn.explore._network import Network

MOST_PARAMETERS = 30_000
MOST_BYTES = 1_000_000  # of pixels
FEWEST = 10  # pictures; a fifth of them is held out

# The kinds of layers whose parameters are trained, and of those that the gradient passes through.
_TRAINED = ("conv", "dense")
_PASSED = (
    *("max_pool", "average_pool", "flatten", "reshape", "activation", "softmax"),
    *("dropout", "spatial_dropout", "stochastic_depth", "zero_pad", "crop", "upsample"),
    *("add", "multiply", "divide", "concatenate"),
)


def most_learn_images(shape: tuple[int, int, int]) -> int:
    """How many images `(H, W, C)` a page takes for a training in it: 1 MB of pixels."""
    return MOST_BYTES // int(np.prod(shape))


def check_learns(found: Network) -> None:
    """Check that the page can train a model.

    Raises:
        ValueError: it has too many parameters or none, or a layer whose training is not supported;
            the message names it.
    """
    for layer in found.layers:
        fixed = layer.name == STANDARDISE and layer.inputs == (0,)
        constant = "constant" in layer.arrays
        if fixed or (layer.kind in (*_TRAINED, *_PASSED) and not constant):
            continue
        kind = f"{layer.kind} with a constant" if constant else layer.kind
        raise ValueError(
            f"learn: layer {layer.name!r} is a {kind}, which the page cannot train; accepted: "
            f"{', '.join((*_TRAINED, *_PASSED))}"
        )
    owners: dict[str, str] = {}
    for node in found.graph.nodes:
        for path in node.paths.values():
            if path in owners:
                raise ValueError(
                    f"learn: layer {node.name!r} shares its parameters with {owners[path]!r}; "
                    "accepted: layers with parameters of their own"
                )
            owners[path] = node.name
    trained = [layer for layer in found.layers if layer.kind in _TRAINED]
    count = sum(array.size for layer in trained for array in layer.arrays.values())
    if not 0 < count <= MOST_PARAMETERS:
        raise ValueError(
            f"learn: the model has {count:,} parameters; accepted: 1 to {MOST_PARAMETERS:,} "
            "for a training in the page"
        )


def learn_content(
    found: Network, images: npt.NDArray[np.uint8], labels: Sequence[int], classes: int
) -> dict[str, Any]:
    """The training pictures as the page reads them.

    Args:
        found: the page's network.
        images: `(M, H, W, C)` uint8, in random order; the page holds out the last fifth.
        labels: the class index of each.
        classes: number of classes.

    Raises:
        ValueError: the page cannot train the model, or an argument is invalid; the message names
            it.
    """
    check_learns(found)
    shape = found.input_shape
    most = most_learn_images(shape)
    form = f"(M, {shape[0]}, {shape[1]}, {shape[2]}) of uint8, {FEWEST} <= M <= {most:,}"
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(f"learn: got images {images.shape} of {images.dtype}; accepted: {form}")
    if not FEWEST <= len(images) <= most:
        raise ValueError(f"learn: got {len(images):,} images; accepted: {form}")
    if len(labels) != len(images):
        raise ValueError(f"learn: got {len(labels)} labels for {len(images)} images")
    for label in labels:
        if not 0 <= label < classes:
            raise ValueError(f"learn: got label {label}; accepted: 0 to {classes - 1}")
    pixels = base64.b64encode(np.ascontiguousarray(images).tobytes()).decode("ascii")
    return {"pixels": pixels, "labels": [int(label) for label in labels]}
