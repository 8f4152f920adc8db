"""A run's model on test pictures: what `jcnn evaluate` and `jcnn report` begin with."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.cli.progress import Display
from jcnn.cli.warn import warn
from jcnn.data import Dataset
from jcnn.layers import Sequential
from jcnn.run import load as load_run
from jcnn.train import check_fit, predict


def predict_test(
    run: Path, data: str | None, data_dir: Path | None
) -> tuple[Sequential, Dataset, npt.NDArray[np.floating]]:
    """Load a run and test pictures, and let the one see the other.

    Args:
        run: the run folder.
        data: as for `jcnn.data.load`; None means the run's own.
        data_dir: likewise; None means the run's own where `data` is the run's own.

    Returns:
        The model, N test pictures, and its probabilities `(N, K)` for them.
    """
    model, config = load_run(run, on_damage=warn)
    if data is None and data_dir is not None:
        config = dataclasses.replace(config, data_dir=str(data_dir))
    elif data is not None:
        place = None if data_dir is None else str(data_dir)
        if data == config.data and place is None:
            place = config.data_dir
        config = dataclasses.replace(config, data=data, data_dir=place)
    with Display() as display:
        _, test = config.load_data(display)
    check_fit(model, test)
    return model, test, predict(model, test.images, batch_size=config.train.batch_size)
