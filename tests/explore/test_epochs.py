"""What a page over epochs holds: each epoch's weights, JAX's outputs, scores by NumPy."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jcnn import ops
from jcnn.data import digits
from jcnn.data.preprocessing import Preprocessing, set_preprocessing
from jcnn.explore import Epochs, page
from jcnn.explore import _page as page_file
from jcnn.layers import Activation, Conv2D, Dense, Flatten, Sequential
from jcnn.models import build
from tests.explore.models import shaken
from tests.explore.test_page import at, content_of, numbers_of, pictures

IMAGES = pictures(2, 5, 4, 1)
JUDGED = pictures(230, 5, 4, 1)  # more than two batches
LABELS = np.random.default_rng(3).integers(0, 3, 230)
CLASSES = ["ant", "bee", "cat"]
NUMBERS = (0, 3, 4)


def model(seed: int) -> Sequential:
    rngs = nnx.Rngs(seed)
    made = Sequential(
        [Conv2D(1, 2, 3, activation=ops.relu, rngs=rngs), Flatten(), Dense(40, 3, rngs=rngs)]
    )
    set_preprocessing(made, Preprocessing((5, 4), "stretch", "grey", mean=(0.4,), deviation=(0.3,)))
    return made


def epochs(load: Callable[[int], nnx.Module] = model, **more: Any) -> Epochs:
    return Epochs(NUMBERS, load, JUDGED, LABELS, **more)


def logits_of(epoch: int, images: Any) -> Any:
    x = (images / np.float32(255) - np.float32(0.4)) / np.float32(0.3)
    return np.asarray(model(epoch)(jnp.asarray(x)), np.float64)


def test_weights_and_checks_are_those_of_each_epoch() -> None:
    made = page(model(4), IMAGES, CLASSES, epochs=epochs())
    content, numbers = content_of(made), numbers_of(made)
    held = content["epochs"]
    assert held["numbers"] == [*NUMBERS]
    names = [layer["name"] for layer in content["layers"]]
    conv, dense = names.index("conv2d"), names.index("dense")
    for epoch, weights, checks in zip(NUMBERS, held["weights"], held["checks"], strict=True):
        own = model(epoch)
        for array, place in (
            (own.conv2d.kernel, weights[conv]["kernel"]),
            (own.dense.kernel, weights[dense]["kernel"]),
            (own.dense.bias, weights[dense]["bias"]),
        ):
            np.testing.assert_array_equal(at(numbers, place), array[...])
        for image, outputs in zip(IMAGES, checks, strict=True):
            logits = logits_of(epoch, image[None])[0]
            assert sorted(map(int, outputs)) == [dense, len(names) - 1]
            np.testing.assert_allclose(at(numbers, outputs[str(dense)]), logits, rtol=1e-5)
            e = np.exp(logits - logits.max())
            last = at(numbers, outputs[str(len(names) - 1)])
            np.testing.assert_allclose(last, e / e.sum(), rtol=1e-5)
    # The layers of the page are those of the last epoch, stored once.
    assert content["layers"][dense]["arrays"] == held["weights"][-1][dense]


def test_the_scores_are_those_of_numpy() -> None:
    history = {"epoch": [1, 2], "loss": [0.5, float("nan")], "val_loss": [None, None], "x": [1, 2]}
    given = epochs(history=history, chosen_of=1000)
    held = content_of(page(model(4), IMAGES, CLASSES, epochs=given))["epochs"]
    assert held["history"] == {"epoch": [1, 2], "loss": [0.5, None], "val_loss": [None, None]}
    test = held["test"]
    assert (test["count"], test["of"]) == (230, 1000)
    for i, epoch in enumerate(NUMBERS):
        y = logits_of(epoch, JUDGED)
        found = y.argmax(1)
        for truth in range(3):
            for guess in range(3):
                count = sum((truth == LABELS) & (found == guess))
                assert test["confusion"][i][truth][guess] == count
        assert test["accuracy"][i] == pytest.approx((found == LABELS).mean(), abs=1e-12)
        losses = np.log(np.exp(y).sum(1)) - y[np.arange(230), LABELS]
        assert test["loss"][i] == pytest.approx(losses.mean(), rel=1e-5)


def test_a_model_that_ends_with_its_own_softmax() -> None:
    """Its loss is that of its probabilities, not of a second softmax."""

    def ending(seed: int) -> Sequential:
        dense = Dense(20, 3, rngs=nnx.Rngs(seed))
        return Sequential([Flatten(), dense, Activation(ops.softmax)])

    made = page(ending(4), IMAGES, CLASSES, epochs=epochs(ending))
    held = content_of(made)["epochs"]
    p = np.asarray(ending(3)(jnp.asarray(JUDGED) / 255), np.float64)
    expected = -np.log(p[np.arange(230), LABELS]).mean()
    assert held["test"]["loss"][1] == pytest.approx(expected, rel=1e-5)
    assert all(len(outputs) == 2 for of in held["checks"] for outputs in of)


def test_what_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(given: Epochs, said: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
            page(model(4), IMAGES, CLASSES, epochs=given)

    refused(replace(epochs(), numbers=(0,)), "epochs: got [0]; accepted: two or more rising")
    refused(replace(epochs(), numbers=(0, 2, 2)), "epochs: got [0, 2, 2]; accepted: two or more")
    refused(replace(epochs(), images=JUDGED[..., 0]), "epochs: images: got (230, 5, 4) of uint8;")
    refused(replace(epochs(), labels=LABELS[1:]), "epochs: labels: accepted: (230,) of ints")
    refused(
        replace(epochs(), labels=LABELS + 1), "epochs: labels: accepted: (230,) of ints below 3"
    )
    refused(
        epochs(lambda epoch: shaken(build("mlp", (5, 4, 1), 3))),
        "epochs: epoch 0 is of another model than the page's",
    )

    def diverged(epoch: int) -> Sequential:
        found = model(epoch)
        if epoch == 3:
            found.dense.bias[...] = found.dense.bias[...].at[1].set(np.nan)
        return found

    refused(epochs(diverged), "epochs: epoch 3: bias of layer 'dense' is not finite")
    monkeypatch.setattr(page_file, "_REFUSED", 1000)
    size = "epochs: the weights of 3 epochs take 0.0 MB in a page; accepted: 0 MB at most"
    refused(epochs(), size)
    monkeypatch.setattr(page_file, "_REFUSED", 3000)
    with pytest.raises(ValueError, match=r", [2-9] of these epochs: train with --keep-checkpoints"):
        page(model(4), IMAGES, CLASSES, epochs=replace(epochs(), numbers=tuple(range(9))))


@pytest.mark.slow
def test_digits_are_data_of_the_same_shape() -> None:
    """An epoch of the zoo's model, with the labels of real data: int32."""
    _, test = digits()
    images = np.asarray(test.images)
    given = Epochs((0, 1), lambda e: build("mlp", (8, 8, 1), 10, seed=e), images, test.labels)
    last = build("mlp", (8, 8, 1), 10, seed=1)
    made = page(last, images[:1], test.class_names, epochs=given)
    counts = np.array(content_of(made)["epochs"]["test"]["confusion"])
    assert counts.sum((1, 2)).tolist() == [len(test)] * 2
