"""LeNet-5, AlexNet, VGG-16, ResNet and SqueezeNet: published counts, names, sizes, numbers."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn.layers import eval_mode, glorot_uniform
from jcnn.models import ZOO, build, count_params, zoo_summary
from jcnn.models.resnet import BasicBlock, Bottleneck
from jcnn.models.squeezenet import Fire, SqueezeNet
from jcnn.models.zoo import trace

# Parameters, and 10^9 multiply-adds: torchvision's model pages. LeNet-5 has the paper's layers with
# every filter of the second convolution connected to all channels.
PUBLISHED = {
    "lenet5": (61_706, None),
    "alexnet": (61_100_840, 0.714),
    "vgg16": (138_357_544, 15.470),
    "resnet18": (11_689_512, 1.814),
    "resnet34": (21_797_672, 3.664),
    "resnet50": (25_557_032, 4.089),
    "resnet18_cifar": (11_173_962, None),
    "squeezenet1_1": (1_235_496, 0.349),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name: str) -> None:
    params, work = PUBLISHED[name]
    assert ZOO[name].params == params  # that of the summary: tests/models/test_zoo.py
    if work is not None:
        assert round(ZOO[name].multiply_adds / 1e9, 3) == work


# The number and the filters of each convolution of torchvision's `vgg16`.
VGG16 = [
    *[(0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256)],
    *[(17, 512), (19, 512), (21, 512), (24, 512), (26, 512), (28, 512)],
]

# Names in torchvision's state, with "." for "/", and shapes of our arrays.
NAMES: dict[str, dict[str, tuple[int, ...]]] = {
    "resnet50": {
        "conv1.kernel": (7, 7, 3, 64),
        "bn1.scale": (64,),
        "layer1.0.conv1.kernel": (1, 1, 64, 64),
        "layer1.0.conv3.kernel": (1, 1, 64, 256),
        "layer1.0.downsample.0.kernel": (1, 1, 64, 256),
        "layer1.0.downsample.1.bias": (256,),
        "layer2.3.bn3.mean": (512,),
        "layer3.5.conv2.kernel": (3, 3, 256, 256),
        "layer4.0.downsample.0.kernel": (1, 1, 1024, 2048),
        "fc.kernel": (2048, 1000),
        "fc.bias": (1000,),
    },
    "vgg16": {
        **{f"features.{number}.bias": (filters,) for number, filters in VGG16},
        "classifier.0.kernel": (25088, 4096),
        "classifier.3.kernel": (4096, 4096),
        "classifier.6.kernel": (4096, 1000),
    },
    "alexnet": {
        "features.0.kernel": (11, 11, 3, 64),
        "features.3.kernel": (5, 5, 64, 192),
        "features.6.kernel": (3, 3, 192, 384),
        "features.8.kernel": (3, 3, 384, 256),
        "features.10.kernel": (3, 3, 256, 256),
        "classifier.1.kernel": (9216, 4096),
        "classifier.4.kernel": (4096, 4096),
        "classifier.6.kernel": (4096, 1000),
    },
    "squeezenet1_1": {
        "features.0.kernel": (3, 3, 3, 64),
        "features.3.squeeze.kernel": (1, 1, 64, 16),
        "features.7.expand3x3.kernel": (3, 3, 32, 128),
        "features.12.expand1x1.kernel": (1, 1, 64, 256),
        "classifier.1.kernel": (1, 1, 512, 1000),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_torchvision(name: str) -> None:
    state = jax.eval_shape(lambda: nnx.state(trace(name), (nnx.Param, nnx.BatchStat)))
    shapes = {
        ".".join(map(str, path)): variable.shape for path, variable in nnx.to_flat_state(state)
    }
    assert NAMES[name].items() <= shapes.items()


@pytest.mark.parametrize(
    ("name", "shape", "classes", "params"),
    [
        ("lenet5", (32, 32, 1), 10, 61_706),
        ("lenet5", (20, 31, 3), 4, 456 + 2_416 + 121 * 84 + 85 * 4 + (3 * 5 * 16 + 1) * 120),
        ("alexnet", (63, 96, 1), 7, 2_469_696 - 2 * 121 * 64 + 513 * 4096 + 4097 * (4096 + 7)),
        ("vgg16", (32, 70, 3), 2, 14_714_688 + (2 * 512 + 1) * 4096 + 4097 * (4096 + 2)),
        ("resnet18", (33, 18, 1), 5, 11_176_512 - 2 * 49 * 64 + 513 * 5),
        ("resnet50", (1, 1, 4), 3, 23_508_032 + 49 * 64 + 2049 * 3),
        ("resnet18_cifar", (28, 28, 1), 10, 11_173_962 - 2 * 9 * 64),
        ("squeezenet1_1", (17, 30, 3), 5, 722_496 + 513 * 5),
    ],
)
def test_other_images_and_classes(
    name: str, shape: tuple[int, int, int], classes: int, params: int
) -> None:
    def run(x: jax.Array) -> jax.Array:
        model = eval_mode(trace(name, shape, classes))
        assert count_params(model) == params
        logits: jax.Array = model(x)
        return logits

    logits = jax.eval_shape(run, jax.ShapeDtypeStruct((2, *shape), jnp.float32))
    assert (logits.shape, logits.dtype) == ((2, classes), jnp.float32)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("lenet5", (11, 28, 1)),
        ("alexnet", (62, 224, 3)),
        ("vgg16", (64, 31, 3)),
        ("squeezenet1_1", (16, 30, 3)),
    ],
)
def test_too_small_images_are_refused(name: str, shape: tuple[int, int, int]) -> None:
    start = f"model: {name!r} cannot take images of shape {shape}: layer "
    with pytest.raises(ValueError, match=f"^{re.escape(start)}"):
        build(name, shape)


# --- numbers --------------------------------------------------------------------------------------


def drawn(make: Any) -> Any:
    """A module whose numbers are all random, in eval mode."""
    module = eval_mode(make(kernel_init=glorot_uniform, rngs=nnx.Rngs(0)))
    rng = np.random.default_rng(7)
    for _, variable in nnx.to_flat_state(nnx.state(module, (nnx.Param, nnx.BatchStat))):
        if variable[...].ndim == 1:  # biases, and scales and variances around 1
            variable[...] = jnp.asarray(rng.uniform(0.5, 1.5, variable.shape), jnp.float32)
    return module


def wide(array: Any) -> Any:
    return np.asarray(array, np.float64)


def conv(layer: Any, x: Any, stride: int = 1, pad: int = 0) -> Any:
    """A convolution in float64, sum by sum."""
    kernel = wide(layer.kernel[...])
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    y = np.einsum("nhwcij,ijco->nhwo", windows[:, ::stride, ::stride], kernel)
    return y if layer.bias is None else y + wide(layer.bias[...])


def norm(layer: Any, x: Any) -> Any:
    mean, var, scale, bias = (
        wide(v[...]) for v in (layer.mean, layer.var, layer.scale, layer.bias)
    )
    return (x - mean) / np.sqrt(var + 1e-5) * scale + bias


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def picture(*shape: int) -> Any:
    return np.random.default_rng(1).normal(size=shape)


def close(module: Any, x: Any, expected: Any) -> None:
    found = jax.jit(lambda x: module(x))(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_a_basic_block() -> None:
    block = drawn(lambda **how: BasicBlock(3, 5, 2, **how))
    x = picture(2, 7, 6, 3)
    y = relu(norm(block.bn1, conv(block.conv1, x, stride=2, pad=1)))
    y = norm(block.bn2, conv(block.conv2, y, pad=1))
    skip, normalisation = block.downsample
    close(block, x, relu(y + norm(normalisation, conv(skip, x, stride=2))))


def test_a_basic_block_that_keeps_the_shape_adds_its_input() -> None:
    block = drawn(lambda **how: BasicBlock(4, 4, 1, **how))
    x = picture(2, 4, 5, 4)
    y = relu(norm(block.bn1, conv(block.conv1, x, pad=1)))
    close(block, x, relu(norm(block.bn2, conv(block.conv2, y, pad=1)) + x))


def test_a_bottleneck_has_its_stride_in_the_middle() -> None:
    block = drawn(lambda **how: Bottleneck(3, 2, 2, **how))
    x = picture(2, 6, 7, 3)
    y = relu(norm(block.bn1, conv(block.conv1, x)))
    y = relu(norm(block.bn2, conv(block.conv2, y, stride=2, pad=1)))
    y = norm(block.bn3, conv(block.conv3, y))
    skip, normalisation = block.downsample
    close(block, x, relu(y + norm(normalisation, conv(skip, x, stride=2))))


@pytest.mark.parametrize("side", [9, 12])  # pooling of 4 and of 5 rows: with a partial window
def test_a_squeezenet_of_one_fire_module(side: int) -> None:
    net = drawn(lambda **how: SqueezeNet((((2, 3),),), (side, 10, 2), 4, **how))
    x = picture(2, side, 10, 2)
    y = relu(conv(net.features[0], x, stride=2))
    rows, columns = (-(-(size - 3) // 2) + 1 for size in y.shape[1:3])
    y = np.stack(
        [
            [y[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2)) for j in range(columns)]
            for i in range(rows)
        ]
    ).transpose(2, 0, 1, 3)
    fire = net.features[3]
    assert isinstance(fire, Fire)
    squeezed = relu(conv(fire.squeeze, y))
    expanded = [relu(conv(fire.expand1x1, squeezed)), relu(conv(fire.expand3x3, squeezed, pad=1))]
    scores = relu(conv(net.classifier[1], np.concatenate(expanded, axis=-1)))
    close(net, x, scores.mean((1, 2)))


@pytest.mark.parametrize("side", [28, 32])
def test_lenet5_pads_28x28_to_32x32(side: int) -> None:
    first, pooled, second, *_ = zoo_summary("lenet5", (side, side, 1)).layers
    assert [row.output_shape for row in (first, pooled, second)] == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
    ]
