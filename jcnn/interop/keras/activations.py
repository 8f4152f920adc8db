"""Keras's activations: a setting of a layer, or layers of their own."""

from dataclasses import replace
from typing import Any

import numpy as np

from jcnn.interop.keras.settings import Arrays, Shape, Step, check_axis, number_of

_FUNCTIONS = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "softplus", "selu", "mish")},
    **{name: name for name in ("elu", "hard_sigmoid", "gelu", "silu", "softmax")},
    "swish": "silu",
    "hard_silu": "hard_swish",
    "hard_swish": "hard_swish",
}


_OLD_HARD_SIGMOID = "hard_sigmoid of Keras 2"


def activated(config: dict[str, Any]) -> list[Step]:
    """The step of a layer's own activation, if it has one."""
    given = config.get("activation")
    if isinstance(given, dict):
        kind, own = given.get("class_name"), given.get("config")
        if kind in _AS_FUNCTIONS and isinstance(own, dict):  # a layer as a function
            steps = _AS_FUNCTIONS[kind](own, [], {})
            return [replace(step, suffix=f" {step.settings['function']}") for step in steps]
        given = own.get("name") if isinstance(own, dict) and own else kind
        given = f"a function {own!r}" if kind == "function" else given
    if given in (None, "linear"):
        return []
    if given == "leaky_relu":
        return [function("leaky_relu", " leaky_relu", slope=0.2)]
    if given == _OLD_HARD_SIGMOID:  # clip(0.2 x + 0.5), which is jcnn's of 1.2 x
        steep = Step(
            "multiply", arrays={"constant": np.asarray(1.2, np.float32)}, suffix=" steeper"
        )
        return [steep, function("hard_sigmoid", " hard_sigmoid")]
    if given not in _FUNCTIONS:
        raise ValueError(f"activation: got {given!r}; accepted: {', '.join(_FUNCTIONS)}")
    return [function(_FUNCTIONS[given], f" {given}")]


def of_version(config: dict[str, Any], version: str) -> dict[str, Any]:
    """Settings as Keras 3 would write them: Keras 2 had another hard sigmoid."""
    given = config.get("activation")
    if isinstance(given, dict) and isinstance(given.get("config"), dict):
        given = given["config"].get("name", given.get("class_name"))
    if given == "hard_sigmoid" and version.startswith(("1.", "2.")):
        return config | {"activation": _OLD_HARD_SIGMOID}
    return config


def activation(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """An Activation layer."""
    steps = activated(config)
    return [*steps[:-1], *(replace(step, suffix="") for step in steps[-1:])]  # the layer's own name


def relu(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """A ReLU layer, plain, leaky or up to 6."""
    most = config.get("max_value")
    slope = config.get("negative_slope") or 0.0
    if config.get("threshold"):
        raise ValueError(f"threshold: got {config['threshold']}; accepted: 0")
    if most is None:
        return [function("leaky_relu", slope=float(slope)) if slope else function("relu")]
    if most == 6 and not slope:
        return [function("relu6")]
    raise ValueError(f"max_value: got {most} with negative_slope {slope}; accepted: None, or 6")


def leaky_relu(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """A LeakyReLU layer; Keras 2 calls its slope alpha."""
    slope = config.get("negative_slope", config.get("alpha", 0.3))
    return [function("leaky_relu", slope=number_of(slope))]


def elu(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """An ELU layer."""
    return [function("elu", alpha=number_of(config.get("alpha", 1.0)))]


def softmax(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """A Softmax layer over the last axis."""
    check_axis(config, shapes[0])
    return [function("softmax")]


def function(name: str, suffix: str = "", **numbers: float) -> Step:
    """The step of a function of jcnn.ops."""
    return Step("activation", {"function": name, **numbers}, suffix=suffix)


_AS_FUNCTIONS = {"ReLU": relu, "LeakyReLU": leaky_relu, "ELU": elu}
