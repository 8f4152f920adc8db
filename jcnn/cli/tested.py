"""A run's model on test pictures: what `jcnn evaluate` and `jcnn report` begin with."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from jcnn.data import Dataset, load
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
    model, config = load_run(run)
    source = data or config.data
    if data_dir is None and source == config.data and config.data_dir is not None:
        data_dir = Path(config.data_dir)
    _, test = load(source, data_dir)
    check_fit(model, test)
    return model, test, predict(model, test.images, batch_size=config.train.batch_size)
