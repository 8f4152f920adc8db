"""Scores against scikit-learn, and the calibration error against a loop from its definition."""

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jcnn.train.scores import BINS, Scores, scores

# Sums of up to 400 float64 numbers of size 1, in another order.
CLOSE = 1e-12


def names(k: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(k))


def random_case(
    seed: int, n: int, k: int, used: int, sharpness: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Probabilities of k classes that never predict the last ones, and labels of the first."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, k))
    logits[:, used:] -= 100
    labels = rng.integers(0, max(1, used - 1), n).astype(np.int32)
    logits[np.arange(n), labels] += 1
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True), labels


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 400),
    k=st.integers(2, 12),
    unused=st.integers(0, 3),
    sharpness=st.floats(0.1, 5),
)
def test_equals_scikit_learn(seed: int, n: int, k: int, unused: int, sharpness: float) -> None:
    from sklearn import metrics  # takes a second, which each process would spend while collecting

    p, labels = random_case(seed, n, k, max(1, k - unused), sharpness)
    found = scores(p, labels, names(k), top_k=2)
    classes, predicted = np.arange(k), p.argmax(axis=1)
    assert found.n == n
    assert found.accuracy == pytest.approx((predicted == labels).mean(), abs=CLOSE)
    assert found.loss == pytest.approx(metrics.log_loss(labels, p, labels=classes), rel=1e-9)
    np.testing.assert_array_equal(
        found.confusion, metrics.confusion_matrix(labels, predicted, labels=classes)
    )
    assert found.confusion.dtype == np.int64
    expected = metrics.precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0
    )
    rows = [(c.precision, c.recall, c.f1, c.support) for c in found.classes]
    np.testing.assert_allclose(rows, np.transpose(expected), atol=CLOSE)
    assert [c.name for c in found.classes] == list(names(k))
    assert found.top_k == 2
    if k > 2:  # scikit-learn takes two classes as one column
        expected_top = metrics.top_k_accuracy_score(labels, p, k=2, labels=classes)
        assert found.top_k_accuracy == pytest.approx(expected_top, abs=CLOSE)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 400),
    k=st.integers(2, 12),
    sharpness=st.floats(0.1, 5),
)
def test_calibration_by_its_definition(seed: int, n: int, k: int, sharpness: float) -> None:
    p, labels = random_case(seed, n, k, k, sharpness)
    found = scores(p, labels, names(k))
    inside: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for row, label in zip(p.tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        m = next(m for m in range(1, 16) if (m - 1) / 15 < confidence <= m / 15 or m == 15)
        inside[m - 1].append((confidence, row.index(confidence) == label))
    error = 0.0
    assert len(found.reliability) == BINS == 15
    for m, (members, row) in enumerate(zip(inside, found.reliability, strict=True)):
        assert (row.low, row.high) == pytest.approx((m / 15, (m + 1) / 15), abs=CLOSE)
        assert row.count == len(members)
        if not members:
            assert (row.confidence, row.accuracy) == (None, None)
            continue
        confidence = math.fsum(c for c, _ in members) / len(members)
        accuracy = sum(right for _, right in members) / len(members)
        assert (row.confidence, row.accuracy) == pytest.approx((confidence, accuracy), abs=CLOSE)
        error += abs(confidence - accuracy) * len(members) / n
    assert found.ece == pytest.approx(error, abs=CLOSE)


def test_a_case_by_hand() -> None:
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.5, 0.25, 0.25]], np.float32)
    found = scores(p, np.array([0, 1, 2]), ("a", "b", "c"), top_k=2)
    assert found.loss == pytest.approx((math.log(2) + math.log(4 / 3) + math.log(4)) / 3)
    assert found.accuracy == pytest.approx(2 / 3)
    # Of the last row's equal second places, class 1 comes first.
    assert found.top_k_accuracy == pytest.approx(2 / 3)
    assert found.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    # 0.5 twice with one right, 0.75 once and right.
    assert found.ece == pytest.approx((2 * 0 + 0.25) / 3)
    assert [(r.count, r.confidence, r.accuracy) for r in found.reliability if r.count] == [
        (2, 0.5, 0.5),
        (1, 0.75, 1.0),
    ]


def test_equal_probabilities_predict_the_first_class() -> None:
    p = np.full((4, 4), 0.25, np.float32)
    for k in range(1, 5):
        found = scores(p, np.arange(4), names(4), top_k=k)
        assert found.accuracy == 0.25
        assert found.top_k_accuracy == k / 4
        assert found.confusion[:, 0].tolist() == [1, 1, 1, 1]


def test_certainty_and_a_probability_of_0() -> None:
    found = scores(np.eye(2, dtype=np.float32), np.array([0, 0]), ("a", "b"))
    assert found.loss == pytest.approx(126 * math.log(2) / 2)
    assert (found.ece, found.accuracy) == (0.5, 0.5)
    assert found.reliability[-1].count == 2
    assert found.top_k_accuracy == 1


def test_a_bin_holds_its_upper_edge() -> None:
    found = scores(np.array([[0.6, 0.4]]), np.array([0]), ("a", "b"))
    assert [row.high for row in found.reliability if row.count] == [pytest.approx(0.6)]


def test_json_has_everything_and_is_json() -> None:
    p, labels = random_case(0, 50, 4, 3, 1.0)
    found: Scores = scores(p, labels, names(4))
    back = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert list(back)[:3] == ["loss", "accuracy", "n"]
    assert set(back) == set(vars(found))
    assert back["loss"] == found.loss
    assert back["confusion"] == found.confusion.tolist()
    assert back["classes"][1] == vars(found.classes[1])
    assert back["reliability"][7] == vars(found.reliability[7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.ones(3)}, "probabilities: got shape (3,) of float64; accepted: (N,"),
        ({"probabilities": np.ones((2, 2))}, "probabilities: got shape (2, 2)"),
        ({"probabilities": np.ones((0, 3))}, "probabilities: got shape (0, 3)"),
        ({"probabilities": np.eye(2, 3, dtype=int)}, "probabilities: got shape (2, 3) of int64"),
        ({"probabilities": np.ones((2, 3))}, "probabilities: got an invalid row; accepted"),
        ({"probabilities": np.full((2, 3), np.nan)}, "probabilities: got an invalid row"),
        ({"probabilities": np.array([[2.0, -1, 0]] * 2)}, "probabilities: got an invalid row"),
        ({"labels": np.array([0])}, "labels: got shape (1,) of int64; accepted: (2,) of integers"),
        ({"labels": np.array([0.0, 1.0])}, "labels: got shape (2,) of float64"),
        ({"labels": np.array([0, 3])}, "labels: got 3; accepted: 0 to 2"),
        ({"labels": np.array([-1, 2])}, "labels: got -1; accepted: 0 to 2"),
        ({"top_k": 0}, "top_k: got 0; accepted: an int >= 1"),
        ({"top_k": True}, "top_k: got True"),
    ],
)
def test_a_wrong_argument_is_named(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "probabilities": np.eye(2, 3),
        "labels": np.array([0, 2]),
        "class_names": names(3),
    }
    scores(**good)
    with pytest.raises(ValueError) as caught:
        scores(**good | change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
