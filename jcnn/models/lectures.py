"""The models of the lectures: dense and convolutional networks, up to 17 million parameters.

Lecture D compares six on Fashion-MNIST, lecture C has one for MNIST, lecture E one for images of
animals; `tiny_vgg` is from CNN Explainer.
"""

import math
from functools import partial

from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Initializer,
    MaxPooling2D,
    Sequential,
    output_shape,
)

# Lecture D shows these two models' results but not their hidden layer: 128 units is our choice.
HIDDEN = 128


def mlp(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Flatten, dense 128, dense: 101,770 parameters for 28x28x1 and 10 classes."""
    return Sequential(
        [
            Flatten(),
            Dense(
                math.prod(input_shape),
                HIDDEN,
                activation=ops.relu,
                kernel_init=kernel_init,
                rngs=rngs,
            ),
            Dense(HIDDEN, classes, kernel_init=kernel_init, rngs=rngs),
        ]
    )


def mlp_dropout(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """`mlp` with dropout 0.5 between its two dense layers."""
    flatten, hidden, output = mlp(input_shape, classes, kernel_init=kernel_init, rngs=rngs)
    return Sequential([flatten, hidden, Dropout(0.5, rngs=rngs), output])


def conv1(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Conv 32, flatten, dropout 0.5, dense: 251,210 parameters for 28x28x1 and 10 classes."""
    conv = partial(Conv2D, activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    features = [conv(input_shape[2], 32), Flatten(), Dropout(0.5, rngs=rngs)]
    (size,) = output_shape(features, input_shape)
    return Sequential([*features, Dense(size, classes, kernel_init=kernel_init, rngs=rngs)])


def conv2(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Conv 32, conv 64, flatten, dropout 0.5, dense: 520,586 parameters."""
    conv = partial(Conv2D, activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    features = [conv(input_shape[2], 32), conv(32, 64), Flatten(), Dropout(0.5, rngs=rngs)]
    (size,) = output_shape(features, input_shape)
    return Sequential([*features, Dense(size, classes, kernel_init=kernel_init, rngs=rngs)])


def conv2pool(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Conv 32, conv 64, max pool 2, flatten, dropout 0.5, dense: 144,266 parameters."""
    conv = partial(Conv2D, activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    features = [
        conv(input_shape[2], 32),
        conv(32, 64),
        MaxPooling2D(),
        Flatten(),
        Dropout(0.5, rngs=rngs),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential([*features, Dense(size, classes, kernel_init=kernel_init, rngs=rngs)])


def conv4(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Two blocks of conv, conv, max pool 2, dropout 0.5; then dense: 192,330 parameters."""
    conv = partial(Conv2D, activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    features = [
        conv(input_shape[2], 32),
        conv(32, 64),
        MaxPooling2D(),
        Dropout(0.5, rngs=rngs),
        conv(64, 64),
        conv(64, 128),
        MaxPooling2D(),
        Dropout(0.5, rngs=rngs),
        Flatten(),
        Dropout(0.5, rngs=rngs),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential([*features, Dense(size, classes, kernel_init=kernel_init, rngs=rngs)])


def mnist_cnn(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Lecture C's conv, conv, pool, dense, dense: 1,199,882 parameters for 28x28x1."""
    conv = partial(Conv2D, padding="VALID", activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
    features = [
        conv(input_shape[2], 32),
        conv(32, 64),
        MaxPooling2D(),
        Dropout(0.25, rngs=rngs),
        Flatten(),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential(
        [
            *features,
            dense(size, 128, activation=ops.relu),
            Dropout(0.5, rngs=rngs),
            dense(128, classes),
        ]
    )


def creatures(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Lecture E's model for six animals, 100x100x3: 17,403,430 parameters, most in one dense."""
    same = partial(Conv2D, padding="SAME", activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    valid = partial(
        Conv2D, padding="VALID", activation=ops.relu, kernel_init=kernel_init, rngs=rngs
    )
    dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
    features = [
        same(input_shape[2], 32),
        valid(32, 32),
        MaxPooling2D(),
        same(32, 64),
        valid(64, 64),
        MaxPooling2D(),
        Flatten(),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential(
        [
            *features,
            dense(size, 512, activation=ops.relu),
            dense(512, classes),
        ]
    )


def tiny_vgg(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """CNN Explainer's network, 64x64x3: four convolutions of 10 filters, 19,920 parameters."""
    conv = partial(Conv2D, padding="VALID", activation=ops.relu, kernel_init=kernel_init, rngs=rngs)
    dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
    features = [
        conv(input_shape[2], 10),
        conv(10, 10),
        MaxPooling2D(),
        conv(10, 10),
        conv(10, 10),
        MaxPooling2D(),
        Flatten(),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential([*features, dense(size, classes)])
