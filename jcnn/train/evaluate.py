"""`evaluate` and `predict`: a model's scores and probabilities, in eval mode."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from jcnn import ops
from jcnn.config import DeviceCount, check_devices
from jcnn.data import Dataset, StreamedImages
from jcnn.data.class_names import match_classes
from jcnn.data.memory import memory_budget
from jcnn.data.streamed import Images
from jcnn.layers import Layer, as_model, eval_mode
from jcnn.layers.finite import check_finite, named_arrays
from jcnn.layers.model import split_model
from jcnn.train.devices import (
    gathered,
    mesh_of,
    on_one_device,
    place_whole,
)
from jcnn.train.functions import NONE, Functions, PerExample, check_labels, functions_of
from jcnn.train.metrics import correct
from jcnn.train.prepared import prepare
from jcnn.train.processes import decided
from jcnn.train.programs import logits_program
from jcnn.train.split_logits import split_logits

Model = nnx.Module | Sequence[Layer]

# Images that do not fit on the device are copied to it in chunks of about this size.
CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Evaluation:
    """Means over `n` examples.

    Attributes:
        loss: the cross-entropy in nats, or the given loss.
        accuracy: in 0..1; NaN for labels `(N, K)`, which are no classes.
        n: number of examples.
        metrics: the given metrics by name.
    """

    loss: float
    accuracy: float
    n: int
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)


def evaluate(
    model: Model,
    dataset: Dataset,
    *,
    batch_size: int = 64,
    flips: bool = False,
    class_names: Sequence[str] | None = None,
    devices: DeviceCount = 1,
    loss: PerExample | None = None,
    metrics: Mapping[str, PerExample] | None = None,
) -> Evaluation:
    """Mean loss and accuracy of a model, in eval mode.

    Args:
        model: as for `fit`.
        dataset: the examples.
        batch_size: number of images in a batch; it affects the result only by rounding.
        flips: evaluate the mean of the probabilities for each image and its mirror image.
        class_names: names of the model's logits, in order; the labels are matched by name. With
            None, label `k` belongs to logit `k`.
        devices: as for `predict`.
        loss, metrics: as for `fit`; None is the cross-entropy, and no metric.

    Raises:
        ValueError: the model does not fit the data, the classes differ, or a loss or metric gives
            no number for each example.
    """
    functions = functions_of(loss, metrics)
    check_labels(functions, dataset)
    if flips and not dataset.has_classes:
        raise ValueError("flips: got True for labels (N, K); it is a mean of probabilities")
    if class_names is not None:
        dataset = match_classes(dataset, class_names)
    check_fit(as_model(model), dataset)
    logits = predict_logits(
        model, dataset.images, batch_size=batch_size, flips=flips, devices=devices
    )
    return evaluate_logits(logits, dataset.labels, functions)


def predict(
    model: Model,
    images: Images,
    *,
    batch_size: int = 64,
    flips: bool = False,
    devices: DeviceCount = 1,
) -> np.ndarray:
    """Probabilities of the classes, in eval mode.

    The first call for a model structure and image shape traces and compiles the model. Later
    calls run the compiled program with the model's current parameters.

    Args:
        model: as for `fit`.
        images: `(N, H, W, C)` uint8.
        batch_size: number of images in a batch.
        flips: return the mean for each image and its mirror image.
        devices: number of devices that share each batch, or "all".

    Returns:
        `(N, K)` float32; each row sums to 1.

    Raises:
        ValueError: the images have another rank or dtype, or do not fit the model.
    """
    logits = predict_logits(model, images, batch_size=batch_size, flips=flips, devices=devices)
    return np.asarray(_softmax(logits))


def predict_logits(
    model: Model,
    images: Images,
    *,
    batch_size: int = 64,
    flips: bool = False,
    devices: DeviceCount = 1,
) -> jax.Array:
    """Logits of the classes, in eval mode; `predict` returns their softmax.

    Compute a loss from logits: a probability may have been rounded to 0. With `flips` the logits
    are `ln((p + q) / 2)` for the probabilities `p` of each image and `q` of its mirror image.

    Args:
        model, images, batch_size, flips, devices: as for `predict`.

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
    check_devices(devices)
    model = as_model(model)
    prepared, states = prepare(model, images.shape[1:], batch_size)
    mesh = None if devices == 1 else mesh_of(devices)
    compute = partial(_in_chunks, prepared.program, states, images, batch_size)
    if mesh is not None:
        compute = partial(_on_devices, mesh, model, states, images, batch_size)
    logits = compute()
    if not flips:
        return logits
    mirrored = compute(mirror=True)
    mean: jax.Array = _log_mean(logits, mirrored)
    return mean


def _on_devices(
    mesh: Mesh,
    model: nnx.Module,
    states: tuple[Any, Any, Any],
    images: Images,
    batch_size: int,
    *,
    mirror: bool = False,
) -> jax.Array:
    graphdef = split_model(eval_mode(model)).graphdef
    placed = (place_whole(mesh, states[0]), states[1], place_whole(mesh, states[2]))
    found = split_logits(
        graphdef, placed, images, batch_size, mesh, chunk=_chunk(images), mirror=mirror
    )
    logits: jax.Array = on_one_device(found)
    return logits


