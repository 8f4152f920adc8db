"""Multilayer perceptrons: what a CNN is compared with. Every pixel is an input of every unit."""

import math

from flax import nnx

from jcnn import ops
from jcnn.layers import Dense, Dropout, Flatten, Initializer, Sequential

# Lecture D shows these two models' results but not their hidden layer: 128 units is our choice.
HIDDEN = 128


def mlp(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> Sequential:
    """Flatten, dense 128, dense: 101,770 parameters for 28x28 pictures of 10 classes."""
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
