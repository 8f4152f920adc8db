"""Nodes of the layers and the functions of `jcnn.ops` that a model calls."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from jcnn import ops
from jcnn.graph.drafts import Draft
from jcnn.graph.marks import Mark
from jcnn.graph.program import Value
from jcnn.layers import (
    BatchNormalization,
    Dropout,
    GroupNormalization,
    LayerNormalization,
    SpatialDropout2D,
    StochasticDepth,
)

Shape = tuple[int, ...]
Arrays = dict[str, Any]


def draft_of(mark: Mark, x: Value, arrays: Arrays) -> Draft:
    """The draft of a marked call.

    Args:
        mark: the call.
        x: its input.
        arrays: its other operands by name, which are constants.

    Raises:
        ValueError: a setting is not supported.
    """
    if mark.module is not None:
        _check_dtype(mark.module, x)
        return LAYERS[_known_class(mark.module)](mark.module, x)
    assert mark.function is not None
    return OPS[mark.function.__name__](mark.settings, x, arrays)


def is_known(module: nnx.Module) -> bool:
    """Whether the call of a module has a node of its own.

    A subclass counts as its parent where it has the parent's `__call__`.
    """
    known = _known_class(module, missing=object)
    return known is not object and type(module).__call__ is known.__call__


def _check_dtype(module: Any, x: Value) -> None:
    """Raise if a layer of Flax computes in another dtype than that of its input."""
    dtype = getattr(module, "dtype", None)
    if dtype is not None and dtype != x.dtype:
        raise ValueError(f"dtype: got {dtype} for an input of {x.dtype}; accepted: the input's")


def _known_class(module: nnx.Module, missing: Any = None) -> Any:
    return next((cls for cls in type(module).__mro__ if cls in LAYERS), missing)


# --- functions of jcnn.ops ------------------------------------------------------------------------


def _conv(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    kernel = arrays["kernel"]
    window = ops.resolve_window(
        (x.shape[1], x.shape[2]),
        kernel.shape[:2],
        stride=settings["stride"],
        padding=settings["padding"],
        dilation=settings["dilation"],
    )
    found = conv_settings(window) | {"groups": settings.get("groups", 1)}
    method = settings["method"]
    found["method"] = method if isinstance(method, str) else "auto"
    return Draft("conv", found, (x,), arrays, named=True)


def _depthwise(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    draft = _conv(settings, x, arrays)
    found = {key: value for key, value in draft.settings.items() if key != "groups"}
    return Draft("depthwise_conv", found, (x,), arrays, named=True)


def _conv_transpose(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    padding = ops.check_padding(settings["padding"])
    found = {
        "stride": ops.check_pair("stride", settings["stride"]),
        "padding": padding,
        "output_padding": settings["output_padding"],
        "dilation": ops.check_pair("dilation", settings["dilation"]),
        "groups": settings["groups"],
    }
    return Draft("conv_transpose", found, (x,), arrays, named=True)


def _dense(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    return Draft("dense", {}, (x,), arrays, named=True)


def _pool(kind: str) -> Callable[..., Draft]:
    def draft(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
        size, stride = settings["window"], settings["stride"]
        window = ops.resolve_window(
            (x.shape[1], x.shape[2]),
            size,
            stride=size if stride is None else stride,
            padding=settings["padding"],
        )
        if settings.get("count_padding") and any(map(any, window.padding)):
            raise ValueError("count_padding: got True with padding; accepted: False")
        return Draft(kind, pool_settings(window), (x,), named=True)

    return draft


def _function(name: str) -> Callable[..., Draft]:
    def draft(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
        given = {key: float(value) for key, value in settings.items()}
        given |= {key: float(value) for key, value in arrays.items()}
        return Draft("activation", {"function": name, **given}, (x,))

    return draft


def _flatten(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    return Draft("flatten", {}, (x,), named=True)


def _global_pool(kind: str) -> Callable[..., Draft]:
    def draft(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
        return Draft(kind, {"keepdims": bool(settings["keepdims"])}, (x,), named=True)

    return draft


def _zero_pad(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    padding = ops.check_sides("padding", settings["padding"])
    return Draft("zero_pad", {"padding": padding}, (x,), named=True)


def _crop(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    cropping = ops.check_sides("cropping", settings["cropping"])
    return Draft("crop", {"cropping": cropping}, (x,), named=True)


def _upsample(settings: dict[str, Any], x: Value, arrays: Arrays) -> Draft:
    return Draft("upsample", dict(settings), (x,), named=True)


def conv_settings(window: ops.Window) -> dict[str, Any]:
    """Stride, padding and dilation of a convolution."""
    return {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}


def pool_settings(window: ops.Window) -> dict[str, Any]:
    """Window, stride and padding of a pooling."""
    return {"window": window.kernel, "stride": window.stride, "padding": window.padding}


ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "hard_sigmoid", "hard_swish"),
    *("gelu", "silu", "mish", "softplus", "sigmoid", "tanh", "softmax"),
)

OPS: dict[str, Callable[[dict[str, Any], Value, Arrays], Draft]] = {
    "conv2d": _conv,
    "depthwise_conv2d": _depthwise,
    "conv_transpose2d": _conv_transpose,
    "dense": _dense,
    "max_pool2d": _pool("max_pool"),
    "avg_pool2d": _pool("average_pool"),
    "global_average_pool2d": _global_pool("global_average_pool"),
    "global_max_pool2d": _global_pool("global_max_pool"),
    "zero_pad2d": _zero_pad,
    "crop2d": _crop,
    "upsample2d": _upsample,
    "flatten": _flatten,
    **{name: _function(name) for name in ACTIVATIONS},
}

# --- layers ---------------------------------------------------------------------------------------


def _batch_norm(module: Any, x: Value) -> Draft:
    if module.axis not in (-1, len(x.shape) - 1):
        raise ValueError(f"axis: got {module.axis}; accepted: -1")
    arrays = _arrays(module, scale="scale", bias="bias", mean="mean", variance="var")
    settings = {"epsilon": float(module.epsilon), "momentum": float(module.momentum)}
    return Draft("batch_norm", settings, (x,), arrays, named=True)


def _dropout(kind: str) -> Callable[[Any, Value], Draft]:
    def draft(module: Any, x: Value) -> Draft:
        rate = module.rate if isinstance(module.rate, int | float) else module.rate[...]
        return Draft(kind, {"rate": float(rate)}, (x,), named=True)

    return draft


def _layer_norm(module: Any, x: Value) -> Draft:
    arrays = _arrays(module, scale="scale", bias="bias")
    return Draft("layer_norm", {"epsilon": module.epsilon}, (x,), arrays, named=True)


def _group_norm(module: Any, x: Value) -> Draft:
    settings = {"epsilon": module.epsilon, "groups": module.groups}
    return Draft("group_norm", settings, (x,), _arrays(module, scale="scale", bias="bias"), True)


def _nnx_conv(module: Any, x: Value) -> Draft:
    if len(module.kernel_size) != 2 or len(x.shape) != 4:
        raise ValueError(
            f"kernel_size: got {module.kernel_size} for {x.shape[1:]}; "
            "accepted: two sizes, for (H, W, C)"
        )
    if _pair(module.input_dilation) != (1, 1):
        raise ValueError(f"input_dilation: got {module.input_dilation}; accepted: 1")
    if module.mask is not None:
        raise ValueError("mask: got an array; accepted: None")
    padding = module.padding
    if isinstance(padding, str) and padding not in ("SAME", "VALID"):
        raise ValueError(f"padding: got {padding!r}; accepted: 'SAME', 'VALID', numbers")
    if not isinstance(padding, str | int):
        (top, bottom), (left, right) = (_pair(sides) for sides in padding)
        padding = ((top, bottom), (left, right))
    window = ops.resolve_window(
        (x.shape[1], x.shape[2]),
        tuple(module.kernel_size),
        stride=_pair(module.strides),
        padding=padding,
        dilation=_pair(module.kernel_dilation),
    )
    settings = conv_settings(window) | {"groups": module.feature_group_count, "method": "lax"}
    return Draft("conv", settings, (x,), _arrays(module, kernel="kernel", bias="bias"), named=True)


def _nnx_conv_transpose(module: Any, x: Value) -> Draft:
    if len(module.kernel_size) != 2 or len(x.shape) != 4:
        raise ValueError(
            f"kernel_size: got {module.kernel_size} for {x.shape[1:]}; "
            "accepted: two sizes, for (H, W, C)"
        )
    if module.mask is not None:
        raise ValueError("mask: got an array; accepted: None")
    if module.preferred_element_type is not None:
        raise ValueError(
            f"preferred_element_type: got {module.preferred_element_type}; accepted: None"
        )
    padding = module.padding
    if isinstance(padding, str) and padding not in ("SAME", "VALID"):
        raise ValueError(f"padding: got {padding!r}; accepted: 'SAME', 'VALID', numbers")
    if isinstance(padding, int):
        padding = (padding, padding)
    if not isinstance(padding, str):
        (top, bottom), (left, right) = (_pair(sides) for sides in padding)
        padding = ((top, bottom), (left, right))
    settings = {
        "stride": _pair(module.strides),
        "flax_padding": padding,
        "dilation": _pair(module.kernel_dilation),
        "transpose_kernel": bool(module.transpose_kernel),
    }
    arrays = _arrays(module, kernel="kernel", bias="bias")
    return Draft("flax_conv_transpose", settings, (x,), arrays, named=True)


def _nnx_norm(kind: str) -> Callable[[Any, Value], Draft]:
    def draft(module: Any, x: Value) -> Draft:
        last = (-1, len(x.shape) - 1, (-1,), (len(x.shape) - 1,))
        axes = module.reduction_axes
        if axes not in (last if kind == "layer_norm" else (None,)):
            raise ValueError(f"reduction_axes: got {axes}; accepted: the default")
        if kind == "layer_norm" and module.feature_axes not in last:
            raise ValueError(f"feature_axes: got {module.feature_axes}; accepted: -1")
        settings = {"epsilon": float(module.epsilon)}
        if kind == "group_norm":
            settings["groups"] = int(module.num_groups)
        # Flax may compute the variance as the mean of squares minus the square of the mean.
        settings["flax_fast_variance"] = bool(module.use_fast_variance)
        return Draft(kind, settings, (x,), _arrays(module, scale="scale", bias="bias"), named=True)

    return draft


def _nnx_linear(module: Any, x: Value) -> Draft:
    arrays = _arrays(module, kernel="kernel", bias="bias")
    return Draft("dense", {}, (x,), arrays, named=True)


def _arrays(module: nnx.Module, **names: str) -> Arrays:
    """The variables of a module that are not None, by role."""
    variables = {role: getattr(module, name) for role, name in names.items()}
    return {role: one[...] for role, one in variables.items() if one is not None}


def _pair(size: Any) -> tuple[int, int]:
    if size is None:
        return (1, 1)
    first, second = (size, size) if isinstance(size, int) else size
    return int(first), int(second)


LAYERS: dict[type[nnx.Module], Callable[[Any, Value], Draft]] = {
    BatchNormalization: _batch_norm,
    Dropout: _dropout("dropout"),
    GroupNormalization: _group_norm,
    LayerNormalization: _layer_norm,
    SpatialDropout2D: _dropout("spatial_dropout"),
    StochasticDepth: _dropout("stochastic_depth"),
    nnx.BatchNorm: _batch_norm,
    nnx.Conv: _nnx_conv,
    nnx.ConvTranspose: _nnx_conv_transpose,
    nnx.Dropout: _dropout("dropout"),
    nnx.GroupNorm: _nnx_norm("group_norm"),
    nnx.LayerNorm: _nnx_norm("layer_norm"),
    nnx.Linear: _nnx_linear,
}
