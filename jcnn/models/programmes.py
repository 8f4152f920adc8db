"""Models that lectures C and E and CNN Explainer write out as programmes."""

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
    """Lecture E's six kinds of animal, 100x100x3: 17,403,430 parameters, most in one dense."""
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
