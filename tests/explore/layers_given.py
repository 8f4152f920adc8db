"""Layers of the explorer with random numbers: asymmetric shapes, all settings."""

from typing import Any

import numpy as np

from tests.explore.viewed import Array, Layer


def numbers(seed: int, *shape: int) -> Array:
    """Normal numbers that are exact in float32, as float64."""
    drawn = np.random.default_rng(seed).normal(size=shape)
    return drawn.astype(np.float32).astype(np.float64)


def alike(kind: str, shape: list[int], **settings: Any) -> Layer:
    """A layer that preserves the shape."""
    return {"name": kind, "kind": kind, "in": shape, "out": shape, **settings}


def conv(groups: int, bias: bool) -> Layer:
    """7 x 6 pictures; kernel 3 x 2, strides 2 and 1, dilations 1 and 2, uneven padding."""
    arrays = {"kernel": numbers(1, 3, 2, 4 // groups, 6)}
    if bias:
        arrays["bias"] = numbers(2, 6)
    return {
        "name": "conv2d",
        "kind": "conv",
        "in": [7, 6, 4],
        "out": [4, 7, 6],
        "stride": [2, 1],
        "padding": [[1, 1], [2, 1]],
        "dilation": [1, 2],
        "groups": groups,
        "arrays": arrays,
    }


def pool(kind: str) -> Layer:
    """7 x 6 pictures of 3 channels; window 3 x 2, strides 2 and 1, uneven padding."""
    return {
        "name": kind,
        "kind": kind,
        "in": [7, 6, 3],
        "out": [4, 6, 3],
        "window": [3, 2],
        "stride": [2, 1],
        "padding": [[1, 1], [0, 1]],
    }


def dense(inputs: int, units: int, bias: bool = True) -> Layer:
    """A dense layer."""
    arrays = {"kernel": numbers(3, inputs, units)} | ({"bias": numbers(4, units)} if bias else {})
    return {"name": "dense", "kind": "dense", "in": [inputs], "out": [units], "arrays": arrays}


def flatten(shape: list[int]) -> Layer:
    """A flatten."""
    return {"name": "flatten", "kind": "flatten", "in": shape, "out": [int(np.prod(shape))]}


def batch_norm(shape: list[int], scaled: bool = True) -> Layer:
    """Batch normalisation, with or without a scale and an offset."""
    channels = shape[-1]
    arrays = {"mean": numbers(5, channels), "variance": numbers(6, channels) ** 2}
    if scaled:
        arrays |= {"scale": numbers(7, channels), "offset": numbers(8, channels)}
    arrays = {name: array.astype(np.float32).astype(float) for name, array in arrays.items()}
    return alike("batch_norm", shape, epsilon=1e-3, arrays=arrays)


def join(kind: str, shape: list[int], constant: Array | None = None) -> Layer:
    """An input with itself, or with a constant."""
    channels = shape[-1] * (2 if kind == "concatenate" else 1)
    inputs = [0, 0] if constant is None else [0]
    arrays = {} if constant is None else {"constant": constant}
    layer = alike(kind, shape, inputs=inputs, ins=[shape] * len(inputs), arrays=arrays)
    return layer | {"out": [*shape[:-1], channels]}


def upsample(interpolation: str) -> Layer:
    """7 x 6 pictures of 3 channels, by factors of 2 and 3."""
    layer = alike("upsample", [7, 6, 3], size=[2, 3], interpolation=interpolation)
    return layer | {"out": [14, 18, 3]}


def zero_pad() -> Layer:
    """7 x 6 pictures of 3 channels."""
    return alike("zero_pad", [7, 6, 3], padding=[[1, 2], [3, 0]]) | {"out": [10, 9, 3]}


def crop() -> Layer:
    """7 x 6 pictures of 3 channels."""
    return alike("crop", [7, 6, 3], cropping=[[1, 2], [0, 3]]) | {"out": [4, 3, 3]}


def example_norm(kind: str, shape: list[int], **settings: Any) -> Layer:
    """Layer or group normalisation."""
    arrays = {"scale": numbers(7, shape[-1]), "offset": numbers(8, shape[-1])}
    return alike(kind, shape, epsilon=1e-3, arrays=arrays, **settings)


def conv_transpose() -> Layer:
    """4 x 3 pictures of 4 channels in 2 groups; kernel 3 x 2, strides 2 and 3, a dilation."""
    arrays = {"kernel": numbers(1, 3, 2, 3, 4), "bias": numbers(2, 6)}
    settings = {"stride": [2, 3], "padding": [[1, 0], [0, 1]], "dilation": [2, 1], "groups": 2}
    layer = alike("conv_transpose", [4, 3, 4], arrays=arrays, **settings)
    return layer | {"out": [10, 7, 6]}
