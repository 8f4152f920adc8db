"""`evaluate` and `predict`: what a model makes of pictures, with dropout off."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jcnn import ops
from jcnn.data import Dataset, StreamedImages
from jcnn.data.class_names import match_classes
from jcnn.data.memory import memory_budget
from jcnn.data.streamed import Images
from jcnn.layers import Layer, LayerError, as_model, eval_mode
from jcnn.layers.model import split_model
from jcnn.models.calls import recorded_calls
from jcnn.train.metrics import correct
from jcnn.train.programs import logits_program

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
    model: Model,
    dataset: Dataset,
    *,
    batch_size: int = 64,
    flips: bool = False,
    class_names: Sequence[str] | None = None,
) -> Evaluation:
    """Mean loss and accuracy of a model, with dropout off.

    Args:
        model: as for `fit`.
        dataset: the examples.
        batch_size: examples computed at a time; the result does not depend on it but for
            rounding.
        flips: judge the mean of the probabilities of each picture and of its mirror image.
        class_names: of the model's logits, in order; the labels are then matched by name. None
            takes label `k` for logit `k`.

    Raises:
        ValueError: the model does not fit the data, or the classes are others.
    """
    if class_names is not None:
        dataset = match_classes(dataset, class_names)
    check_fit(as_model(model), dataset)
    logits = predict_logits(model, dataset.images, batch_size=batch_size, flips=flips)
    return judge(logits, dataset.labels)


def predict(
    model: Model, images: Images, *, batch_size: int = 64, flips: bool = False
) -> np.ndarray:
    """Probabilities of the classes, with dropout off.

    The model is traced at the first call for its structure and the images' shape. Later calls
    run the compiled program with the parameters that the model then has.

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
    logits = predict_logits(model, images, batch_size=batch_size, flips=flips)
    return np.asarray(_softmax(logits))


def predict_logits(
    model: Model, images: Images, *, batch_size: int = 64, flips: bool = False
) -> jax.Array:
    """Logits of the classes, with dropout off: their softmax is what `predict` gives.

    A loss is computed from logits, since a probability may have been rounded to 0. With `flips`
    they are `ln((p + q) / 2)` for the probabilities `p` of each picture and `q` of its mirror
    image.

    Args:
        model, images, batch_size, flips: as for `predict`.

    Returns:
        `(N, K)`.

    Raises:
        ValueError: as for `predict`.
    """
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            f"images: got shape {images.shape} of {images.dtype}; "
            "expected (N, H, W, C) of uint8 with N >= 1"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; accepted: an int >= 1")
    prepared, states = _prepared(as_model(model), images.shape[1:], batch_size)
    logits = _in_pieces(prepared.program, states, images, batch_size)
    if not flips:
        return logits
    mirrored = _in_pieces(prepared.program, states, images, batch_size, mirror=True)
    mean: jax.Array = _log_mean(logits, mirrored)
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
    return _prepared(model, image_shape)[0].output_shape


class _Prepared(NamedTuple):
    """What is known of a model's structure once it was traced for one shape of pictures.

    Attributes:
        program: as `logits_program` gives it.
        output_shape: for one picture.
    """

    program: Any
    output_shape: tuple[int, ...]


# By the model's structure and mode, the shapes of its arrays and that of a picture, so that a
# model is traced again only where one of these has changed. The oldest makes room.
_PREPARED: dict[Hashable, _Prepared] = {}
_MOST_PREPARED = 64


def _prepared(
    model: nnx.Module, image_shape: tuple[int, ...], batch_size: int = 64
) -> tuple[_Prepared, Any]:
    """The program of a model in evaluation, and the model's arrays as they are now.

    Raises:
        ValueError: the model cannot take pictures of this shape.
    """
    parts = split_model(model)
    arrays = tuple((x.shape, x.dtype) for x in jax.tree.leaves((parts.params, parts.rest)))
    key = (parts.graphdef, arrays, image_shape, batch_size)
    found = _PREPARED.get(key)
    if found is None:
        module = eval_mode(model)
        program = logits_program(split_model(module).graphdef, batch_size)
        found = _Prepared(program, _output_shape(module, image_shape))
        while len(_PREPARED) >= _MOST_PREPARED:
            _PREPARED.pop(next(iter(_PREPARED)), None)
        _PREPARED[key] = found
    return found, (parts.params, parts.streams, parts.rest)


def _output_shape(module: nnx.Module, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    example = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    try:
        with recorded_calls(module):
            return tuple(jax.eval_shape(module, example).shape[1:])
    except LayerError as error:
        raise ValueError(f"model: cannot take pictures of {image_shape}: {error}") from error


@jax.jit
def _softmax(logits: jax.Array) -> jax.Array:
    return ops.softmax(logits)


@jax.jit
def _log_mean(a: jax.Array, b: jax.Array) -> jax.Array:
    """The logarithm of the mean of two softmaxes, which does not underflow."""
    one, other = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    return jnp.logaddexp(one, other) - math.log(2)


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
) -> jax.Array:
    """Logits of any number of pictures, brought to the device in pieces where that is needed.

    Args:
        graphdef, states: from `split_model(eval_mode(model))`.
        images: `(N, H, W, C)` uint8, wherever they are.
        batch_size: examples computed at a time.
        members: as for `logits_program`.

    Returns:
        `(N, K)`, or `(M, N, K)` with members.
    """
    program = logits_program(graphdef, batch_size, members=members)
    return _in_pieces(program, states, images, batch_size)


def _in_pieces(
    program: Any,
    states: tuple[Any, Any, Any],
    images: Images | jax.Array,
    batch_size: int,
    *,
    mirror: bool = False,
) -> jax.Array:
    """Logits of any number of pictures, turned left to right first where `mirror` is set."""

    def compute(piece: Images | jax.Array) -> jax.Array:
        # A NumPy array as it is: the program brings it to the device, faster than `jnp.asarray`.
        here = piece if isinstance(piece, jax.Array) else np.asarray(piece)
        logits: jax.Array = program(*states, here[:, :, ::-1] if mirror else here)
        return logits

    if isinstance(images, np.ndarray) and len(images) <= batch_size:  # one piece at any rate
        return compute(images)
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