def check_fit(model: nnx.Module, dataset: Dataset) -> None:
    """Check that a model accepts the images of a data set and has a logit for each class.

    Raises:
        ValueError: names the layer that rejects its input, or the shape of the logits.
    """
    shape = model_output_shape(model, dataset.image_shape)
    classes = len(dataset.class_names)
    if shape != (classes,):
        raise ValueError(
            f"model: gives {shape} for an image of {dataset.image_shape}; "
            f"expected one logit for each of the {classes} classes, ({classes},)"
        )


def model_output_shape(model: nnx.Module, image_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a model's output for one image, without the batch axis; nothing is computed."""
    return prepare(model, image_shape)[0].output_shape


def check_probabilities(model: nnx.Module, probabilities: np.ndarray) -> None:
    """Raise a ValueError that says why if probabilities `(N, K)` are not finite."""
    finite = np.isfinite(probabilities).all(axis=1)
    if not finite.all():
        check_finite(named_arrays(model))
        raise ValueError(
            f"model: its outputs are too large for {(~finite).sum():,} of {len(finite):,} images, "
            "so there are no probabilities; accepted: a model that has not diverged"
        )


@jax.jit
def _softmax(logits: jax.Array) -> jax.Array:
    return ops.softmax(logits)


@jax.jit
def _log_mean(a: jax.Array, b: jax.Array) -> jax.Array:
    """The logarithm of the mean of two softmaxes, which does not underflow."""
    one, other = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
    return jnp.logaddexp(one, other) - math.log(2)


def evaluate_logits(
    logits: jax.Array, labels: np.ndarray, functions: Functions = NONE
) -> Evaluation:
    """Loss, accuracy and metrics of logits `(N, K)` for labels `(N,)` or `(N, K)`."""
    chex.assert_rank(logits, 2)
    target = jnp.asarray(labels)
    loss = jnp.mean((functions.loss or ops.cross_entropy)(logits, target))
    accuracy = int(correct(logits, target)) / len(labels) if labels.ndim == 1 else math.nan
    metrics = {
        name: float(jnp.mean(metric(logits, target).astype(jnp.float32)))
        for name, metric in functions.metrics
    }
    return Evaluation(float(loss), accuracy, len(labels), metrics)


def compute_logits(
    graphdef: Any,
    states: tuple[Any, Any, Any],
    images: Images | jax.Array,
    batch_size: int,
    *,
    population: bool = False,
    mesh: Mesh | None = None,
) -> jax.Array:
    """Logits of any number of images, copied to the device in chunks if they do not fit.

    Args:
        graphdef, states: from `split_model(eval_mode(model))`.
        images: `(N, H, W, C)` uint8, on the device, in host memory or streamed.
        batch_size: number of images in a batch.
        population: as for `logits_program`.
        mesh: of the devices that `states` are on, if they share the images or the models.

    Returns:
        `(N, K)`, or `(M, N, K)` for a population of M.
    """
    if mesh is not None and not population:
        assert not isinstance(images, jax.Array)
        chunk = _chunk(images)
        return split_logits(graphdef, states, images, batch_size, mesh, chunk=chunk)
    program = logits_program(graphdef, batch_size, population=population, mesh=mesh)
    logits: jax.Array = gathered(_in_chunks(program, states, images, batch_size))
    return logits


def _in_chunks(
    program: Any,
    states: tuple[Any, Any, Any],
    images: Images | jax.Array,
    batch_size: int,
    *,
    mirror: bool = False,
) -> jax.Array:
    """Logits of any number of images, or of their mirror images with `mirror`."""

    def compute(chunk: Images | jax.Array) -> jax.Array:
        # The program copies a NumPy array to the device faster than `jnp.asarray`.
        array = chunk if isinstance(chunk, jax.Array) else np.asarray(chunk)
        logits: jax.Array = program(*states, array[:, :, ::-1] if mirror else array)
        return logits

    if isinstance(images, np.ndarray) and len(images) <= batch_size:  # one batch, so one chunk
        return compute(images)
    if isinstance(images, jax.Array) or not must_stream(images):
        return compute(images)
    size = max(1, chunk_examples(images) // batch_size) * batch_size
    starts = range(0, len(images), size)
    chunks = [compute(images[np.arange(i, min(i + size, len(images)))]) for i in starts]
    return jnp.concatenate(chunks, axis=-2)


def _chunk(images: Images) -> int:
    """How many images the devices get at a time, as process 0 decides."""
    return decided(lambda: chunk_examples(images) if must_stream(images) else len(images))


def must_stream(images: Images) -> bool:
    """Whether the images do not fit on the device."""
    return isinstance(images, StreamedImages) or images.nbytes > memory_budget()


def chunk_examples(images: Images) -> int:
    """Number of images that are copied to the device at a time."""
    budget = min(CHUNK_BYTES, memory_budget() // 8)
    return max(1, budget * len(images) // images.nbytes)
