"""Where a call of the epoch's program stops, and the words for what stops a training."""

from jcnn.config import TrainConfig
from jcnn.train.events import DivergedError


def next_stop(step: int, end: int, seconds: float, config: TrainConfig) -> int:
    """Where the next call stops: `steps_per_call` or about a second ahead, at most at `end`."""
    if config.steps_per_call is not None:
        return min(step + config.steps_per_call, end)
    if step == 0:
        return min(2, end)
    ahead = max(1, min(step * 4, round(step / max(seconds, 1e-6))))
    return min(step + ahead, end)


def late_words(config: TrainConfig, done: int, step: int, steps: int, *, saved: bool) -> str:
    """Where the time limit has stopped a training: after `done` epochs and `step` of `steps`."""
    where = ""
    if step:
        kept = "saved" if saved else "not kept without a run folder"
        where = f"{step} of {steps} steps into epoch {done + 1}, which are {kept}"
    return (
        f"time limit of {config.time_limit:g} minutes: stopped "
        f"{where or f'after epoch {done}'} (of {config.epochs} epochs)"
    )


def diverged(what: str, epoch: int, config: TrainConfig, *, own_rate: bool) -> DivergedError:
    """The error of an epoch that diverged; `own_rate` is for an optimizer of the user."""
    below = "its own" if own_rate else f"{config.learning_rate:g}"
    return DivergedError(
        f"{what} in epoch {epoch}; the last good epoch is {epoch - 1}; "
        f"try a learning rate below {below}"
    )
