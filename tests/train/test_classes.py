"""Labels of two data sets are matched by the names of their classes."""

import numpy as np
import pytest

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.class_names import match_classes
from jcnn.train import evaluate, fit
from tests.train import small


def reordered(data: Dataset) -> Dataset:
    """The same images with other class indices."""
    order = np.array([2, 0, 1])
    names = tuple(data.class_names[k] for k in (1, 2, 0))
    return Dataset(data.images, order[data.labels].astype(np.int32), names)


def renamed(data: Dataset) -> Dataset:
    return Dataset(data.images, data.labels, ("class 0", "other", "class 2"))


REFUSED = (
    "has no 'class 1' but has 'other'; "
    "accepted: the model's 3 classes, 'class 0', 'class 1', 'class 2', in any order"
)


def test_labels_follow_their_names() -> None:
    data = small.dataset()
    other = reordered(data)
    assert (other.labels != data.labels).all()
    found = match_classes(other, data.class_names)
    np.testing.assert_array_equal(found.labels, data.labels)
    assert found.class_names == data.class_names
    assert found.labels.dtype == np.dtype("int32")
    assert found.images is other.images
    assert match_classes(data, list(data.class_names)) is data


@pytest.mark.parametrize(
    ("wanted", "theirs", "said"),
    [
        (("a", "b"), ("b",), "^data: has no 'a'; accepted"),
        (("b", "d", "e"), ("b", "c", "d", "e"), "^data: has 'c'; accepted"),
        (("a", "b", "d"), ("b", "c", "d"), "^data: has no 'a' but has 'c'; accepted"),
    ],
)
def test_other_classes_are_named(
    wanted: tuple[str, ...], theirs: tuple[str, ...], said: str
) -> None:
    data = Dataset(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int32), theirs)
    with pytest.raises(ValueError, match=said):
        match_classes(data, wanted)


def test_validation_is_matched_or_refused() -> None:
    data, judged = small.dataset(20), small.dataset(30, seed=1)
    config = TrainConfig(epochs=1, batch_size=10)
    own = fit(small.model(), data, config, validation=judged)
    other = fit(small.model(), data, config, validation=reordered(judged))
    assert own["val_loss"] == other["val_loss"]
    assert own["val_accuracy"] == other["val_accuracy"]
    with pytest.raises(ValueError, match=f"^validation: {REFUSED}$"):
        fit(small.model(), data, config, validation=renamed(judged))


def test_evaluate_matches_the_names_that_it_is_given() -> None:
    data, model = small.dataset(20), small.model()
    own = evaluate(model, data)
    assert evaluate(model, reordered(data), class_names=data.class_names) == own
    with pytest.raises(ValueError, match=f"^data: {REFUSED}$"):
        evaluate(model, renamed(data), class_names=data.class_names)
