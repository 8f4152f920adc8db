"""LeNet-5.

LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
section II.B. As in today's textbooks, average pooling has no parameters, each filter of the second
convolution sees all channels, tanh is not scaled, and the output is a dense layer.
"""

from functools import partial

from flax import nnx

from jcnn import ops
from jcnn.layers import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Initializer,
    Sequential,
    output_shape,
)

# The network is made for characters of at most 20x20 in the middle of 32x32 pixels.
SIDE = 32


def lenet5(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """LeNet-5: 61,706 parameters for 28x28x1 or 32x32x1 and 10 classes.

    Images with fewer than 32 rows or columns are padded by 2 pixels on each side, so that 28x28
    gives the paper's 32x32.
    """
    pad = 2 if min(input_shape[:2]) < SIDE else 0
    conv = partial(Conv2D, activation=ops.tanh, kernel_init=kernel_init, rngs=rngs)
    dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
    features = [
        conv(input_shape[2], 6, 5, padding=pad),
        AveragePooling2D(2),
        conv(6, 16, 5, padding="VALID"),
        AveragePooling2D(2),
        Flatten(),
    ]
    (size,) = output_shape(features, input_shape)
    return Sequential(
        [
            *features,
            dense(size, 120, activation=ops.tanh),
            dense(120, 84, activation=ops.tanh),
            dense(84, classes),
        ]
    )
