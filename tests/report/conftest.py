"""One small run and its report for all tests of the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import runs
from jcnn.config import TrainConfig
from jcnn.data import Dataset, digits
from jcnn.report import write_report
from jcnn.runs.history import EpochResult, History, write_history
from jcnn.train import predict
from tests.report.pages import Page, read_page


@dataclass(frozen=True)
class Reported:
    """A run folder with its report, and the data of the report."""

    run: Path
    model: nnx.Module
    history: History
    test: Dataset
    probabilities: npt.NDArray[np.float32]
    page: Page


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """A run of `conv2pool` on the small digits; one class has a hostile name.

    The model is fresh, and the history written by hand: training would take most of the time
    and change nothing here. The command line's tests report on a trained run.
    """
    run = tmp_path_factory.mktemp("reported") / "<RUN> & more"
    train, test = (_renamed(part) for part in digits())
    settings = TrainConfig(epochs=2, validation_split=0.25, seed=3)
    config = runs.describe("conv2pool", train, "digits", None, settings)
    model = config.build()
    history = History(
        (
            EpochResult(1, 1.625, 0.4375, 1.25, 0.6875, 12.25, 880.0),
            EpochResult(2, 0.875, 0.71875, 0.9375, 0.65625, 10.5, 1026.5),
        )
    )
    runs.create(run, config)
    write_history(history, run)
    probabilities = predict(model, test.images)
    file = write_report(run, model, test, probabilities)
    return Reported(run, model, history, test, probabilities, read_page(file))


def _renamed(part: Dataset) -> Dataset:
    names = ("<script>alert(1)</script>", "$1 & 2$", *part.class_names[2:])
    return Dataset(part.images, part.labels, names)
