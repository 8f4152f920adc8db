"""Error messages of `fit`, `evaluate` and `predict`."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import Conv2D, Dense, Flatten, Sequential
from jcnn.train import evaluate, fit, predict
from tests.train import small

ONE = TrainConfig(epochs=1)


def refuses(message: str) -> "pytest.RaisesExc[ValueError]":
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_as_many_logits_as_classes() -> None:
    message = (
        "model: gives (3,) for an image of (6, 5, 2); "
        "expected one logit for each of the 4 classes, (4,)"
    )
    with refuses(message):
        fit(small.model(classes=3), small.dataset(classes=4), ONE)
    with refuses(message):
        evaluate(small.model(classes=3), small.dataset(classes=4))


def test_logits_of_one_axis() -> None:
    model = Conv2D(2, 3, activation=ops.relu, rngs=nnx.Rngs(0))
    with refuses(
        "model: gives (6, 5, 3) for an image of (6, 5, 2); "
        "expected one logit for each of the 3 classes, (3,)"
    ):
        fit(model, small.dataset(), ONE)


def test_the_layer_that_does_not_fit_is_named() -> None:
    model = Sequential([Flatten(), Dense(59, 3, rngs=nnx.Rngs(0))])
    with refuses(
        "model: cannot take images of (6, 5, 2): layer 'dense': "
        "kernel: got shape (59, 3) for x (1, 60); its first axis must be D = 60"
    ):
        fit(model, small.dataset(), ONE)


def test_a_plain_modules_layer_is_named_by_its_path() -> None:
    class Net(nnx.Module):
        def __init__(self) -> None:
            self.blocks = nnx.List([Conv2D(3, 4, rngs=nnx.Rngs(0))])

        def __call__(self, x: jax.Array) -> jax.Array:
            y: jax.Array = self.blocks[0](x)
            return y

    with pytest.raises(ValueError, match="layer 'blocks/0': kernel: got shape"):
        evaluate(Net(), small.dataset())


def test_pictures_of_the_validation_data_must_fit_too() -> None:
    small_pictures = Dataset(
        np.zeros((4, 3, 3, 2), np.uint8), np.zeros(4, np.int32), small.dataset().class_names
    )
    with pytest.raises(ValueError, match=r"^model: cannot take images of \(3, 3, 2\): layer"):
        fit(small.model(), small.dataset(), ONE, validation=small_pictures)


def test_validation_is_given_once() -> None:
    with refuses("validation: give either it or config.validation_split, not both"):
        fit(
            small.model(),
            small.dataset(),
            TrainConfig(validation_split=0.2),
            validation=small.dataset(),
        )


def test_resume_needs_a_run() -> None:
    with refuses("resume: needs a run folder to resume from"):
        fit(small.model(), small.dataset(), ONE, resume=True)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(small.model(), small.dataset(), ONE, run=tmp_path)
    with refuses(f"run: {tmp_path} already holds a training; resume it or name another"):
        fit(small.model(), small.dataset(), ONE, run=tmp_path)


@pytest.mark.parametrize(
    ("images", "shown"),
    [
        (np.zeros((6, 5, 2), np.uint8), "(6, 5, 2) of uint8"),
        (np.zeros((1, 6, 5, 2), np.float32), "(1, 6, 5, 2) of float32"),
        (np.zeros((0, 6, 5, 2), np.uint8), "(0, 6, 5, 2) of uint8"),
    ],
)
def test_predict_takes_pictures(images: np.ndarray, shown: str) -> None:
    with refuses(f"images: got shape {shown}; expected (N, H, W, C) of uint8 with N >= 1"):
        predict(small.model(), images)
