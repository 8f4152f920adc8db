"""A page over three epochs of the small network, and its numbers by the oracle."""

from functools import cache
from typing import Any

import numpy as np

from tests.explore.built import built
from tests.explore.small import CLASSES, PICTURES, Array, drawn, layers, outputs_of

EPOCHS = (0, 2, 5)
LOSSES = [1.5, 0.9, None, 0.4, 0.25]  # of the epochs 1 to 5; JSON has no NaN
CONFUSION = np.random.default_rng(5).integers(0, 40, (3, 3, 3))
ACCURACY = [0.25, 0.5, 0.875]
TEST_LOSS = [1.75, 0.75, 0.5]


def weights(place: int) -> dict[str, Array]:
    """The kernel and bias of the convolution, and the kernel of the dense layer."""
    return {
        "kernel": drawn(10 + place, 3, 2, 3, 4),
        "bias": drawn(20 + place, 4),
        "dense": drawn(30 + place, 48, 3),
    }


@cache
def at_epoch(place: int, picture: int) -> list[Array]:
    """The input and every layer's output."""
    own = weights(place)
    return outputs_of(PICTURES[picture], own["kernel"], own["bias"], own["dense"])


def chain(place: int) -> list[dict[str, Any]]:
    """The layers with the weights of an epoch."""
    own, found = weights(place), layers()
    found[0]["arrays"] = {"kernel": own["kernel"], "bias": own["bias"]}
    found[4]["arrays"] = {"kernel": own["dense"], "bias": drawn(4, 3)}
    return found


def epochs_page(wrong: int | None = None) -> str:
    """The page; the check of epoch `wrong` (its place) is of other numbers."""
    checks = [
        [{i: at_epoch(e, p)[i + 1] + (e == wrong) for i in (4, 5)} for p in range(2)]
        for e in range(3)
    ]
    epochs = {
        "numbers": list(EPOCHS),
        "weights": [[layer.get("arrays", {}) for layer in chain(e)] for e in range(3)],
        "checks": checks,
        "history": {
            "epoch": [1, 2, 3, 4, 5],
            "loss": LOSSES,
            "accuracy": [0.1, 0.2, 0.3, 0.4, 0.5],
            "val_loss": [2.0, 1.0, 0.5, 0.5, 0.375],
            "val_accuracy": [None] * 5,
        },
        "test": {
            "count": 120,
            "of": 1200,
            "loss": TEST_LOSS,
            "accuracy": ACCURACY,
            "confusion": CONFUSION.tolist(),
        },
    }
    full: list[list[Any]] = [[*at_epoch(2, p)[1:]] for p in range(2)]
    return built(chain(2), PICTURES, classes=CLASSES, checks=full, epochs=epochs)
