"""What Keras's layers are in jcnn: the table that the import and the documentation read.

A layer becomes one step or several, such as a convolution and its activation. Settings that change
nothing at prediction (regularizers, initializers, constraints) are ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jcnn import ops
from jcnn.interop.keras.activations import activated, activation, elu, leaky_relu, relu, softmax
from jcnn.interop.keras.settings import (
    Array,
    Arrays,
    Shape,
    Step,
    array_of,
    check_axis,
    padding_of,
    renamed,
    window_of,
    with_bias,
)

# Cells of a pooling window, each of which becomes an operation.
_LARGEST_POOL = 2**14

Write = Callable[[dict[str, Any], list[Shape], Arrays], list[Step]]


def steps_of(kind: str, config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """The steps of a layer.

    Args:
        kind: Keras's class.
        config: its settings.
        shapes: of its inputs, without the batch axis.
        arrays: its weights by role, such as "kernel".

    Raises:
        ValueError: the class or a setting is not supported, or an array has another shape.
    """
    refused = refusal(kind, config)
    if refused:
        raise ValueError(refused)
    return LAYERS[kind].write(config, shapes, arrays)


def refusal(kind: str, config: dict[str, Any]) -> str:
    """Why a layer is refused whatever its inputs are, or ""."""
    if kind not in LAYERS:
        return f"is a {kind}, which jcnn has no layer for"
    if config.get("data_format") == "channels_first":
        return "data_format: got 'channels_first'; accepted: 'channels_last'"
    return ""


def roles_of(kind: str, config: dict[str, Any]) -> list[str]:
    """The roles of a layer's weights, in Keras's order."""
    if kind not in LAYERS:
        return []
    if kind == "Normalization" and config.get("mean") is not None:
        return []
    flags = {"bias": "use_bias", "gamma": "scale", "beta": "center"}
    roles = LAYERS[kind].roles
    return [role for role in roles if config.get(flags.get(role, ""), True) is not False]


def trained_roles(kind: str, config: dict[str, Any]) -> list[str]:
    """The roles of those that are trained, in Keras's order."""
    fixed = ("moving_mean", "moving_variance", "mean", "variance", "count")
    return [role for role in roles_of(kind, config) if role not in fixed]


# --- layers with weights --------------------------------------------------------------------------


