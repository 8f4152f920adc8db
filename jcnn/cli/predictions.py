"""Predictions of a trained model for test images, as evaluate, report and train need them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn import ops
from jcnn.cli.progress import Display
from jcnn.cli.run_options import BuiltBy
from jcnn.config import DeviceCount
from jcnn.data import Dataset
from jcnn.report import write_population_report, write_report
from jcnn.runs import RunConfig, member_folder
from jcnn.runs.history import read_history
from jcnn.train import check_fit, predict_logits
from jcnn.train.evaluate import check_probabilities
from jcnn.train.scores import Scores, scores
from jcnn.train.winner import winner


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for test images.

    Attributes:
        test: N images of K classes.
        logits: `(N, K)`.
        probabilities: `(N, K)`, their softmax.
    """

    test: Dataset
    logits: npt.NDArray[np.floating]
    probabilities: npt.NDArray[np.floating]

    def scores(self) -> Scores:
        """Compare the predictions with the labels."""
        test = self.test
        return scores(self.probabilities, test.labels, test.class_names, logits=self.logits)

    def report(self, run: Path, model: nnx.Module, data: str | None = None) -> Path:
        """Write the report on the run; `data` as in `jcnn.report.write_report`."""
        return write_report(
            run, model, self.test, self.probabilities, logits=self.logits, data=data
        )


def predictions(
    model: nnx.Module,
    test: Dataset,
    batch_size: int,
    *,
    flips: bool = False,
    devices: DeviceCount = 1,
) -> Predictions:
    """Run a model on test images; `flips` and `devices` as in `jcnn.train.predict`."""
    check_fit(model, test)
    logits = predict_logits(model, test.images, batch_size=batch_size, flips=flips, devices=devices)
    return Predictions(test, np.asarray(logits), np.asarray(jax.jit(ops.softmax)(logits)))


def predict_test_images(
    run: Path,
    config: RunConfig,
    built_by: BuiltBy,
    *,
    flips: bool = False,
    devices: DeviceCount = 1,
) -> tuple[nnx.Module, Predictions]:
    """Load a run and run its model on test images.

    Args:
        run: the run folder.
        config: the run's configuration, with the data to predict.
        built_by: what builds its model.
        flips, devices: as in `jcnn.train.predict`.

    Raises:
        ValueError: there are probabilities that are not finite.
    """
    model, _ = built_by.load(run)
    test = read_test_images(config)
    found = predictions(model, test, config.train.batch_size, flips=flips, devices=devices)
    check_probabilities(model, found.probabilities)
    return model, found


def read_test_images(config: RunConfig) -> Dataset:
    """Load the test images of a run's data."""
    with Display() as display:
        _, test = config.load_data(display)
    return test


def report_population(
    run: Path,
    config: RunConfig,
    test: Dataset,
    models: Sequence[nnx.Module] | Callable[[Path], tuple[nnx.Module, RunConfig]],
    data: str | None = None,
) -> tuple[Path, dict[str, Scores]]:
    """Evaluate every model of a population on test images, and write the report.

    The best model by `jcnn.train.winner` also gets a report of its own, in its folder.

    Args:
        run: the population's folder, which contains the members' folders.
        config: the run's configuration.
        test: the images.
        models: the members' models, or what loads one from its folder.
        data: as in `jcnn.report.write_report`.

    Returns:
        The path of the page, and the scores of each member that did not diverge, by the name of
        its folder.
    """
    folders = [member_folder(run, i) for i in range(len(config.members()))]
    histories = {folder.name: read_history(folder / "history.jsonl") for folder in folders}
    best = winner(config.train, list(histories.values()))
    evaluated, page_of_best = {}, None
    for i, folder in enumerate(folders):
        model = models(folder)[0] if callable(models) else models[i]
        found = predictions(model, test, config.train.batch_size)
        if np.isfinite(found.probabilities).all():  # else it diverged
            evaluated[folder.name] = found.scores()
            if best is not None and i == best.member:
                page_of_best = found.report(folder, model, data)
    page = write_population_report(run, histories, evaluated, data=data, best_page=page_of_best)
    return page, evaluated
