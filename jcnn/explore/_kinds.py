"""Convert a module to layers of the page, with one function per supported module type."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.explore._functions import ACCEPTED, settings_of
from jcnn.explore._layer import Layer
from jcnn.layers import (
    Activation,
    AveragePooling2D,
    Call,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    MaxPooling2D,
    SeparableConv2D,
)
from jcnn.layers.basic import DropoutRate

Shape = tuple[int, ...]


def layers_of(call: Call) -> list[Layer]:
    """Convert one call of a module to layers; `call` of the last one is set.

    Raises:
        ValueError: the module type or one of its settings is not supported.
    """
    shapes = (tuple(call.input.shape[1:]), tuple(call.output.shape[1:]))
    for kind, make in _KINDS.items():
        if isinstance(call.module, kind):
            try:
                layers = make(call, call.module, *shapes)
            except ValueError as error:
                raise ValueError(f"layer {call.name!r}: {error}") from error
            return [*layers[:-1], dataclasses.replace(layers[-1], call=call.name)]
    kinds: list[type] = [*_KINDS, Activation]
    accepted = ", ".join(map(_full_name, kinds))
    raise ValueError(
        f"layer {call.name!r}: is a {_full_name(type(call.module))}; accepted: {accepted}"
    )


def _conv2d(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    layer = _conv(
        call, module.kernel, module.bias, module.window(in_shape[:2]), module.groups, in_shape
    )
    return [layer, *_activation(call.name, module.activation, layer)]


def _depthwise(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    kernel = _depthwise_kernel(module.kernel)
    layer = _conv(call, kernel, module.bias, module.window(in_shape[:2]), in_shape[2], in_shape)
    return [layer, *_activation(call.name, module.activation, layer)]


def _separable(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    kernel = _depthwise_kernel(module.depthwise_kernel)
    window = module.window(in_shape[:2])
    first = _conv(call, kernel, None, window, in_shape[2], in_shape, " depthwise")
    window = ops.resolve_window(first.out_shape[:2], 1)
    second = _conv(
        call, module.pointwise_kernel, module.bias, window, 1, first.out_shape, " pointwise"
    )
    return [first, second, *_activation(call.name, module.activation, second)]


def _nnx_conv(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    if len(module.kernel_size) != 2 or len(in_shape) != 3:
        raise ValueError(
            f"got kernel_size {module.kernel_size} for {in_shape}; "
            "accepted: two sizes, for (H, W, C)"
        )
    if _pair(module.input_dilation) != (1, 1):
        raise ValueError(f"got input_dilation {module.input_dilation}; accepted: 1")
    padding = module.padding
    if isinstance(padding, str) and padding not in ("SAME", "VALID"):
        raise ValueError(f"got padding {padding!r}; accepted: 'SAME', 'VALID', numbers")
    if not isinstance(padding, str | int):
        (top, bottom), (left, right) = (_pair(sides) for sides in padding)
        padding = ((top, bottom), (left, right))
    window = ops.resolve_window(
        in_shape[:2],
        tuple(module.kernel_size),
        stride=_pair(module.strides),
        padding=padding,
        dilation=_pair(module.kernel_dilation),
    )
    return [_conv(call, module.kernel, module.bias, window, module.feature_group_count, in_shape)]


def _dense(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    if len(in_shape) == 3:  # applied to every pixel: a 1 x 1 convolution
        kernel = _array(module.kernel)[None, None]
        return [_conv(call, kernel, module.bias, ops.resolve_window(in_shape[:2], 1), 1, in_shape)]
    arrays = {"kernel": _array(module.kernel)}
    if module.bias is not None:
        arrays["bias"] = _array(module.bias)
    layer = Layer(call.name, "dense", {}, arrays, in_shape, out_shape)
    return [layer, *_activation(call.name, getattr(module, "activation", None), layer)]


def _pool(kind: str) -> Callable[..., list[Layer]]:
    def make(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
        window = module.window(in_shape[:2])
        return [Layer(call.name, kind, pool_settings(window), {}, in_shape, out_shape)]

    return make


def pool_settings(window: ops.Window) -> dict[str, Any]:
    """The settings of a pooling layer."""
    return {"window": window.kernel, "stride": window.stride, "padding": window.padding}


def _flatten(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    return [Layer(call.name, "flatten", {}, {}, in_shape, out_shape)]


def _dropout(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    rate = module.rate[...] if isinstance(module.rate, DropoutRate) else module.rate
    return [Layer(call.name, "dropout", {"rate": float(rate)}, {}, in_shape, out_shape)]


def _batch_norm(call: Call, module: Any, in_shape: Shape, out_shape: Shape) -> list[Layer]:
    if module.axis not in (-1, len(in_shape)):
        raise ValueError(f"got axis {module.axis}; accepted: -1")
    channels = in_shape[-1]
    arrays = {
        "scale": np.ones(channels, np.float32) if module.scale is None else _array(module.scale),
        "offset": np.zeros(channels, np.float32) if module.bias is None else _array(module.bias),
        "mean": _array(module.mean),
        "variance": _array(module.var),
    }
    settings = {"epsilon": float(module.epsilon)}
    return [Layer(call.name, "batch_norm", settings, arrays, in_shape, out_shape)]


_KINDS: dict[type[nnx.Module], Callable[[Call, Any, Shape, Shape], Sequence[Layer]]] = {
    Conv2D: _conv2d,
    DepthwiseConv2D: _depthwise,
    SeparableConv2D: _separable,
    Dense: _dense,
    MaxPooling2D: _pool("max_pool"),
    AveragePooling2D: _pool("average_pool"),
    Flatten: _flatten,
    Dropout: _dropout,
    nnx.Conv: _nnx_conv,
    nnx.Linear: _dense,
    nnx.BatchNorm: _batch_norm,
    nnx.Dropout: _dropout,
}


def _conv(
    call: Call,
    kernel: Any,
    bias: Any,
    window: ops.Window,
    groups: int,
    in_shape: Shape,
    suffix: str = "",
) -> Layer:
    arrays = {"kernel": _array(kernel)}
    if bias is not None:
        arrays["bias"] = _array(bias)
    settings = {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "groups": groups,
    }
    out_shape = (*window.out_size, arrays["kernel"].shape[3])
    return Layer(f"{call.name}{suffix}", "conv", settings, arrays, in_shape, out_shape)


def _activation(name: str, function: Any, before: Layer) -> list[Layer]:
    if function is None:
        return []
    settings = settings_of(function)
    if settings is None:
        called = getattr(function, "__name__", repr(function))
        raise ValueError(f"activation: got {called}; accepted: {ACCEPTED}")
    return [activation_layer(name, settings, before.out_shape)] if settings else []


def activation_layer(name: str, settings: dict[str, Any], shape: Shape) -> Layer:
    """The activation layer with these settings after the layer `name`."""
    return Layer(f"{name} {settings['function']}", "activation", settings, {}, shape, shape)


def _depthwise_kernel(kernel: Any) -> Any:
    """Reshape `(KH, KW, C, M)` to `(KH, KW, 1, C * M)`, the kernel of C groups."""
    array = _array(kernel)
    return array.reshape(*array.shape[:2], 1, -1)


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable[...], np.float32)


def _pair(size: Any) -> tuple[int, int]:
    if size is None:
        return (1, 1)
    first, second = (size, size) if isinstance(size, int) else size
    return int(first), int(second)


def _full_name(kind: type) -> str:
    return f"nnx.{kind.__name__}" if kind.__module__.startswith("flax.") else kind.__name__
