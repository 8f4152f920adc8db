"""`evaluate` and `predict`: what a model makes of pictures, with dropout off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.data import Dataset, Images, StreamedImages, memory_budget
from jcnn.layers import Layer, LayerError, as_model, evaluating, take_apart
from jcnn.metrics import correct
from jcnn.models.calls import recorded_calls
from jcnn.programs import logits_program

Model = nnx.Module | Sequence[Layer]

# Pictures that do not stay on the device come to it in pieces of about this size.
PIECE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Evaluation:
    """Mean loss in nats and accuracy in 0..1 over `n` examples."""

    loss: float
    accuracy: float
    n: int


def evaluate(
    model: Model, dataset: Dataset, *, batch_size: int = 64, flips: bool = False
) -> Evaluation:
    """Mean loss and accuracy of a model, with dropout off.

    Args:
        model: as for `fit`.
        dataset: the examples.
        batch_size: examples computed at a time; the result does not depend on it but for
            rounding.
        flips: judge the mean of the probabilities of each picture and of its mirror image.

    Raises:
        ValueError: the model does not fit the data.
    """
    check_fit(as_model(model), dataset)
    if flips:
        probabilities = predict(model, dataset.images, batch_size=batch_size, flips=True)
        return judge(jnp.log(jnp.asarray(probabilities)), dataset.labels)
    return judge(_logits(model, dataset.images, batch_size), dataset.labels)


def predict(
    model: Model, images: Images, *, batch_size: int = 64, flips: bool = False
) -> np.ndarray:
    """Probabilities of the classes, with dropout off.

    Args:
        model: as for `fit`.
        images: `(N, H, W, C)` uint8.
        batch_size: examples computed at a time.
        flips: give the mean over each picture and its mirror image.

    Returns:
        `(N, K)` float32; each row adds to 1.

    Raises:
        ValueError: the images have another rank or dtype, or do not fit the model.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"images: got shape {images.shape} of {images.dtype}; "
            "expected (N, H, W, C) of uint8 with N >= 1"
        )
    model_output_shape(as_model(model), images.shape[1:])
    probabilities = np.asarray(ops.softmax(_logits(model, images, batch_size)))
    if not flips:
        return probabilities
    mirrored = np.asarray(ops.softmax(_logits(model, images, batch_size, mirror=True)))
    mean: np.ndarray = (probabilities + mirrored) / 2
    return mean


def check_fit(model: nnx.Module, dataset: Dataset) -> None:
    """Refuse a model whose input or logits are not those of the data set, before compiling.

    Raises:
        ValueError: it names the layer that cannot take its input, or the shape of the logits.
    """
    shape = model_output_shape(model, dataset.image_shape)
    classes = len(dataset.class_names)
    if shape != (classes,):
        raise ValueError(
            f"model: gives {shape} for a picture of {dataset.image_shape}; "
            f"expected one logit for each of the {classes} classes, ({classes},)"
        )


def model_output_shape(model: nnx.Module, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a model's output for one picture, without the batch axis; nothing is computed."""
    module = evaluating(model)
    example = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    try:
        with recorded_calls(module):
            return tuple(jax.eval_shape(module, example).shape[1:])
    except LayerError as error:
        raise ValueError(f"model: cannot take pictures of {image_shape}: {error}") from error


def judge(logits: jax.Array, labels: np.ndarray) -> Evaluation:
    """Scores of logits `(N, K)` against their labels `(N,)`."""
    chex.assert_rank(logits, 2)
    target = jnp.asarray(labels)
    loss = jnp.mean(ops.cross_entropy(logits, target))
    return Evaluation(float(loss), int(correct(logits, target)) / len(labels), len(labels))


def all_logits(
    graphdef: Any,
    states: tuple[Any, Any, Any],
    images: Images | jax.Array,
    batch_size: int,
    *,
    members: bool = False,
    mirror: bool = False,
) -> jax.Array:
    """Logits of any number of pictures, brought to the device in pieces where that is needed.

    Args:
        graphdef, states: from `take_apart(evaluating(model))`.
        images: `(N, H, W, C)` uint8, wherever they are.
        batch_size: examples computed at a time.
        members: as for `logits_program`.
        mirror: turn left and right round first.

    Returns:
        `(N, K)`, or `(M, N, K)` with members.
    """
    program = logits_program(graphdef, batch_size, members=members)

    def compute(piece: Images | jax.Array) -> jax.Array:
        here = jnp.asarray(piece)
        logits: jax.Array = program(*states, here[:, :, ::-1] if mirror else here)
        return logits

    if isinstance(images, jax.Array) or not must_stream(images):
        return compute(images)
    size = max(1, piece_examples(images.shape[1:]) // batch_size) * batch_size
    starts = range(0, len(images), size)
    pieces = [compute(images[np.arange(i, min(i + size, len(images)))]) for i in starts]
    return jnp.concatenate(pieces, axis=-2)


def must_stream(images: Images) -> bool:
    """Whether the pictures cannot stay on the device."""
    return isinstance(images, StreamedImages) or images.nbytes > memory_budget()


def piece_examples(image_shape: tuple[int, ...]) -> int:
    """How many pictures come to the device at a time."""
    budget = min(PIECE_BYTES, memory_budget() // 8)
    return max(1, budget // int(np.prod(image_shape)))


def _logits(model: Model, images: Images, batch_size: int, *, mirror: bool = False) -> jax.Array:
    graphdef, *states = take_apart(evaluating(as_model(model)))
    return all_logits(graphdef, tuple(states), images, batch_size, mirror=mirror)