def _conv(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    height, width = ops.check_pair("kernel_size", config["kernel_size"])
    groups, channels, filters = config.get("groups", 1), shapes[0][-1], config["filters"]
    kernel = array_of(arrays, "kernel", (height, width, channels // groups, filters))
    settings = window_of(config, shapes[0], (height, width)) | {"groups": groups, "method": "auto"}
    step = Step("conv", settings, with_bias(kernel, arrays, filters), channels=filters)
    return [step, *activated(config)]


def _depthwise(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    height, width = ops.check_pair("kernel_size", config["kernel_size"])
    channels, multiple = shapes[0][-1], config.get("depth_multiplier", 1)
    role = "depthwise_kernel" if "depthwise_kernel" in arrays else "kernel"
    kernel = array_of(arrays, role, (height, width, channels, multiple))
    settings = window_of(config, shapes[0], (height, width)) | {"method": "auto"}
    made = with_bias(kernel, arrays, channels * multiple)
    step = Step("depthwise_conv", settings, made, channels=channels * multiple)
    return [step, *activated(config)]


def _separable(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    height, width = ops.check_pair("kernel_size", config["kernel_size"])
    channels, multiple = shapes[0][-1], config.get("depth_multiplier", 1)
    wide, filters = channels * multiple, config["filters"]
    first = array_of(arrays, "depthwise_kernel", (height, width, channels, multiple))
    second = array_of(arrays, "pointwise_kernel", (1, 1, wide, filters))
    settings = window_of(config, shapes[0], (height, width)) | {"method": "auto"}
    plain = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    return [
        Step("depthwise_conv", settings, {"kernel": first}, " depthwise", wide),
        Step("conv", plain | {"method": "auto"}, with_bias(second, arrays, filters), "", filters),
        *activated(config),
    ]


def _conv_transpose(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    height, width = ops.check_pair("kernel_size", config["kernel_size"])
    filters = config["filters"]
    kernel = array_of(arrays, "kernel", (height, width, filters, shapes[0][-1]))
    if config.get("output_padding") is not None:
        raise ValueError(f"output_padding: got {config['output_padding']}; accepted: None")
    stride, dilation = (
        ops.check_pair("strides", config["strides"]),
        ops.check_pair("dilation_rate", config.get("dilation_rate", 1)),
    )
    padding, extra = padding_of(config), (0, 0)
    if padding == "VALID":  # Keras fills the gaps behind the last windows, too
        spans = ((height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1)
        extra = (max(stride[0] - spans[0], 0), max(stride[1] - spans[1], 0))
    settings = {
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "dilation": dilation,
        "groups": config.get("groups", 1),
    }
    step = Step("conv_transpose", settings, with_bias(kernel, arrays, filters), channels=filters)
    return [step, *activated(config)]


def _dense(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    units = config["units"]
    kernel = array_of(arrays, "kernel", (shapes[0][-1], units))
    return [Step("dense", {}, with_bias(kernel, arrays, units)), *activated(config)]


def _batch_norm(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    check_axis(config, shapes[0])
    settings = {"epsilon": float(config["epsilon"]), "momentum": float(config["momentum"])}
    names = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "variance"}
    return [Step("batch_norm", settings, renamed(arrays, names, shapes[0][-1]))]


def _layer_norm(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    check_axis(config, shapes[0])
    settings = {"epsilon": float(config["epsilon"])}
    if config.get("rms_scaling"):
        raise ValueError("rms_scaling: got True; accepted: False")
    names = {"gamma": "scale", "beta": "bias"}
    return [Step("layer_norm", settings, renamed(arrays, names, shapes[0][-1]))]


def _group_norm(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    check_axis(config, shapes[0])
    groups = config["groups"] if config["groups"] > 0 else shapes[0][-1]
    settings = {"epsilon": float(config["epsilon"]), "groups": groups}
    names = {"gamma": "scale", "beta": "bias"}
    return [Step("group_norm", settings, renamed(arrays, names, shapes[0][-1]))]


def scale_and_offset(kind: str, config: dict[str, Any], arrays: Arrays) -> tuple[Array, Array]:
    """The numbers of `x * scale + offset`, for Rescaling and Normalization; `()` or `(C,)`.

    Raises:
        ValueError: they are for other axes than the channels, or not finite.
    """
    if kind == "Rescaling":
        scale, offset = (np.asarray(config[name], float) for name in ("scale", "offset"))
    else:
        axis = config.get("axis", -1)
        if axis not in (-1, 3, [-1], [3], None, []):
            raise ValueError(f"axis: got {axis}; accepted: -1, or None")
        given = arrays if config.get("mean") is None else config
        mean, variance = (np.asarray(given[name], float) for name in ("mean", "variance"))
        deviation = np.maximum(np.sqrt(np.maximum(variance, 0)), 1e-7)
        if config.get("invert"):
            scale, offset = deviation, mean
        else:
            scale, offset = 1 / deviation, -mean / deviation
    for array in (scale, offset):
        if array.ndim > 1 or not np.isfinite(array).all():
            raise ValueError(f"scales by {array.tolist()}; accepted: one number for each channel")
    return scale, offset


def _scaled(kind: str) -> Write:
    def write(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
        scale, offset = scale_and_offset(kind, config, arrays)
        if max(scale.size, offset.size) not in (1, shapes[0][-1]):
            raise ValueError(f"scales {max(scale.size, offset.size)} channels, not {shapes[0][-1]}")
        factors, terms = (array.astype(np.float32) for array in (scale, offset))
        has_terms = bool(terms.any())
        steps = []
        if (factors != 1).any():
            suffix = " scale" if has_terms else ""
            steps.append(Step("multiply", arrays={"constant": factors}, suffix=suffix))
        if has_terms:
            steps.append(Step("add", arrays={"constant": terms}))
        return steps

    return write


# --- layers without -------------------------------------------------------------------------------


def _pool(kind: str) -> Write:
    def write(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
        size = ops.check_pair("pool_size", config["pool_size"])
        if size[0] > shapes[0][0] or size[1] > shapes[0][1] or size[0] * size[1] > _LARGEST_POOL:
            raise ValueError(f"pool_size: got {size}, which is too large for maps of {shapes[0]}")
        given = {"strides": config.get("strides") or size} | {"padding": config["padding"]}
        window = window_of(given, shapes[0], size)
        settings = {"window": size, "stride": window["stride"], "padding": window["padding"]}
        return [Step(kind, settings)]

    return write


def _global_pool(kind: str) -> Write:
    return lambda config, shapes, arrays: [
        Step(kind, {"keepdims": bool(config.get("keepdims", False))})
    ]


def _merge(kind: str) -> Write:
    def write(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
        if len(shapes) < 2:
            raise ValueError(f"reads {len(shapes)} inputs; accepted: two or more")
        first = [Step(kind, suffix="" if len(shapes) == 2 else " 1", reads=1)]
        more = range(2, len(shapes))
        last = len(shapes) - 1
        return first + [Step(kind, suffix="" if n == last else f" {n}", reads=n) for n in more]

    return write


def _center_crop(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    size, wanted = shapes[0][:2], (config["height"], config["width"])
    if any(have < want for have, want in zip(size, wanted, strict=True)):
        raise ValueError(f"enlarges images of {size} to {wanted}, which a crop cannot")
    rests = [have - want for have, want in zip(size, wanted, strict=True)]
    return [Step("crop", {"cropping": tuple((rest // 2, rest - rest // 2) for rest in rests)})]


def _random_crop(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    if shapes[0][:2] != (config["height"], config["width"]):
        raise ValueError(
            f"crops images of {shapes[0][:2]} to {(config['height'], config['width'])}: at "
            "prediction Keras 2 resizes them and Keras 3 does not"
        )
    return []


def _resizing(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    wanted = (config["height"], config["width"])
    if shapes[0][:2] != wanted:
        raise ValueError(f"resizes {shapes[0][:2]} to {wanted}; accepted: as the first layer alone")
    return []


def _plain(kind: str) -> Write:
    return lambda config, shapes, arrays: [Step(kind)]


def _dropout(kind: str) -> Write:
    return lambda config, shapes, arrays: [Step(kind, {"rate": float(config["rate"])})]


def _nothing(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    """Layers that change nothing at prediction."""
    return []


def _sides(kind: str, setting: str) -> Write:
    def write(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
        return [Step(kind, {setting: ops.check_sides(setting, config[setting])})]

    return write


def _upsample(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    how = config.get("interpolation", "nearest")
    if how not in ("nearest", "bilinear"):
        raise ValueError(f"interpolation: got {how!r}; accepted: 'nearest', 'bilinear'")
    return [
        Step("upsample", {"size": ops.check_pair("size", config["size"]), "interpolation": how})
    ]


def _reshape(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    target = list(config["target_shape"])
    if -1 in target:
        rest = int(np.prod([size for size in target if size != -1]))
        target[target.index(-1)] = int(np.prod(shapes[0])) // max(rest, 1)
    return [Step("flatten") if len(target) == 1 else Step("reshape", {"shape": tuple(target)})]


def _concatenate(config: dict[str, Any], shapes: list[Shape], arrays: Arrays) -> list[Step]:
    axis, rank = config.get("axis", -1), len(shapes[0]) + 1
    return [Step("concatenate", {"axis": axis if axis < 0 else axis - rank})]


# Layers that are for training and change nothing at prediction; an import notes them.
FOR_TRAINING = (
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization"),
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomShear"),
    *("RandomHeight", "RandomWidth", "RandomPerspective", "RandomElasticTransform"),
    *("RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation", "RandomGrayscale"),
    *("RandomColorJitter", "RandomColorDegeneration", "RandomInvert", "RandomPosterization"),
    *("RandomSharpness", "RandomGaussianBlur", "RandomErasing", "RandAugment", "AugMix"),
    *("MixUp", "CutMix"),
)


@dataclass(frozen=True)
class Kind:
    """How a class of layers is written, and the roles of its weights in Keras's order."""

    write: Write
    roles: Sequence[str] = ()


LAYERS: dict[str, Kind] = {
    "Conv2D": Kind(_conv, ("kernel", "bias")),
    "DepthwiseConv2D": Kind(_depthwise, ("kernel", "bias")),
    "SeparableConv2D": Kind(_separable, ("depthwise_kernel", "pointwise_kernel", "bias")),
    "Conv2DTranspose": Kind(_conv_transpose, ("kernel", "bias")),
    "Dense": Kind(_dense, ("kernel", "bias")),
    "BatchNormalization": Kind(_batch_norm, ("gamma", "beta", "moving_mean", "moving_variance")),
    "LayerNormalization": Kind(_layer_norm, ("gamma", "beta")),
    "GroupNormalization": Kind(_group_norm, ("gamma", "beta")),
    "MaxPooling2D": Kind(_pool("max_pool")),
    "AveragePooling2D": Kind(_pool("average_pool")),
    "GlobalAveragePooling2D": Kind(_global_pool("global_average_pool")),
    "GlobalMaxPooling2D": Kind(_global_pool("global_max_pool")),
    "Flatten": Kind(_plain("flatten")),
    "Reshape": Kind(_reshape),
    "Dropout": Kind(_dropout("dropout")),
    "SpatialDropout2D": Kind(_dropout("spatial_dropout")),
    "Activation": Kind(activation),
    "ReLU": Kind(relu),
    "LeakyReLU": Kind(leaky_relu),
    "ELU": Kind(elu),
    "Softmax": Kind(softmax),
    "ZeroPadding2D": Kind(_sides("zero_pad", "padding")),
    "Cropping2D": Kind(_sides("crop", "cropping")),
    "UpSampling2D": Kind(_upsample),
    "Add": Kind(_merge("add")),
    "Multiply": Kind(_merge("multiply")),
    "Concatenate": Kind(_concatenate),
    "Identity": Kind(_nothing),
    "Rescaling": Kind(_scaled("Rescaling")),
    "Normalization": Kind(_scaled("Normalization"), ("mean", "variance", "count")),
    "Resizing": Kind(_resizing),
    "CenterCrop": Kind(_center_crop),
    "RandomCrop": Kind(_random_crop),
    **dict.fromkeys(FOR_TRAINING, Kind(_nothing)),
}
