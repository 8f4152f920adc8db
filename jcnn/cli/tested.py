"""A run's model on test pictures: what `jcnn evaluate` and `jcnn report` begin with."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from flax import nnx

from jcnn.cli.progress import Display
from jcnn.cli.warn import warn
from jcnn.data import Dataset
from jcnn.history import read_history
from jcnn.layers import Sequential
from jcnn.report import write_population_report
from jcnn.run import RunConfig, member_folder
from jcnn.run import load as load_run
from jcnn.scores import Scores, scores
from jcnn.train import check_fit, predict


def predict_test(
    run: Path, data: str | None, data_dir: Path | None, *, flips: bool = False
) -> tuple[Sequential, Dataset, npt.NDArray[np.floating]]:
    """Load a run and test pictures, and let the one see the other.

    Args:
        run: the run folder.
        data: as for `jcnn.data.load`; None means the run's own.
        data_dir: likewise; None means the run's own where `data` is the run's own.
        flips: as for `jcnn.train.predict`.

    Returns:
        The model, N test pictures, and its probabilities `(N, K)` for them.
    """
    model, config = load_run(run, on_damage=warn)
    test = read_test(config, data, data_dir)
    check_fit(model, test)
    size = config.train.batch_size
    return model, test, predict(model, test.images, batch_size=size, flips=flips)


def read_test(config: RunConfig, data: str | None, data_dir: Path | None) -> Dataset:
    """The test pictures of a run, or of another source that is named."""
    if data is None and data_dir is not None:
        config = dataclasses.replace(config, data_dir=str(data_dir))
    elif data is not None:
        place = None if data_dir is None else str(data_dir)
        if data == config.data and place is None:
            place = config.data_dir
        config = dataclasses.replace(config, data=data, data_dir=place)
    with Display() as display:
        _, test = config.load_data(display)
    return test


def report_population(
    run: Path, config: RunConfig, test: Dataset, models: Sequence[nnx.Module] | None = None
) -> tuple[Path, dict[str, Scores]]:
    """Judge every model of a population on test pictures, and write the report on all.

    Args:
        run: the population's folder, with its members' inside.
        config: of the run.
        test: the pictures.
        models: of the members; None reads them from their folders.

    Returns:
        The path of the page, and the scores of each member that did not diverge, by the name of
        its folder.
    """
    judged, histories = {}, {}
    for i in range(len(config.members())):
        folder = member_folder(run, i)
        model = load_run(folder, on_damage=warn)[0] if models is None else models[i]
        check_fit(model, test)
        probabilities = predict(model, test.images, batch_size=config.train.batch_size)
        if np.isfinite(probabilities).all():  # else it diverged
            judged[folder.name] = scores(probabilities, test.labels, test.class_names)
        histories[folder.name] = read_history(folder / "history.jsonl")
    return write_population_report(run, histories, judged), judged
