"""Draw learning curves: training and validation accuracy and loss by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from jcnn.report.figure import BLUE, INK, ORANGE, Picture, new_figure, picture, quiet
from jcnn.runs.history import History

# The plots: (column, title, unit).
PLOTS = (("accuracy", "Accuracy", "accuracy"), ("loss", "Loss", "cross-entropy (nats)"))
_LINES = (("", "training", BLUE, "o"), ("val_", "validation", ORANGE, "s"))
# With more epochs than this, markers would merge into a thick line.
_MARKED = 30


def learning_curves(histories: Sequence[History]) -> list[Picture]:
    """Draw one figure for the accuracy and one for the loss.

    Args:
        histories: of one run; or of several, drawn as their mean with a band of one standard
            deviation, up to the last epoch of the shortest.

    Returns:
        The figures "accuracy" and "loss".
    """
    return [_plot(histories, *plot) for plot in PLOTS]


def column(histories: Sequence[History], name: str) -> np.ndarray | None:
    """`(runs, epochs)` of one column, cut to the shortest run; None if a number is missing."""
    epochs = min(len(history) for history in histories)
    values = [history[name][:epochs] for history in histories]
    if any(value is None for row in values for value in row):
        return None
    return np.array(values, np.float64)


def _plot(histories: Sequence[History], name: str, title: str, unit: str) -> Picture:
    figure = new_figure(5.6, 3.9)
    axes = figure.add_subplot()
    quiet(axes)
    drawn = []
    for prefix, label, colour, marker in _LINES:
        values = column(histories, prefix + name)
        if values is None:
            continue
        epochs = np.arange(1, values.shape[1] + 1)
        mean = values.mean(axis=0)
        few = len(epochs) <= _MARKED
        axes.plot(
            epochs,
            mean,
            color=colour,
            linewidth=1.8,
            marker=marker if few else "",
            markersize=4.5,
            label=label,
        )
        if len(values) > 1:
            deviation = values.std(axis=0, ddof=1)
            axes.fill_between(
                epochs, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0
            )
        drawn.append(f"{label} {mean[-1]:.4f}")
    axes.set_title(title, fontsize=12, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel("epoch", fontsize=10, color=INK)
    axes.set_ylabel(unit, fontsize=10, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.margins(x=0.03)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    return picture(name, figure, f"{title} by epoch; at the last: {', '.join(drawn)}.")
