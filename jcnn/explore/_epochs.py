"""The weights of a training's epochs for a page, and how the model did after each."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.explore._network import Network, network
from jcnn.explore._numbers import Numbers, Place

CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


@dataclass(frozen=True)
class Epochs:
    """The epochs of a training that a page shows.

    Attributes:
        numbers: two or more epochs, rising; 0 is before training. The page's model has the weights
            of the last one.
        load: gives the model with the weights of an epoch; it may be the same object each time.
        images: `(M, H, W, C)` uint8, on which the model is judged after each epoch.
        labels: `(M,)`, their classes.
        chosen_of: number of images that these were chosen from; None means that they are all.
        history: columns of the training, such as "epoch", "loss" and "val_accuracy", a value for
            each epoch from 1; None is no value. Others than these are ignored.
    """

    numbers: Sequence[int]
    load: Callable[[int], nnx.Module]
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer]
    chosen_of: int | None = None
    history: Mapping[str, Sequence[float | None]] | None = None


def check_epochs(given: Epochs, found: Network) -> None:
    """Raise a `ValueError` that names what does not fit the page's model."""
    epochs = list(given.numbers)
    if len(epochs) < 2 or epochs != sorted(set(epochs)) or epochs[0] < 0:
        raise ValueError(f"epochs: got {epochs}; accepted: two or more rising numbers from 0")
    images, labels = given.images, given.labels
    if images.dtype != np.uint8 or images.shape[1:] != found.input_shape or len(images) == 0:
        got, shape = f"{images.shape} of {images.dtype}", (None, *found.input_shape)
        raise ValueError(f"epochs: images: got {got}; accepted: {shape} of uint8")
    classes = found.layers[-1].out_shape[0]
    whole = labels.shape == (len(images),) and np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"epochs: labels: accepted: ({len(images)},) of ints below {classes}")


def describe_epochs(
    given: Epochs,
    found: Network,
    images: npt.NDArray[np.uint8],
    numbers: Numbers,
    *,
    half: bool = False,
) -> dict[str, Any]:
    """What the page has of the epochs, as JSON; arrays are added to `numbers`.

    Args:
        given: the epochs.
        found: the page's model.
        images: `(N, H, W, C)`, those that the page shows. The page compares its logits and
            probabilities of them with JAX's for each epoch.
        numbers: of the page.
        half: round the parameters of every epoch to float16.

    Raises:
        ValueError: an epoch is of another model, or has parameters that are not finite.
    """
    weights: list[list[dict[str, Place]]] = []
    checks: list[list[dict[int, Place]]] = []
    scores: list[dict[str, Any]] = []
    last = len(found.layers) - 1
    for epoch in given.numbers:
        of = network(given.load(epoch), found.input_shape, half=half)
        _check_same(epoch, of, found)
        weights.append([{n: numbers.add(a) for n, a in one.arrays.items()} for one in of.layers])
        compared = {found.layers[last].inputs[0] - 1, last} - {-1}
        outputs = [of.outputs(image) for image in images]
        checks.append([{i: numbers.add(each[i]) for i in sorted(compared)} for each in outputs])
        scores.append(_scores(of, given))
    history = given.history or {}
    return {
        "numbers": list(given.numbers),
        "weights": weights,
        "checks": checks,
        "history": {name: _plain(history[name]) for name in ("epoch", *CURVES) if name in history},
        "test": {
            "count": len(given.images),
            "of": given.chosen_of or len(given.images),
            **{name: [one[name] for one in scores] for name in scores[0]},
        },
    }


def _check_same(epoch: int, of: Network, found: Network) -> None:
    for ours, theirs in zip(of.layers, found.layers, strict=False):
        same = (ours.kind, ours.in_shape, ours.out_shape) == (
            *(theirs.kind, theirs.in_shape),
            theirs.out_shape,
        )
        if not same or ours.arrays.keys() != theirs.arrays.keys():
            raise ValueError(f"epochs: epoch {epoch} is of another model than the page's")
        for name, array in ours.arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"epochs: epoch {epoch}: {name} of layer {ours.name!r} is not finite"
                )


def _scores(of: Network, given: Epochs) -> dict[str, Any]:
    """Loss in nats, accuracy, and the confusion matrix: rows are labels, columns predictions."""
    y = _log_probabilities(of, of.logits(given.images).astype(np.float64))
    labels, predicted = given.labels, y.argmax(1)
    confusion = np.zeros((y.shape[1], y.shape[1]), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    loss = -y[np.arange(len(labels)), labels].mean()
    return {
        "loss": float(f"{loss:.6g}") if math.isfinite(loss) else None,
        "accuracy": float((labels == predicted).mean()),
        "confusion": confusion.tolist(),
    }


def _log_probabilities(of: Network, y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of the model's output, which is logits or, where it ends with a softmax, probabilities."""
    if of.ends[-1] is not None:
        with np.errstate(divide="ignore"):
            return np.log(y)
    y = y - y.max(1, keepdims=True)
    return np.asarray(y - np.log(np.exp(y).sum(1, keepdims=True)))


def _plain(values: Sequence[float | None]) -> list[float | None]:
    """Numbers for JSON, which has no NaN."""
    return [None if v is None or not math.isfinite(v) else v for v in values]
