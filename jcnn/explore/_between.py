"""Identify the operations between two modules from the output of one and the input of the next."""

import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from jcnn import ops
from jcnn.explore._functions import (
    ACCEPTED,
    ELEMENTWISE,
    apply_function,
    equal,
    settings_between,
)
from jcnn.explore._kinds import activation_layer, pool_settings
from jcnn.explore._layer import Layer

Floats = npt.NDArray[np.float32]
Shape = tuple[int, ...]

_COMBINE: dict[str, Any] = {"max_pool": np.nanmax, "average_pool": np.nanmean}
_LARGEST_WINDOW = 7  # of a pooling other than global


def between(name: str, x: Floats, y: Floats, wrong: str) -> list[Layer]:
    """The layers that map `x` to `y`: at most a function, a pooling and a flatten.

    Args:
        name: of the layer with output `x`.
        x: `(N, ...)` random numbers of both signs.
        y: `(N, ...)`.
        wrong: beginning of the error message.

    Raises:
        ValueError: there are no such layers.
    """
    layers = _found(name, x, y)
    if layers is None:
        raise ValueError(
            f"{wrong}; accepted: a chain of layers with at most a max or average pooling, "
            f"a function ({ACCEPTED}) and a flatten between two of them"
        )
    return layers


def _found(name: str, x: Floats, y: Floats) -> list[Layer] | None:
    for kind, window, pooled in _poolings(x, y):
        shape = pooled.shape[1:]
        pool = []
        if window is not None:
            pool = [Layer(f"{name} {kind}", kind, pool_settings(window), {}, x.shape[1:], shape)]
        spread = y.reshape(pooled.shape)
        flat = [] if spread.shape == y.shape else [_flatten(name, shape)]
        settings = settings_between(pooled, spread)
        if settings is not None:
            return [*pool, *_activation(name, settings, shape), *flat]
        if flat:
            settings = settings_between(pooled.reshape(y.shape), y)  # softmax depends on the shape
            if settings is not None:
                return [*pool, *flat, *_activation(name, settings, y.shape[1:])]
        if window is not None:
            for function in ELEMENTWISE:
                before = apply_function({"function": function}, jnp.asarray(x))
                if equal(_pooled(np.asarray(before), window, _COMBINE[kind]), spread):
                    settings = {"function": function}
                    return [*_activation(name, settings, x.shape[1:]), *pool, *flat]
    return None


def _poolings(x: Floats, y: Floats) -> Iterator[tuple[str, ops.Window | None, Floats]]:
    """`x`, then the results of every pooling of `x` with as many numbers as `y`."""
    if y.ndim < 1 or y.shape[:1] != x.shape[:1]:
        return
    if x.size == y.size and y.shape in (x.shape, (len(x), math.prod(x.shape[1:]))):
        yield "", None, x
    if x.ndim != 4:
        return
    for window in _windows((x.shape[1], x.shape[2])):
        shape = (len(x), *window.out_size, x.shape[3])
        if y.shape in (shape, (len(x), math.prod(shape[1:]))):
            for kind, combine in _COMBINE.items():
                yield kind, window, _pooled(x, window, combine)


def _windows(size: tuple[int, int]) -> Iterator[ops.Window]:
    yield ops.resolve_window(size, size)
    for cells in range(2, min(_LARGEST_WINDOW, *size) + 1):
        for stride in range(cells, 0, -1):
            yield ops.resolve_window(size, cells, stride=stride)
            same = ops.resolve_window(size, cells, stride=stride, padding="SAME")
            if any(map(any, same.padding)):
                yield same


def _pooled(x: Floats, window: ops.Window, combine: Any) -> Floats:
    """The maximum or mean of each window, without padding."""
    sides = ((0, 0), *window.padding, (0, 0))
    padded = np.pad(x, sides, constant_values=np.nan)
    views = np.lib.stride_tricks.sliding_window_view(padded, window.kernel, (1, 2))
    taken = views[:, :: window.stride[0], :: window.stride[1]]
    pooled: Floats = combine(taken, axis=(-2, -1))
    return pooled


def _activation(name: str, settings: dict[str, Any], shape: Shape) -> list[Layer]:
    return [activation_layer(name, settings, shape)] if settings else []


def _flatten(name: str, shape: Shape) -> Layer:
    return Layer(f"{name} flatten", "flatten", {}, {}, shape, (math.prod(shape),))
