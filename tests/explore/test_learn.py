"""The pictures that a page is given for its training, and the models that it cannot train."""

import base64
from typing import Any

import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.explore import most_learn_images, page
from jcnn.layers import BatchNormalization, Conv2D, Dense, Flatten, LayerNormalization, Sequential
from jcnn.models import build
from tests.explore.test_page import content_of, pictures, small

CLASSES = ["a", "b", "c"]


def made(model: Any, learn: Any, shape: tuple[int, int, int] = (5, 4, 1)) -> Any:
    return page(model, pictures(1, *shape), CLASSES, learn=learn)


def test_the_pictures_and_labels_are_packed() -> None:
    images, labels = pictures(12, 5, 4, 1), [i % 3 for i in range(12)]
    learn = content_of(made(small(), (images, labels)))["learn"]
    assert base64.b64decode(learn["pixels"]) == images.tobytes()
    assert learn["labels"] == labels
    assert "learn" not in content_of(made(small(), None))


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [
        (9, [0] * 9, r"learn: got 9 images; accepted: \(M, 5, 4, 1\) of uint8, 10 <= M <= 50,000"),
        (50_001, [0] * 50_001, "learn: got 50,001 images; accepted"),
        (12, [0] * 11, "learn: got 11 labels for 12 images"),
        (12, [0] * 11 + [3], "learn: got label 3; accepted: 0 to 2"),
    ],
)
def test_wrong_pictures_are_refused(count: int, labels: list[int], message: str) -> None:
    images = np.zeros((count, 5, 4, 1), np.uint8)
    with pytest.raises(ValueError, match=f"^{message}"):
        made(small(), (images, labels))
    assert most_learn_images((5, 4, 1)) == 50_000


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^learn: got images \(12, 4, 5, 1\) of uint8; accepted"):
        made(small(), (pictures(12, 4, 5, 1), [0] * 12))


class Shared(nnx.Module):
    """One dense layer, called twice."""

    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.square, self.last = Dense(20, 20, rngs=rngs), Dense(20, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        """The logits."""
        x = x.reshape(x.shape[0], -1)
        return self.last(self.square(ops.relu(self.square(x))))


class Scaled(nnx.Module):
    """A learned factor outside of a layer."""

    def __init__(self) -> None:
        self.factor = nnx.Param(np.full(20, 2.0, np.float32))
        self.last = Dense(20, 3, rngs=nnx.Rngs(0))

    def __call__(self, x: Any) -> Any:
        """The logits."""
        return self.last(x.reshape(x.shape[0], -1) * self.factor[...])


def normalised(norm: nnx.Module) -> Sequential:
    rngs = nnx.Rngs(0)
    return Sequential([Conv2D(1, 2, rngs=rngs), norm, Flatten(), Dense(40, 3, rngs=rngs)])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            normalised(BatchNormalization(2, rngs=nnx.Rngs(0))),
            "layer 'batch_normalization' is a batch_norm, which the page cannot train; accepted:",
        ),
        (normalised(LayerNormalization(2)), "layer 'layer_normalization' is a layer_norm, which"),
        (Shared(), "layer 'square#2' shares its parameters with 'square"),
        (Scaled(), "layer '.*' is a multiply with a constant, which the page cannot train"),
    ],
)
def test_models_that_cannot_be_trained_are_refused(model: nnx.Module, message: str) -> None:
    with pytest.raises(ValueError, match=f"^learn: {message}"):
        made(model, (pictures(12, 5, 4, 1), [0] * 12))


def test_large_models_are_refused() -> None:
    images = pictures(10, 28, 28, 1)
    message = "^learn: the model has 201,929 parameters; accepted: 1 to 30,000"
    with pytest.raises(ValueError, match=message):
        page(
            build("conv1", (25, 28, 1), 9),
            images[:1, :25],
            [*"abcdefghi"],
            learn=(images[:, :25], [0] * 10),
        )
