"""ResNet-18 and -50 in plain Flax, with the names of jcnn's layers, and their training step."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jcnn.layers import train_mode
from jcnn.layers.model import split_model

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


class Block(nnx.Module):
    """A residual block of convolutions with batch normalisation.

    Args:
        channels: of the input.
        sizes: filters, kernel size and stride of each convolution.
        conv, norm: constructors of the layers.
    """

    def __init__(
        self,
        channels: int,
        sizes: Sequence[tuple[int, int, int]],
        conv: Callable[..., nnx.Conv],
        norm: Callable[..., nnx.BatchNorm],
    ) -> None:
        stride = max(stride for *_, stride in sizes)
        read = channels
        for i, (filters, size, step) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", conv(read, filters, (size, size), step, padding=size // 2))
            setattr(self, f"bn{i}", norm(filters))
            read = filters
        self.convolutions = len(sizes)
        same = stride == 1 and channels == read
        self.downsample = nnx.List(
            [] if same else [conv(channels, read, (1, 1), stride, padding=0), norm(read)]
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the block to `x (N, H, W, C)`."""
        y, short = x, x
        for i in range(1, self.convolutions + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = nnx.relu(y) if i < self.convolutions else y
        for layer in self.downsample:
            short = layer(short)
        return nnx.relu(y + short)


class ResNet(nnx.Module):
    """ResNet with torchvision's paddings: `(N, H, W, C)` to logits `(N, classes)`.

    Args:
        name: a name in `BLOCKS`.
        channels: C.
        classes: number of logits.
        dtype: of the arithmetic; parameters are float32.
    """

    def __init__(self, name: str, channels: int, classes: int, dtype: Any) -> None:
        rngs = nnx.Rngs(0)
        conv = partial(nnx.Conv, use_bias=False, dtype=dtype, rngs=rngs)
        norm = partial(nnx.BatchNorm, momentum=0.9, epsilon=1e-5, dtype=dtype, rngs=rngs)
        self.conv1 = conv(channels, 64, (7, 7), 2, padding=3)
        self.bn1 = norm(64)
        read, stages = 64, []
        for stage, number in enumerate(BLOCKS[name]):
            filters, made = 64 * 2**stage, []
            for i in range(number):
                stride = 2 if stage and not i else 1
                sizes = [(filters, 3, stride), (filters, 3, 1)]
                if name == "resnet50":
                    sizes = [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
                made.append(Block(read, sizes, conv, norm))
                read = sizes[-1][0]
            stages.append(nnx.List(made))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nnx.Linear(read, classes, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of `x`."""
        x = nnx.relu(self.bn1(self.conv1(x)))
        x = nnx.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                x = block(x)
        return self.fc(jnp.mean(x, (1, 2)))


def copy_weights(model: nnx.Module, flax_model: ResNet) -> None:
    """Give the Flax model the arrays of jcnn's model of the same layers.

    Raises:
        ValueError: the arrays differ in number or shape.
    """
    kinds = (nnx.Param, nnx.BatchStat)
    for kind in kinds:
        ours, theirs = nnx.state(model, kind), nnx.state(flax_model, kind)
        arrays, structure = jax.tree.leaves(ours), jax.tree.structure(theirs)
        if [x.shape for x in arrays] != [x.shape for x in jax.tree.leaves(theirs)]:
            raise ValueError("model: its arrays are not those of the Flax model")
        nnx.update(flax_model, jax.tree.unflatten(structure, arrays))


def training(model: ResNet) -> tuple[Callable[..., Any], Any]:
    """The step `(carry, images uint8, labels)` to the next carry, and the first carry.

    SGD with momentum 0.9; the carry ends with the sum of the losses.
    """
    graphdef, params, streams, rest = split_model(train_mode(model))
    change = optax.sgd(1e-3, momentum=0.9)

    def step(carry: Any, images: jax.Array, labels: jax.Array) -> Any:
        params, rest, moments, total = carry

        def mean_loss(params: Any) -> tuple[jax.Array, Any]:
            model = nnx.merge(graphdef, params, streams, rest, copy=True)
            logits = model(jnp.asarray(images, jnp.float32) / 255).astype(jnp.float32)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), split_model(model).rest

        (loss, rest), gradients = jax.value_and_grad(mean_loss, has_aux=True)(params)
        updates, moments = change.update(gradients, moments, params)
        return optax.apply_updates(params, updates), rest, moments, total + loss

    # In one program, not one for each array.
    own = jax.jit(lambda *state: jax.tree.map(jnp.copy, (*state, change.init(state[0]))))
    return step, (*own(params, rest), jnp.zeros(()))
