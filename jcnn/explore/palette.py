"""The colours of numbers, as the page shows them."""

import functools
import json
from importlib.resources import files

import numpy as np
import numpy.typing as npt


def diverging(numbers: npt.NDArray[np.floating], largest: float) -> npt.NDArray[np.uint8]:
    """Map -largest (blue) over 0 (pale) to largest (orange), as the page on a light background.

    Returns:
        Colours `(..., 3)`, 0 to 255. Numbers beyond `largest` have the last colour.
    """
    below, above = _stops()
    values = np.asarray(numbers, np.float64)
    share = np.abs(values) / (largest or 1.0) * (len(below) - 1)
    at = np.arange(len(below))
    channels = [
        np.where(values < 0, np.interp(share, at, below[:, k]), np.interp(share, at, above[:, k]))
        for k in range(3)
    ]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


@functools.cache
def _stops() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The light colours from zero outwards `(stops, 3)`, below zero and above."""
    text = files("jcnn.explore").joinpath("page", "palette.js").read_text(encoding="utf-8")
    light = json.loads(text[text.index("{") : text.rindex("}") + 1])["light"]
    return np.array(light["below"]), np.array(light["above"])
