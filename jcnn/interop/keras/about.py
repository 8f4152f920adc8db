"""What jcnn writes of a model into a Keras file, and reads back."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jcnn.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class About:
    """What jcnn alone knows of a model.

    Attributes:
        class_names: a name for each logit.
        preprocessing: how the model's input is made of an image; None means `x / 255`.
        with_preprocessing: whether the file's first layer does it, rather than its user.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing | None
    with_preprocessing: bool

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; `json.dumps` writes it."""
        own = self.preprocessing
        return {
            "class_names": list(self.class_names),
            "preprocessing": None if own is None else own.to_json(),
            "with_preprocessing": self.with_preprocessing,
        }

    @classmethod
    def from_json(cls, content: object) -> "About | None":
        """What a file says; None for None.

        Raises:
            ValueError: a field is missing or invalid; the message names it.
        """
        if content is None:
            return None
        if not isinstance(content, dict):
            raise ValueError("its part of jcnn is no JSON object")
        names, own = content.get("class_names"), content.get("preprocessing")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("its class_names are no list of texts")
        if not isinstance(content.get("with_preprocessing"), bool):
            raise ValueError("its with_preprocessing is neither true nor false")
        preprocessing = None if own is None else Preprocessing.from_json(own)
        return cls(tuple(names), preprocessing, content["with_preprocessing"])

    def agrees(self, found: Preprocessing | None) -> bool:
        """Whether the file's first layers do the same, which somebody may have changed."""
        if self.preprocessing is None or found is None:
            return self.preprocessing is found
        one, other = self.preprocessing, found
        return one.image_shape == other.image_shape and bool(
            np.allclose(one.mean, other.mean, rtol=1e-5, atol=1e-6)
            and np.allclose(one.deviation, other.deviation, rtol=1e-5, atol=0)
        )


def rescaling_of(own: Preprocessing | None, input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """The settings of the layer that makes a model's input of images of 0 to 255.

    Args:
        own: None means `x / 255`.
        input_shape: `(H, W, C)`.

    Raises:
        ValueError: the model takes blue, green, red.
    """
    if own is None:
        return {"scale": 1 / 255, "offset": 0.0}
    if own.channels == "bgr":
        raise ValueError(
            "with_preprocessing: the model takes blue, green, red, and no layer of Keras turns "
            "them; accepted: False"
        )
    if len(own.mean) != input_shape[2]:
        raise ValueError(
            f"preprocessing: is of {len(own.mean)} channels; the model's: {input_shape[2]}"
        )
    scale = [1 / (255 * deviation) for deviation in own.deviation]
    offset = [
        0.0 - mean / deviation for mean, deviation in zip(own.mean, own.deviation, strict=True)
    ]
    return {"scale": _one_or_all(scale), "offset": _one_or_all(offset)}


def _one_or_all(numbers: list[float]) -> float | list[float]:
    return numbers[0] if len(set(numbers)) == 1 else numbers
