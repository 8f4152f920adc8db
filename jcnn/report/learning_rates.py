"""Draw a learning rate range test: loss by learning rate, and the suggestion."""

from jcnn.report.figure import BLUE, GREY, INK, ORANGE, Picture, new_figure, picture, quiet
from jcnn.train import LearningRateTest


def draw_learning_rates(test: LearningRateTest) -> Picture:
    """Draw the losses and their moving average, with a line at the suggested learning rate."""
    figure = new_figure(6.4, 4.0)
    axes = figure.add_subplot()
    quiet(axes)
    rates = test.learning_rates
    axes.semilogx(rates, test.losses, color=GREY, alpha=0.5, linewidth=1.0, label="of each update")
    axes.semilogx(rates, test.smooth, color=BLUE, linewidth=1.8, label="moving average")
    words = "none, the loss did not fall"
    if test.suggestion is not None:
        words = f"{test.suggestion:.1g}"
        axes.axvline(test.suggestion, color=ORANGE, linewidth=1.8, label=f"suggested: {words}")
    # A last loss before divergence would flatten the rest.
    low, high = min(test.smooth), max(test.smooth[0], min(test.smooth))
    axes.set_ylim(low - 0.1 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3)
    axes.set_title("Loss by learning rate", fontsize=12, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel("learning rate", fontsize=10, color=INK)
    axes.set_ylabel("loss", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)
    return picture("learning-rates", figure, f"Loss by learning rate; suggested: {words}.")
