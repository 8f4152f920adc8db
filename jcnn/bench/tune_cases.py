"""The convolutions that are measured for the table of method "auto"."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcnn.layers import Conv2D, recorded_calls
from jcnn.models.zoo import LECTURES, trace
from jcnn.ops import Padding, resolve_window
from jcnn.ops.conv.table.lookup import Conv, Params, Shape

BATCH = 64


class Known(NamedTuple):
    """The shapes of a convolution; `transposed` is the dilation of its input."""

    x: Shape
    kernel: Shape
    stride: int = 1
    padding: Padding = "SAME"
    groups: int = 1
    transposed: int = 1


KNOWN = {
    "ResNet 7x7 stem": Known((8, 224, 224, 3), (7, 7, 3, 64), stride=2),
    "3x3 of 16, 28": Known((64, 28, 28, 16), (3, 3, 16, 16)),
    "3x3 of 32, 28": Known((64, 28, 28, 32), (3, 3, 32, 32)),
    "3x3 of 128, 14": Known((64, 14, 14, 128), (3, 3, 128, 128)),
    "3x3, one image": Known((1, 28, 28, 32), (3, 3, 32, 64)),
    "3x3, one wide image": Known((1, 56, 56, 128), (3, 3, 128, 128)),
    "ResNet 3x3, 56": Known((8, 56, 56, 64), (3, 3, 64, 64)),
    "ResNet 3x3, 28": Known((8, 28, 28, 128), (3, 3, 128, 128)),
    "ResNet 3x3, 14": Known((8, 14, 14, 256), (3, 3, 256, 256)),
    "ResNet 3x3, 7": Known((8, 7, 7, 512), (3, 3, 512, 512)),
    "ResNet 3x3 stride 2, 56": Known((8, 56, 56, 128), (3, 3, 128, 128), stride=2),
    "ResNet 3x3 stride 2, 28": Known((8, 28, 28, 256), (3, 3, 256, 256), stride=2),
    "ResNet 3x3 stride 2, 14": Known((8, 14, 14, 512), (3, 3, 512, 512), stride=2),
    "3x3 stride 2, 28": Known((32, 28, 28, 64), (3, 3, 64, 128), stride=2),
    "ResNet 1x1, 56, narrow": Known((8, 56, 56, 256), (1, 1, 256, 64)),
    "ResNet 1x1, 56, wide": Known((8, 56, 56, 64), (1, 1, 64, 256)),
    "ResNet 1x1, 14": Known((8, 14, 14, 256), (1, 1, 256, 1024)),
    "ResNet 1x1 stride 2, 56": Known((8, 56, 56, 256), (1, 1, 256, 512), stride=2),
    "ResNet 1x1 stride 2, 14": Known((8, 14, 14, 1024), (1, 1, 1024, 2048), stride=2),
    "large kernel 9x9": Known((8, 28, 28, 32), (9, 9, 32, 32)),
    "large kernel 11x11": Known((8, 28, 28, 32), (11, 11, 32, 32)),
    "large kernel 15x15": Known((8, 28, 28, 16), (15, 15, 16, 16)),
    "large kernel 21x21": Known((8, 28, 28, 16), (21, 21, 16, 16)),
    "large kernel 31x31": Known((4, 64, 64, 8), (31, 31, 8, 8)),
    "depthwise 3x3, 112": Known((8, 112, 112, 32), (3, 3, 1, 32), groups=32),
    "depthwise 3x3, 56": Known((32, 56, 56, 64), (3, 3, 1, 64), groups=64),
    "depthwise 3x3, 28": Known((64, 28, 28, 32), (3, 3, 1, 32), groups=32),
    "depthwise 3x3, 14": Known((8, 14, 14, 512), (3, 3, 1, 512), groups=512),
    "depthwise 3x3 stride 2, 112": Known((8, 112, 112, 32), (3, 3, 1, 32), 2, groups=32),
    "depthwise 3x3 stride 2, 56": Known((32, 56, 56, 64), (3, 3, 1, 64), 2, groups=64),
    "depthwise 3x3 stride 2, 28": Known((8, 28, 28, 256), (3, 3, 1, 256), 2, groups=256),
    "depthwise 3x3 times 2": Known((32, 28, 28, 32), (3, 3, 1, 64), groups=32),
    "depthwise 5x5, 28": Known((64, 28, 28, 32), (5, 5, 1, 32), groups=32),
    "depthwise 5x5, 14": Known((8, 14, 14, 256), (5, 5, 1, 256), groups=256),
    "depthwise 7x7, 56": Known((8, 56, 56, 64), (7, 7, 1, 64), groups=64),
    "4 groups 3x3, 28": Known((32, 28, 28, 64), (3, 3, 16, 64), groups=4),
    "32 groups 3x3, 28": Known((8, 28, 28, 256), (3, 3, 8, 256), groups=32),
    "transposed 4x4 stride 2": Known(
        (32, 14, 14, 128), (4, 4, 128, 64), 1, ((2, 2), (2, 2)), transposed=2
    ),
    "transposed 3x3 stride 2": Known(
        (32, 14, 14, 128), (3, 3, 128, 64), 1, ((1, 2), (1, 2)), transposed=2
    ),
    "transposed 2x2 stride 2": Known(
        (8, 28, 28, 64), (2, 2, 64, 32), 1, ((1, 1), (1, 1)), transposed=2
    ),
}
# XLA:CPU has no fast 16-bit convolution, so a few cases suffice.
IN_16_BITS = (
    "conv1 conv2d",
    "conv2 conv2d_1",
    "ResNet 3x3, 28",
    "3x3 stride 2, 28",
    "depthwise 3x3, 56",
    "depthwise 3x3, 28",
    "depthwise 3x3 stride 2, 56",
    "transposed 3x3 stride 2",
)


def default_cases() -> dict[str, Conv]:
    """The lectures' convolutions at batch 64 and those of `KNOWN` in float32, a few in bfloat16."""
    platform = jax.default_backend()
    cases = zoo_cases(platform)
    cases |= {name: known_case(known, platform) for name, known in KNOWN.items()}
    half = {
        f"{name}, bfloat16": dataclasses.replace(cases[name], dtype="bfloat16")
        for name in IN_16_BITS
    }
    return cases | half


