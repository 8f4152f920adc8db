"""The table of models, and the functions that build them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn.compile import run_once
from jcnn.data import Notify
from jcnn.data.events import silent
from jcnn.data.preprocessing import set_preprocessing
from jcnn.interop.weights import load_weights, weights_preprocessing
from jcnn.layers import Initializer, LayerError, glorot_uniform, set_dropout
from jcnn.layers.streams import Streams
from jcnn.models.alexnet import alexnet
from jcnn.models.convnext import convnext_atto, convnext_tiny
from jcnn.models.efficientnet import (
    efficientnet_b0,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
)
from jcnn.models.lectures import (
    conv1,
    conv2,
    conv2pool,
    conv4,
    creatures,
    mlp,
    mlp_dropout,
    mnist_cnn,
    tiny_vgg,
)
from jcnn.models.lenet import lenet5
from jcnn.models.mobilenet import mobilenet_v2
from jcnn.models.mobilenet_v3 import mobilenet_v3_large, mobilenet_v3_small
from jcnn.models.resnet import resnet18, resnet18_cifar, resnet34, resnet50
from jcnn.models.squeezenet import squeezenet1_1
from jcnn.models.vgg import vgg16
from jcnn.suggest import did_you_mean
from jcnn.system.keras_file import read_ahead

Standard = tuple[tuple[float, ...], tuple[float, ...]]

# Of ImageNet's training images, as for all weights of torchvision.
_IMAGENET: Standard = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# TensorFlow's `(x - 127) / 128`.
_LITE: Standard = ((127 / 255,) * 3, (128 / 255,) * 3)


@dataclass(frozen=True)
class Entry:
    """A model of the zoo.

    Attributes:
        build: `(input_shape, classes, *, kernel_init, rngs)` to the module.
        input_shape: `(H, W, C)` of its source, the default.
        classes: number of logits in its source, the default.
        source: the lecture, paper or program that it comes from.
        layers: a short text.
        params: number of parameters for these defaults.
        multiply_adds: products of an input and a weight, for one image of the default shape.
        standard: mean and deviation, for each channel, of the images `x / 255` that published
            weights were trained on.
    """

    build: Callable[..., nnx.Module]
    input_shape: tuple[int, int, int]
    classes: int
    source: str
    layers: str
    # Written down since tracing all models takes seconds.
    params: int
    multiply_adds: int
    standard: Standard | None = None


# The models of `jcnn.models.lectures`.
LECTURES: dict[str, Entry] = {
    "mlp": Entry(
        mlp,
        (28, 28, 1),
        10,
        "lecture D",
        "dense 128, dense",
        params=101_770,
        multiply_adds=101_632,
    ),
    "mlp_dropout": Entry(
        mlp_dropout,
        (28, 28, 1),
        10,
        "lecture D",
        "dense 128, dropout, dense",
        params=101_770,
        multiply_adds=101_632,
    ),
    "conv1": Entry(
        conv1,
        (28, 28, 1),
        10,
        "lecture D",
        "conv 32, dropout, dense",
        params=251_210,
        multiply_adds=476_672,
    ),
    "conv2": Entry(
        conv2,
        (28, 28, 1),
        10,
        "lecture D",
        "conv 32, conv 64, dropout, dense",
        params=520_586,
        multiply_adds=15_178_240,
    ),
    "conv2pool": Entry(
        conv2pool,
        (28, 28, 1),
        10,
        "lecture D",
        "conv 32, conv 64, pool, dropout, dense",
        params=144_266,
        multiply_adds=14_801_920,
    ),
    "conv4": Entry(
        conv4,
        (28, 28, 1),
        10,
        "lecture D",
        "(conv, conv, pool, dropout) x 2, dropout, dense",
        params=192_330,
        multiply_adds=36_415_232,
    ),
    "mnist_cnn": Entry(
        mnist_cnn,
        (28, 28, 1),
        10,
        "lecture C",
        "conv 32, conv 64, pool, dropout, dense 128, dropout, dense",
        params=1_199_882,
        multiply_adds=11_992_448,
    ),
    "creatures": Entry(
        creatures,
        (100, 100, 3),
        6,
        "lecture E",
        "(conv, conv, pool) x 2, dense 512, dense",
        params=17_403_430,
        multiply_adds=240_175_616,
    ),
    "tiny_vgg": Entry(
        tiny_vgg,
        (64, 64, 3),
        10,
        "CNN Explainer",
        "(conv 10, conv 10, pool) x 2, dense",
        params=19_920,
        multiply_adds=5_608_780,
    ),
}

# Published networks up to 2016.
CLASSICS: dict[str, Entry] = {
    "lenet5": Entry(
        lenet5,
        (28, 28, 1),
        10,
        "LeCun et al. 1998",
        "(conv 5x5, average pool) x 2, dense 120, dense 84, dense",
        params=61_706,
        multiply_adds=416_520,
    ),
    "alexnet": Entry(
        alexnet,
        (224, 224, 3),
        1000,
        "Krizhevsky 2014",
        "conv 11x11, conv 5x5, conv 3x3 x 3, dense 4096 x 2, dense",
        params=61_100_840,
        multiply_adds=714_188_480,
        standard=_IMAGENET,
    ),
    "vgg16": Entry(
        vgg16,
        (224, 224, 3),
        1000,
        "Simonyan and Zisserman 2014",
        "13 conv 3x3, dense 4096 x 2, dense",
        params=138_357_544,
        multiply_adds=15_470_264_320,
        standard=_IMAGENET,
    ),
    "resnet18": Entry(
        resnet18,
        (224, 224, 3),
        1000,
        "He et al. 2015",
        "8 residual blocks of 2 conv 3x3, dense",
        params=11_689_512,
        multiply_adds=1_814_073_344,
        standard=_IMAGENET,
    ),
    "resnet34": Entry(
        resnet34,
        (224, 224, 3),
        1000,
        "He et al. 2015",
        "16 residual blocks of 2 conv 3x3, dense",
        params=21_797_672,
        multiply_adds=3_663_761_408,
        standard=_IMAGENET,
    ),
    "resnet50": Entry(
        resnet50,
        (224, 224, 3),
        1000,
        "He et al. 2015",
        "16 residual blocks of conv 1x1, 3x3, 1x1, dense",
        params=25_557_032,
        multiply_adds=4_089_184_256,
        standard=_IMAGENET,
    ),
    "resnet18_cifar": Entry(
        resnet18_cifar,
        (32, 32, 3),
        10,
        "He et al. 2015",
        "resnet18 with a 3x3 stem without pooling",
        params=11_173_962,
        multiply_adds=555_422_720,
    ),
    "squeezenet1_1": Entry(
        squeezenet1_1,
        (224, 224, 3),
        1000,
        "Iandola et al. 2016",
        "8 fire modules of conv 1x1, (1x1, 3x3), conv 1x1",
        params=1_235_496,
        multiply_adds=349_151_936,
        standard=_IMAGENET,
    ),
}

# Networks of depthwise convolutions.
DEPTHWISE: dict[str, Entry] = {
    "mobilenet_v2": Entry(
        mobilenet_v2,
        (224, 224, 3),
        1000,
        "Sandler et al. 2018",
        "conv 32, 17 blocks, conv 1280, dense",
        params=3_504_872,
        multiply_adds=300_774_272,
        standard=_IMAGENET,
    ),
    "mobilenet_v3_small": Entry(
        mobilenet_v3_small,
        (224, 224, 3),
        1000,
        "Howard et al. 2019",
        "conv 16, 11 blocks, conv 576, dense 1024, dense",
        params=2_542_856,
        multiply_adds=56_510_400,
        standard=_IMAGENET,
    ),
    "mobilenet_v3_large": Entry(
        mobilenet_v3_large,
        (224, 224, 3),
        1000,
        "Howard et al. 2019",
        "conv 16, 15 blocks, conv 960, dense 1280, dense",
        params=5_483_032,
        multiply_adds=216_589_760,
        standard=_IMAGENET,
    ),
    "efficientnet_lite0": Entry(
        efficientnet_lite0,
        (224, 224, 3),
        1000,
        "Liu 2020",
        "conv 32, 16 blocks, conv 1280, dense",
        params=4_652_008,
        multiply_adds=385_187_552,
        standard=_LITE,
    ),
    "efficientnet_lite1": Entry(
        efficientnet_lite1,
        (240, 240, 3),
        1000,
        "Liu 2020",
        "conv 32, 20 blocks, conv 1280, dense",
        params=5_416_680,
        multiply_adds=600_185_232,
        standard=_LITE,
    ),
    "efficientnet_lite2": Entry(
        efficientnet_lite2,
        (260, 260, 3),
        1000,
        "Liu 2020",
        "conv 32, 21 blocks, conv 1280, dense",
        params=6_092_072,
        multiply_adds=859_736_272,
        standard=_LITE,
    ),
    "efficientnet_b0": Entry(
        efficientnet_b0,
        (224, 224, 3),
        1000,
        "Tan and Le 2019",
        "conv 32, 16 blocks, conv 1280, dense",
        params=5_288_548,
        multiply_adds=385_814_752,
        standard=_IMAGENET,
    ),
    "convnext_atto": Entry(
        convnext_atto,
        (224, 224, 3),
        1000,
        "Wightman 2022",
        "conv 40, 12 blocks, dense",
        params=3_695_520,
        multiply_adds=547_332_480,
        standard=_IMAGENET,
    ),
    "convnext_tiny": Entry(
        convnext_tiny,
        (224, 224, 3),
        1000,
        "Liu et al. 2022",
        "conv 96, 18 blocks, dense",
        params=28_589_128,
        multiply_adds=4_455_531_264,
        standard=_IMAGENET,
    ),
}

ZOO: dict[str, Entry] = {**LECTURES, **CLASSICS, **DEPTHWISE}


def build(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    *,
    seed: int = 0,
    kernel_init: Initializer = glorot_uniform,
    dropout: float | None = None,
    weights: str | Path | None = None,
    notify: Notify = silent,
) -> nnx.Module:
    """Build a model of the zoo, with newly initialised or with trained parameters.

    Args:
        name: a name in `ZOO`.
        input_shape: `(H, W, C)` of the images; None means that of the model's lecture or paper.
        classes: number of logits; None means that of the model's lecture or paper.
        seed: seed of the parameters.
        kernel_init: as for `jcnn.layers.Conv2D`.
        dropout: rate of every dropout layer; None means each layer's own.
        weights: trained weights, as for `jcnn.interop.load_weights`: "auto", a file or a run
            folder. The model then has the `preprocessing` that it was trained with. A head of
            another number of classes starts at zero, as in Kolesnikov et al. 2019 (BiT), and
            `seed` and `kernel_init` have no effect.
        notify: called with a note that says which weights were loaded.

    Returns:
        A module from `(N, H, W, C)` float32 in 0..1 to `(N, classes)` logits.

    Raises:
        ValueError: the name is unknown, the images are too small for the model, the weights do
            not fit, or `dropout` is given and there is no dropout layer.
    """
    entry = zoo_entry(name)
    init = kernel_init if weights is None else zeros

    def draw(seed: jax.Array) -> Any:
        key = jax.random.key(seed)
        return nnx.split(trace(name, input_shape, classes, seed=key, kernel_init=init))

    model: nnx.Module = nnx.merge(*run_once(draw, np.int64(seed)))
    if dropout is not None:
        set_dropout(model, dropout)
    if weights is not None:
        shape = entry.input_shape if input_shape is None else input_shape
        with read_ahead(Path(weights)):
            load_weights(model, weights, name=name, input_shape=shape, notify=notify)
            set_preprocessing(model, weights_preprocessing(weights, entry.standard, shape))
    return model


def zeros(_key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """An initialiser for parameters that are replaced; drawing those of a large model is slow."""
    return jnp.zeros(shape, dtype)


def trace(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
    *,
    seed: int | jax.Array = 0,
    kernel_init: Initializer = glorot_uniform,
) -> nnx.Module:
    """`build` without compiling: for use inside `jax.eval_shape`, `jit` or `vmap`."""
    entry = zoo_entry(name)
    shape = entry.input_shape if input_shape is None else input_shape
    key = jax.random.key(seed) if isinstance(seed, int) else seed
    try:
        return entry.build(
            shape,
            entry.classes if classes is None else classes,
            kernel_init=kernel_init,
            rngs=Streams(key),
        )
    except LayerError as error:
        raise ValueError(f"model: {name!r} cannot take images of shape {shape}: {error}") from error


def zoo_entry(name: str) -> Entry:
    """The entry of the table with this name.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in ZOO:
        guess = did_you_mean(name, ZOO)
        raise ValueError(f"model: got {name!r}; accepted: {', '.join(ZOO)}{guess}")
    return ZOO[name]
