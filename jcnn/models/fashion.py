"""Lecture D's four CNNs for Fashion-MNIST: from one convolution to four, with 'same' padding."""

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
    """Twice two convolutions, max pool 2, dropout 0.5; then dense: 192,330 parameters."""
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
