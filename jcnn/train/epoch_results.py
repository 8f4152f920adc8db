"""What follows from an epoch's numbers: history rows, learning rates, early stopping."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jcnn.config import TrainConfig
from jcnn.runs.history import EpochResult, History, epoch_result
from jcnn.train import plateau
from jcnn.train.evaluate import Evaluation
from jcnn.train.events import Progress
from jcnn.train.metrics import Totals


class Means(NamedTuple):
    """Numbers `(M,)` of each model, as means over the examples of the epoch so far.

    Attributes:
        loss: of the training.
        accuracy: None for labels `(N, K)`.
        metrics: by name.
    """

    loss: np.ndarray
    accuracy: np.ndarray | None
    metrics: dict[str, np.ndarray]


def means(totals: Totals, seen: int, *, of_classes: bool = True) -> Means:
    """Divide the totals by the number of examples seen; `of_classes` is for labels `(N,)`."""

    def mean(total: Any) -> np.ndarray:
        return np.atleast_1d(np.asarray(total, np.float64)) / seen

    named = dict(totals.metrics or {})
    return Means(
        mean(totals.loss),
        mean(totals.correct) if of_classes else None,
        {name: mean(total) for name, total in named.items()},
    )


def progress(epoch: int, step: int, steps: int, means: Means, waiting: float) -> Progress:
    """The progress of an epoch, as a mean over the models whose loss is finite."""
    finite = np.isfinite(means.loss)
    accuracy = None if means.accuracy is None else float(means.accuracy[finite].mean())
    return Progress(epoch, step, steps, float(means.loss[finite].mean()), accuracy, waiting)


def results(
    epoch: int,
    means: Means,
    finite: np.ndarray,
    evaluations: Sequence[Evaluation | None],
    rates: np.ndarray | None,
    seconds: float,
    examples: int,
) -> list[EpochResult]:
    """The next history row of each model; a model with parameters that are not finite has loss NaN.

    Args:
        epoch: 1 for the first.
        means: over all examples of the epoch.
        finite: `(M,)` bool, whether all parameters are finite.
        evaluations: on the validation examples, one for each model.
        rates: `(M,)`, learning rates of the last update; None if the optimizer has its own.
        seconds: time that the steps took.
        examples: number of training examples.
    """

    def metrics(i: int, evaluation: Evaluation | None) -> dict[str, float | None]:
        named: dict[str, float | None] = {}
        for name, values in means.metrics.items():
            named[name] = float(values[i])
            named[f"val_{name}"] = None if evaluation is None else evaluation.metrics[name]
        return named

    accuracies = means.accuracy
    return [
        epoch_result(
            epoch=epoch,
            loss=float(means.loss[i]) if finite[i] else math.nan,
            accuracy=None if accuracies is None else float(accuracies[i]),
            val_loss=None if evaluation is None else evaluation.loss,
            val_accuracy=(
                None if evaluation is None or accuracies is None else evaluation.accuracy
            ),
            seconds=seconds,
            images_per_second=examples * len(evaluations) / seconds,
            learning_rate=None if rates is None else float(rates[i]),
            **metrics(i, evaluation),
        )
        for i, evaluation in enumerate(evaluations)
    ]


def learning_rates(configs: Sequence[TrainConfig], histories: Sequence[History]) -> np.ndarray:
    """The learning rate `(M,)` of each model in the next epoch, before its schedule.

    It is lowered at each plateau.
    """
    rates = [config.learning_rate for config in configs]
    patience = configs[0].plateau_patience
    if patience is not None:
        for i, (config, history) in enumerate(zip(configs, histories, strict=True)):
            lowered = plateau.reductions(
                history[config.monitor], patience=patience, **_gain(config)
            )
            rates[i] *= config.plateau_factor**lowered
    return np.asarray(rates)


def has_ended(config: TrainConfig, histories: Sequence[History]) -> bool:
    """Whether all epochs are finished, or a single model has run out of patience."""
    if len(histories[0]) >= config.epochs:
        return True
    if config.patience is None:
        return False
    values = histories[0][config.monitor]
    return plateau.stopped_at(values, patience=config.patience, **_gain(config)) is not None


def ending(config: TrainConfig, histories: Sequence[History], stopped: str = "") -> str:
    """Why a training ended early, and which epoch the model has; "" if neither needs a word.

    Args:
        config: the settings.
        histories: of each model, when the training has ended.
        stopped: why it was stopped before the settings' end, other than by a callback.
    """
    done, monitor = len(histories[0]), config.monitor
    model = "the model has" if len(histories) == 1 else "each model has"
    parts = []
    if stopped:
        parts.append(stopped)
        if not done:
            return f"{stopped}; no epoch is finished, and {model} its initial parameters"
    elif done < config.epochs and not has_ended(config, histories):
        parts.append(f"stopped by a callback after epoch {done} of {config.epochs}")
    elif config.patience is not None:
        values = histories[0][monitor]
        if plateau.stopped_at(values, patience=config.patience, **_gain(config)) is not None:
            by = f" by more than {config.min_delta:g}" if config.min_delta else ""
            best = plateau.best_epoch(values, **_gain(config)) or 1
            parts.append(
                f"early stopping after epoch {done} of {config.epochs}: {monitor} has not improved"
                f"{by} for {config.patience} epoch{'s' * (config.patience > 1)}, since "
                f"{values[best - 1]:.4f} in epoch {best}"
            )
    if config.restore_best:
        best_epochs = [kept_epoch(config, history) for history in histories]
        if len(histories) > 1:
            epochs = ", ".join(map(str, best_epochs))
            parts.append(
                f"the models have the parameters of their best epochs by {monitor}, {epochs}"
            )
        elif parts or best_epochs[0] != done:
            parts.append(
                f"the model has the parameters of epoch {best_epochs[0]}, the best by {monitor}"
            )
    elif parts:
        parts.append(f"{model} the parameters of the last epoch, {done} (restore_best is off)")
    return "; ".join(parts)


def kept_epoch(config: TrainConfig, history: History) -> int:
    """The epoch whose parameters a model has: the last, or the best with `restore_best`."""
    if not config.restore_best:
        return len(history)
    return plateau.best_epoch(history[config.monitor], **_gain(config)) or 1


def last_is_best(config: TrainConfig, histories: Sequence[History]) -> np.ndarray:
    """Whether each model's last epoch is its best one; `(M,)` bool."""
    best = [plateau.best_epoch(h[config.monitor], **_gain(config)) for h in histories]
    return np.asarray([epoch == len(histories[0]) for epoch in best])


def _gain(config: TrainConfig) -> dict[str, Any]:
    larger = plateau.larger_is_better(config.monitor)
    return {"min_delta": config.min_delta, "larger_is_better": larger}
