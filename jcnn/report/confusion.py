"""Draw the confusion matrix, and find the most frequent confusions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter

from jcnn.report.figure import GREY, INK, Picture, literal, new_figure, picture, short
from jcnn.train.scores import Scores

# In inches: side of a cell with few classes, side of the matrix with many, smallest cell with a
# count in it, height of a class name.
_CELL, _SIDE, _CELL_FOR_COUNTS, _LINE = 0.56, 22.0, 0.17, 0.15
# With more classes than this, the names stand above the matrix too.
_LARGE = 20


@dataclass(frozen=True)
class Confusion:
    """How often one class was predicted as another; `share` is the share of the true class."""

    true: str
    predicted: str
    count: int
    share: float


def most_confused(scores: Scores, most: int = 10) -> list[Confusion]:
    """The largest counts off the diagonal, in descending order; ties in class order."""
    wrong = scores.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(wrong)) for place in order]
    return [
        Confusion(
            scores.classes[true].name,
            scores.classes[predicted].name,
            int(wrong[true, predicted]),
            int(wrong[true, predicted]) / scores.classes[true].support,
        )
        for true, predicted in pairs
        if wrong[true, predicted]
    ]


def confusion_matrix(scores: Scores) -> Picture:
    """Draw the counts, coloured by the square root of their share of the true class."""
    counts = scores.confusion
    classes = len(counts)
    names = [short(row.name) for row in scores.classes]
    cell = min(_CELL, _SIDE / classes)
    side = max(cell * classes, 2.2)
    margin = 0.5 + 0.085 * max(map(len, names))
    large = classes > _LARGE
    figure = new_figure(side + margin + 0.9, side + (2 * margin if large else margin))
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(
        shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest"
    )
    every = max(1, int(np.ceil(_LINE / cell)))
    ticks = np.arange(0, classes, every)
    size = 9 if cell > 0.3 else 7
    axes.set_xticks(ticks, [names[i] for i in ticks], rotation=90, fontsize=size, color=INK)
    axes.set_yticks(ticks, [names[i] for i in ticks], fontsize=size, color=INK)
    # In a large matrix the lower names are far from the first rows.
    axes.tick_params(length=0, labeltop=large)
    for tick in (*axes.xaxis.get_major_ticks(), *axes.yaxis.get_major_ticks()):
        literal(tick.label1)
        literal(tick.label2)
    axes.set_xlabel("predicted class", fontsize=10, color=INK)
    axes.set_ylabel("true class", fontsize=10, color=INK)
    axes.spines[:].set_color(GREY)
    if cell >= _CELL_FOR_COUNTS:
        _write_counts(axes, counts, shares, cell)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 3 / side), aspect=14, pad=0.02)
    bar.set_label("share of the true class", fontsize=9, color=INK)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_edgecolor(GREY)
    return picture(
        "confusion",
        figure,
        f"Confusion matrix of {classes} classes: {int(np.trace(counts))} of {scores.n} right.",
    )


def _write_counts(
    axes: Axes, counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], cell: float
) -> None:
    """Write each count into its cell; zeros are left blank."""
    digits = len(str(counts.max()))
    size = min(10.0, cell * 72 * 0.8 / (0.62 * max(2, digits)))
    for true, predicted in np.argwhere(counts > 0).tolist():
        axes.text(
            predicted,
            true,
            str(counts[true, predicted]),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if shares[true, predicted] > 0.4 else INK,
            in_layout=False,  # measuring thousands of texts for the layout takes seconds
        )
