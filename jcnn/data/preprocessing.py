"""`Preprocessing`: how a model's input is made of an image.

It is part of a model, as its attribute `preprocessing`. A model without one takes `x / 255`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from jcnn.data.batches import normalise
from jcnn.data.image_files import check_image_shape
from jcnn.data.request import Resize
from jcnn.suggest import did_you_mean

Channels = Literal["grey", "rgb", "bgr"]

_COUNTS = {"grey": 1, "rgb": 3, "bgr": 3}
_NAMES = {"grey": "grey", "rgb": "RGB", "bgr": "BGR"}
# Beyond these, a division in float32 may lose everything.
_SMALLEST, _LARGEST = 1e-6, 1e6


@dataclass(frozen=True)
class Preprocessing:
    """How a model's input is made of an image: resized, then `(x / 255 - mean) / deviation`.

    Hashable, as a static argument of compiled programs.

    Args:
        size: `(H, W)` that `read_image` resizes to.
        resize: how, as in `read_image`.
        channels: of the model's input: "grey", "rgb" or "bgr".
        mean: for each channel of the input in its order, in units of the full range 0..1.
        deviation: likewise, each at least 1e-6.

    Raises:
        ValueError: an argument is invalid; the message names it.
    """

    size: tuple[int, int]
    resize: Resize
    channels: Channels
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        if not _is_size(self.size):
            raise _wrong("size", self.size, "(H, W), two ints >= 1")
        _check_choice("resize", self.resize, get_args(Resize))
        _check_choice("channels", self.channels, get_args(Channels))
        count = f"a tuple of {_COUNTS[self.channels]} numbers"
        if not self._are_numbers(self.mean, -_LARGEST):
            raise _wrong("mean", self.mean, f"{count}, {-_LARGEST:g} to {_LARGEST:g}")
        if not self._are_numbers(self.deviation, _SMALLEST):
            raise _wrong("deviation", self.deviation, f"{count}, {_SMALLEST:g} to {_LARGEST:g}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)` of the images that it takes, as for `read_image`."""
        return (*self.size, _COUNTS[self.channels])

    def __call__(self, images: jax.typing.ArrayLike) -> jax.Array:
        """Convert images to the model's input; they have been resized already.

        Args:
            images: `(N, H, W, C)` uint8, grey or red, green, blue.

        Returns:
            `(N, H, W, C)` float32, in the order of `channels`.

        Raises:
            ValueError: the images have another dtype or shape.
        """
        shape, dtype = jnp.shape(images), jnp.result_type(images)
        if dtype != jnp.uint8:
            raise ValueError(f"images: got dtype {dtype}; expected uint8")
        if len(shape) != 4 or shape[1:] != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(f"images: got shape {shape}; expected (N, {expected})")
        return self.standardise(normalise(images))

    def standardise(self, x: jax.Array) -> jax.Array:
        """Convert images in 0..1 to the model's input: `(x - mean) / deviation`.

        Args:
            x: `(..., C)` floating-point, grey or red, green, blue.

        Returns:
            The same shape and dtype, in the order of `channels`.
        """
        if self.channels == "bgr":
            x = x[..., ::-1]
        # Without these operations, the program of a model that needs none is as before.
        if any(self.mean):
            x = x - jnp.asarray(self.mean, x.dtype)
        if any(deviation != 1 for deviation in self.deviation):
            x = x / jnp.asarray(self.deviation, x.dtype)
        return x

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; `json.dumps` writes it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: object) -> "Preprocessing":
        """The preprocessing of what `to_json` returned, or of its JSON.

        Raises:
            ValueError: a field is missing, unknown or invalid; the message names it.
        """
        if not isinstance(content, dict):
            raise ValueError(f"preprocessing: got {_short(content)}; accepted: a JSON object")
        names = [field.name for field in dataclasses.fields(cls)]
        for name in content:
            if name not in names:
                guess = did_you_mean(str(name), names)
                raise ValueError(
                    f"preprocessing: got the field {_short(name)}; accepted: "
                    f"{', '.join(names)}{guess}"
                )
        for name in names:
            if name not in content:
                raise ValueError(f"preprocessing: {name} is missing")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.items()
        }
        return cls(**fields)

    def describe(self) -> str:
        """One line, such as "resized to 28 x 28 (crop), RGB, (x / 255 - 0.5) / 0.25"."""
        formula = "x / 255"
        if any(self.mean):
            formula = f"({formula} - {_numbers(self.mean)})"
        if any(deviation != 1 for deviation in self.deviation):
            formula = f"{formula} / {_numbers(self.deviation)}"
        height, width = self.size
        channels = _NAMES[self.channels]
        return f"resized to {height} x {width} ({self.resize}), {channels}, {formula}"

    def _are_numbers(self, values: object, least: float) -> bool:
        return (
            isinstance(values, tuple)
            and len(values) == _COUNTS[self.channels]
            and all(type(v) in (int, float) and least <= v <= _LARGEST for v in values)
        )


def set_preprocessing(model: Any, preprocessing: Preprocessing) -> None:
    """Make a preprocessing part of a model, as its attribute `preprocessing`."""
    model.preprocessing = preprocessing


def preprocessing_of(model: object) -> Preprocessing | None:
    """The preprocessing of a model; None if it takes `x / 255`."""
    own: Preprocessing | None = getattr(model, "preprocessing", None)
    return own


def model_input(model: object, x: jax.Array) -> jax.Array:
    """Convert images to the input of a model.

    Args:
        model: its attribute `preprocessing`, if it has one, says how.
        x: `(..., C)` in 0..1, of the size that the model takes.
    """
    own = preprocessing_of(model)
    return x if own is None else own.standardise(x)


def scaled(image_shape: tuple[int, int, int], resize: Resize = "stretch") -> Preprocessing:
    """The preprocessing of a model that was trained on `x / 255`: mean 0, deviation 1.

    Args:
        image_shape: `(H, W, C)` of the model's input with C = 1 (grey) or 3 (RGB).
        resize: as in `read_image`.

    Raises:
        ValueError: an argument is invalid.
    """
    check_image_shape(image_shape)
    height, width, channels = image_shape
    return Preprocessing(
        (height, width),
        resize,
        "grey" if channels == 1 else "rgb",
        (0.0,) * channels,
        (1.0,) * channels,
    )


def between(
    low: float, high: float, image_shape: tuple[int, int, int], resize: Resize = "stretch"
) -> Preprocessing:
    """The preprocessing of a model for which black is `low` and white is `high`, such as -1 and 1.

    Args:
        low, high: the numbers.
        image_shape, resize: as for `scaled`.

    Raises:
        ValueError: `high` is not above `low`, or as from `scaled`.
    """
    if not high > low:
        raise ValueError(
            f"range: got {low:g} and {high:g}; accepted: two numbers, the second larger"
        )
    plain = scaled(image_shape, resize)
    deviation = 1 / (high - low)
    channels = image_shape[2]
    return dataclasses.replace(
        plain, mean=(-low * deviation,) * channels, deviation=(deviation,) * channels
    )


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple) and len(size) == 2 and all(type(n) is int and n >= 1 for n in size)
    )


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        guess = did_you_mean(value, choices) if isinstance(value, str) else ""
        raise _wrong(name, value, ", ".join(choices) + guess)


def _wrong(name: str, value: object, accepted: str) -> ValueError:
    return ValueError(f"preprocessing: {name}: got {_short(value)}; accepted: {accepted}")


def _numbers(values: tuple[float, ...]) -> str:
    """One number where all are equal, such as "0.5", else "(0.485, 0.456, 0.406)"."""
    texts = [f"{value:.4g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
