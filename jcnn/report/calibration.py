"""Draw the reliability diagram: accuracy by confidence."""

import numpy as np

from jcnn.report.figure import BLUE, GREY, INK, LINE, ORANGE, Picture, new_figure, picture, quiet
from jcnn.train.scores import Scores


def reliability_diagram(scores: Scores) -> Picture:
    """Draw accuracy by confidence (top) and the number of examples by confidence (bottom).

    Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017,
    figures 1 and 4.
    """
    figure = new_figure(5.6, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    rows = scores.reliability
    width = 1 / len(rows)
    centres = np.array([(row.low + row.high) / 2 for row in rows])
    for axes in (upper, lower):
        quiet(axes)
    upper.plot(
        [0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle="--", label="perfect calibration"
    )
    upper.bar(
        centres,
        [row.accuracy or 0.0 for row in rows],
        width=width * 0.92,
        color=BLUE,
        alpha=0.85,
        label="accuracy",
    )
    for centre, row in zip(centres, rows, strict=True):
        if row.accuracy is not None and row.confidence is not None:
            low, high = sorted((row.accuracy, row.confidence))
            upper.plot([centre, centre], [low, high], color=ORANGE, linewidth=3)
    upper.plot([], [], color=ORANGE, linewidth=3, label="gap to the mean confidence")
    upper.set_ylim(0, 1.02)
    upper.set_ylabel("accuracy", fontsize=10, color=INK)
    upper.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper left")
    lower.bar(centres, [row.count for row in rows], width=width * 0.92, color=GREY)
    lower.set_xlim(0, 1)
    lower.set_xlabel("confidence: the largest probability", fontsize=10, color=INK)
    lower.set_ylabel("images", fontsize=10, color=INK)
    lower.grid(axis="x", color=LINE)
    return picture("calibration", figure, f"Reliability diagram; ECE {scores.ece:.4f}.")