def zoo_cases(platform: str) -> dict[str, Conv]:
    """Every distinct convolution of every model of the lectures, named "model layer"."""
    cases: dict[str, Conv] = {}
    for name, entry in LECTURES.items():

        def convolutions(x: jax.Array, name: str = name) -> None:
            model = trace(name)
            with recorded_calls(model) as calls:
                model(x)
            for call in calls:
                layer = call.module
                if isinstance(layer, Conv2D):
                    window = layer.window(call.input.shape[1:3])
                    params = Params(
                        window.stride, window.padding, (1, 1), window.dilation, layer.groups
                    )
                    shapes = call.input.shape, layer.kernel.shape
                    conv = Conv(platform, "float32", *shapes, params)
                    if conv not in cases.values():
                        cases[f"{name} {call.name}"] = conv

        jax.eval_shape(convolutions, jnp.zeros((BATCH, *entry.input_shape)))
    return cases


def known_case(known: Known, platform: str) -> Conv:
    """A convolution of `KNOWN` in float32."""
    size = [(cells - 1) * known.transposed + 1 for cells in known.x[1:3]]
    window = resolve_window(
        (size[0], size[1]),
        (known.kernel[0], known.kernel[1]),
        stride=known.stride,
        padding=known.padding,
    )
    in_dilation = (known.transposed, known.transposed)
    params = Params(window.stride, window.padding, in_dilation, window.dilation, known.groups)
    return Conv(platform, "float32", known.x, known.kernel, params)
