"""AlexNet, for one device.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014, section 4: the
network of Krizhevsky, Sutskever and Hinton, 2012, without its two columns and its normalisation.
The filters, paddings and names of the layers are those of torchvision.
"""

from functools import partial

import jax
from flax import nnx

from jcnn import ops
from jcnn.layers import (
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Initializer,
    MaxPooling2D,
    output_shape,
)
from jcnn.models.chain import Chain

HIDDEN = 4096


class AlexNet(nnx.Module):
    """Five convolutions and three dense layers.

    The first dense layer takes all features, so its size follows that of the images: 6x6x256 for
    224x224. torchvision instead pools the features to 6x6, which changes nothing for 224x224.
    Flattened features are in the order rows, columns, channels; in torchvision, channels come
    first.

    Args:
        input_shape: `(H, W, C)` of the images, H and W at least 63.
        classes: number of logits.
        kernel_init, rngs: as for `jcnn.layers.Conv2D`.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        kernel_init: Initializer,
        rngs: nnx.Rngs,
    ) -> None:
        conv = partial(Conv2D, kernel_init=kernel_init, rngs=rngs)
        dense = partial(Dense, kernel_init=kernel_init, rngs=rngs)
        self.features = Chain(
            [
                conv(input_shape[2], 64, 11, stride=4, padding=2),
                Activation(ops.relu),
                MaxPooling2D(3, stride=2),
                conv(64, 192, 5),
                Activation(ops.relu),
                MaxPooling2D(3, stride=2),
                conv(192, 384, 3),
                Activation(ops.relu),
                conv(384, 256, 3),
                Activation(ops.relu),
                conv(256, 256, 3),
                Activation(ops.relu),
                MaxPooling2D(3, stride=2),
            ]
        )
        (size,) = output_shape([*self.features, Flatten()], input_shape)
        self.classifier = Chain(
            [
                Dropout(0.5, rngs=rngs),
                dense(size, HIDDEN),
                Activation(ops.relu),
                Dropout(0.5, rngs=rngs),
                dense(HIDDEN, HIDDEN),
                Activation(ops.relu),
                dense(HIDDEN, classes),
            ]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits `(N, classes)` of `x (N, H, W, C)`."""
        return self.classifier(ops.flatten(self.features(x)))


def alexnet(
    input_shape: tuple[int, int, int], classes: int, *, kernel_init: Initializer, rngs: nnx.Rngs
) -> AlexNet:
    """AlexNet: 61,100,840 parameters for 224x224x3 and 1000 classes, most in the dense layers."""
    return AlexNet(input_shape, classes, kernel_init=kernel_init, rngs=rngs)
