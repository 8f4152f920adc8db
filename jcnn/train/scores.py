"""Scores of predicted probabilities on labelled examples, in NumPy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jcnn.system.html_table import html_table

# The number of bins of Guo et al.
BINS = 15
# The smallest normal float32: a probability that was rounded to 0 has a loss of 87.3 nats.
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class.

    Attributes:
        name: name of the class.
        precision: share of correct predictions of this class; 0 without predictions.
        recall: share of this class's examples that are predicted as it; 0 without examples.
        f1: harmonic mean of precision and recall; 0 if both are 0.
        support: number of examples of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The examples whose largest probability lies in `(low, high]`.

    Attributes:
        low, high: the edges of the bin.
        count: number of examples in the bin.
        confidence: mean of their largest probability; None for an empty bin.
        accuracy: share of correct predictions; None for an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of N rows of probabilities for N labels of K classes.

    Attributes:
        n: number of examples, N.
        loss: mean of -ln(probability of the label), in nats.
        accuracy: share of the examples whose label has the largest probability; among equal
            ones the first class is the prediction.
        top_k: the k of `top_k_accuracy`.
        top_k_accuracy: share of the examples whose label has one of the k largest probabilities.
        classes: the scores of the K classes.
        confusion: `(K, K)` int64; row: true class, column: predicted class.
        ece: expected calibration error, the mean over the examples of |accuracy - confidence| of
            their bin.
        reliability: the bins, from 0 to 1.
    """

    n: int
    loss: float
    accuracy: float
    top_k: int
    top_k_accuracy: float
    classes: tuple[ClassScores, ...]
    confusion: npt.NDArray[np.int64]
    ece: float
    reliability: tuple[ReliabilityBin, ...]

    def _repr_html_(self) -> str:
        """The scores of each class as a table, which a notebook shows."""
        rows = [
            [
                row.name,
                *(f"{n:.4f}" for n in (row.precision, row.recall, row.f1)),
                f"{row.support:,}",
            ]
            for row in self.classes
        ]
        total = [
            "all",
            f"accuracy {self.accuracy:.4f}",
            f"loss {self.loss:.4f}",
            f"calibration error {self.ece:.4f}",
            f"{self.n:,}",
        ]
        return html_table(["class", "precision", "recall", "F1", "images"], rows, total)

    def to_json(self) -> dict[str, Any]:
        """The scores as numbers, strings, lists and dictionaries, for JSON."""
        return {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "n": self.n,
            "top_k": self.top_k,
            "top_k_accuracy": self.top_k_accuracy,
            "ece": self.ece,
            "classes": [asdict(row) for row in self.classes],
            "confusion": self.confusion.tolist(),
            "reliability": [asdict(row) for row in self.reliability],
        }


def scores(
    probabilities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    class_names: Sequence[str],
    *,
    top_k: int = 5,
    logits: npt.NDArray[np.floating] | None = None,
) -> Scores:
    """Compute the scores of predictions, in float64.

    Args:
        probabilities: `(N, K)` float, each row sums to 1; N >= 1.
        labels: `(N,)` int, each in 0..K-1.
        class_names: K names.
        top_k: as in `Scores`; with top_k >= K the accuracy is 1.
        logits: `(N, K)`, for the loss; the probabilities are their softmax. Without logits, a
            probability that was rounded to 0 has a loss of 87.3 nats.

    Raises:
        ValueError: an argument has a wrong shape, dtype or value; the message names it.

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017,
    equations 2 and 3.
    """
    _check(probabilities, labels, class_names, top_k)
    if logits is not None and logits.shape != probabilities.shape:
        raise ValueError(f"logits: got shape {logits.shape}; accepted: {probabilities.shape}")
    p = probabilities.astype(np.float64)
    n, k = p.shape
    of_label = p[np.arange(n), labels][:, None]
    # Equal probabilities are ranked in the order of the classes, as in argmax.
    earlier = np.arange(k) < labels[:, None]
    rank = ((p > of_label) | ((p == of_label) & earlier)).sum(axis=1)
    predicted, right = p.argmax(axis=1), rank == 0
    confusion = np.bincount(labels.astype(np.int64) * k + predicted, minlength=k * k)
    confusion = confusion.astype(np.int64).reshape(k, k)
    reliability = _reliability(p.max(axis=1), right)
    from_p = -np.log(np.maximum(of_label, _SMALLEST))
    losses = from_p if logits is None else _losses(logits, labels)
    return Scores(
        n=n,
        loss=float(losses.mean()),
        accuracy=float(right.mean()),
        top_k=top_k,
        top_k_accuracy=float((rank < top_k).mean()),
        classes=_class_rows(confusion, class_names),
        confusion=confusion,
        ece=sum(
            row.count / n * abs(row.accuracy - row.confidence)
            for row in reliability
            if row.accuracy is not None and row.confidence is not None
        ),
        reliability=reliability,
    )


def _losses(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """`-ln(softmax(logits)[label])` of each row, in nats."""
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)
    losses: npt.NDArray[np.float64] = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]
    return losses


def _class_rows(
    confusion: npt.NDArray[np.int64], class_names: Sequence[str]
) -> tuple[ClassScores, ...]:
    rows = []
    for label, name in enumerate(class_names):
        hits = int(confusion[label, label])
        support, predicted = int(confusion[label].sum()), int(confusion[:, label].sum())
        rows.append(
            ClassScores(
                name=name,
                precision=hits / predicted if predicted else 0.0,
                recall=hits / support if support else 0.0,
                f1=2 * hits / (predicted + support) if predicted + support else 0.0,
                support=support,
            )
        )
    return tuple(rows)


def _reliability(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    edges = np.linspace(0, 1, BINS + 1)
    of_example = np.digitize(confidence, edges[1:-1], right=True)
    rows = []
    for number in range(BINS):
        inside = of_example == number
        filled = bool(inside.any())
        rows.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                count=int(inside.sum()),
                confidence=float(confidence[inside].mean()) if filled else None,
                accuracy=float(right[inside].mean()) if filled else None,
            )
        )
    return tuple(rows)


def _check(
    probabilities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    class_names: Sequence[str],
    top_k: int,
) -> None:
    p, k = probabilities, len(class_names)
    if p.ndim != 2 or not np.issubdtype(p.dtype, np.floating) or p.shape[1] != k or not len(p):
        raise ValueError(
            f"probabilities: got shape {p.shape} of {p.dtype}; "
            f"accepted: (N, {k}) of floats with N >= 1, for {k} class names"
        )
    if not (np.all(p >= 0) and np.all(np.abs(p.sum(axis=1, dtype=np.float64) - 1) < 1e-2)):
        raise ValueError(
            "probabilities: got an invalid row; accepted: rows of numbers >= 0 that sum to 1"
        )
    if labels.shape != (len(p),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels: got shape {labels.shape} of {labels.dtype}; accepted: ({len(p)},) of integers"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= k:
        raise ValueError(f"labels: got {low if low < 0 else high}; accepted: 0 to {k - 1}")
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise ValueError(f"top_k: got {top_k!r}; accepted: an int >= 1")
