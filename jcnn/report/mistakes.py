"""Find and draw the worst mistakes: the wrong predictions of the highest confidence."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jcnn.data import Dataset
from jcnn.report.figure import (
    GREY,
    INK,
    Picture,
    as_colours,
    enlarged,
    literal,
    new_figure,
    picture,
    png_bytes,
    short,
)

_COLUMNS = 6


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        row: index of the example in the data set.
        file: its file name, relative to the folder of the data; None if it has none.
        true, predicted: class names.
        probability: of the predicted class.
        of_true: probability of the true class.
        image: `(H, W, 3)` uint8.
    """

    row: int
    file: str | None
    true: str
    predicted: str
    probability: float
    of_true: float
    image: npt.NDArray[np.uint8]

    def png(self) -> bytes:
        """The image as PNG for the page."""
        return png_bytes(enlarged(self.image, 96), most=224)


def worst_mistakes(
    dataset: Dataset, probabilities: npt.NDArray[np.floating], most: int = 24
) -> list[Mistake]:
    """The wrong predictions in descending order of confidence.

    Args:
        dataset: N examples.
        probabilities: `(N, K)`.
        most: largest number of mistakes to return.
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != dataset.labels)
    rows = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    images = dataset.images[rows]
    names, files = dataset.class_names, dataset.names
    return [
        Mistake(
            row=int(row),
            file=None if files is None else files[row],
            true=names[dataset.labels[row]],
            predicted=names[predicted[row]],
            probability=float(confidence[row]),
            of_true=float(probabilities[row, dataset.labels[row]]),
            image=as_colours(image),
        )
        for row, image in zip(rows, images, strict=True)
    ]


def mistakes_sheet(mistakes: list[Mistake]) -> Picture:
    """Draw all mistakes on one sheet."""
    rows = -(-len(mistakes) // _COLUMNS)
    figure = new_figure(1.75 * _COLUMNS, 2.1 * rows)
    for number, mistake in enumerate(mistakes, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        axes.imshow(mistake.image, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(GREY)
        said = f"{short(mistake.predicted, 15)} {mistake.probability:.0%}"
        literal(axes.set_title(said, fontsize=9, color=INK))
        literal(axes.set_xlabel(f"is {short(mistake.true, 18)}", fontsize=9, color=INK))
    return picture("mistakes", figure, f"The {len(mistakes)} worst mistakes.")
