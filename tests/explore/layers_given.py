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
