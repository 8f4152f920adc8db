"""One small trained run and its report, which all tests of the report read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from flax import nnx

from jcnn import run as runs
from jcnn.config import TrainConfig
from jcnn.data import Dataset, digits
from jcnn.history import History
from jcnn.report import write_report
from jcnn.train import fit, predict
from tests.report.pages import Page, read_page


@dataclass(frozen=True)
class Reported:
    """A run folder with its report, and what the report was made of."""

    run: Path
    model: nnx.Module
    history: History
    test: Dataset
    probabilities: npt.NDArray[np.float32]
    page: Page


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Two epochs of `conv2pool` on the small digits; one class has a hostile name."""
    run = tmp_path_factory.mktemp("reported") / "<RUN> & more"
    train, test = (_renamed(part) for part in digits())
    train = train.take(slice(640))
    settings = TrainConfig(epochs=2, validation_split=0.25, seed=3)
    config = runs.describe("conv2pool", train, "digits", None, settings)
    model = config.build()
    runs.create(run, config)
    history = fit(model, train, settings, run=run)
    probabilities = predict(model, test.images)
    file = write_report(run, model, test, probabilities)
    return Reported(run, model, history, test, probabilities, read_page(file))


def _renamed(part: Dataset) -> Dataset:
    names = ("<script>alert(1)</script>", "$1 & 2$", *part.class_names[2:])
    return Dataset(part.images, part.labels, names)
