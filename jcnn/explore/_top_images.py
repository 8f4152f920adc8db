"""The images that activate each channel most, as thumbnails of the page."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from jcnn.explore._layer import Floats
from jcnn.explore._network import Network

_SHOWN = 6  # images of a channel
_SIDE = 40  # pixels of a thumbnail, at most
# Their channels are those of the layer before them, or they have one for each cell.
_WITHOUT = (
    *("flatten", "reshape", "dropout", "spatial_dropout", "stochastic_depth", "softmax"),
    *("zero_pad", "crop", "upsample", "max_pool", "average_pool"),
)


def top_images(found: Network, images: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Find the images in which each channel has its largest value.

    Args:
        found: the network.
        images: `(N, H, W, C)` uint8.

    Returns:
        `count`, the number of images; `shape` of the thumbnails and `pictures`, in base64; and
        `layers`, which has for each layer None, or for each channel a list of
        `[picture, unit, value]`, the largest first. `unit` is the one with that value.
    """
    values, units = _largest(found, images)
    order = {i: np.argsort(-of, axis=0, kind="stable")[:_SHOWN] for i, of in values.items()}
    used = np.unique(np.concatenate([rows.ravel() for rows in order.values()]))
    place = {int(row): i for i, row in enumerate(used)}
    thumbnails = [_thumbnail(images[row]) for row in used]
    layers: list[list[list[list[float]]] | None] = [None] * len(found.layers)
    for i, rows in order.items():
        layers[i] = [
            [
                [place[int(row)], int(units[i][row, k]), float(f"{values[i][row, k]:.6g}")]
                for row in rows[:, k]
                if np.isfinite(values[i][row, k])  # JSON has no other numbers
            ]
            for k in range(rows.shape[1])
        ]
    return {
        "count": len(images),
        "shape": thumbnails[0].shape,
        "pictures": [base64.b64encode(one.tobytes()).decode("ascii") for one in thumbnails],
        "layers": layers,
    }


def _largest(
    found: Network, images: npt.NDArray[np.uint8]
) -> tuple[dict[int, Floats], dict[int, npt.NDArray[np.intp]]]:
    """For each layer, the largest value of each image and channel, and its unit: `(N, C)`."""
    shown = {i: one for i, one in enumerate(found.layers) if one.kind not in _WITHOUT}
    shapes = {i: (len(images), layer.out_shape[-1]) for i, layer in shown.items()}
    values = {i: np.empty(shape, np.float32) for i, shape in shapes.items()}
    units = {i: np.empty(shape, np.intp) for i, shape in shapes.items()}
    for row, image in enumerate(images):
        outputs = found.outputs(image)
        for i, (_, channels) in shapes.items():
            flat = outputs[i].reshape(-1, channels)
            values[i][row] = flat.max(0)
            units[i][row] = flat.argmax(0) * channels + np.arange(channels)
    return values, units


def _thumbnail(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    factor = -(-max(image.shape[:2]) // _SIDE)
    small = Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).reduce(factor)
    return np.asarray(small, np.uint8).reshape(small.height, small.width, image.shape[2])
