"""The epochs of a run for `jcnn explore --over-epochs`."""

from pathlib import Path

import numpy as np
from flax import nnx

from jcnn.data import Dataset
from jcnn.explore import Epochs
from jcnn.runs.epochs import kept_epochs, load_epoch
from jcnn.runs.history import History, read_history

# Test images that the model of every epoch is judged on.
_JUDGED = 1000


def check_kept(run: Path) -> None:
    """Raise a `ValueError` unless the folder is a run that has kept two epochs."""
    if not run.is_dir():
        raise ValueError(f"--over-epochs: is for a run folder; {run} is none")
    kept = kept_epochs(run)
    if len(kept) < 2:
        has = f"epoch {kept[0]} only" if kept else "no epoch"
        raise ValueError(
            f"--over-epochs: {run} has kept the weights of {has}; train with --keep-checkpoints "
            "all, or with a number of epochs to keep"
        )


def epochs_of_run(run: Path, model: nnx.Module, test: Dataset) -> Epochs:
    """The epochs whose weights a run has kept.

    Args:
        run: the run folder.
        model: the run's; it gets the weights of the last kept epoch.
        test: the test images.

    Raises:
        RunError: the weights of an epoch are damaged.
    """
    kept = kept_epochs(run)

    def load(epoch: int) -> nnx.Module:
        load_epoch(model, run, epoch)
        return model

    load(kept[-1])
    rows = np.unique(np.linspace(0, len(test) - 1, min(_JUDGED, len(test))).round().astype(int))
    history = _history(run)
    columns = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    return Epochs(
        kept,
        load,
        np.asarray(test.images[rows]),
        test.labels[rows],
        len(test),
        {name: history[name] for name in columns},
    )


def _history(run: Path) -> History:
    """The finished epochs; a run that was stopped within the first has none."""
    try:
        return read_history(run / "history.jsonl")
    except FileNotFoundError:
        return History()
