"""The learning rate range test: train while the learning rate rises, and watch the loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers import as_model, frozen, train_mode
from jcnn.runs.unfreezing import frozen_layers
from jcnn.system.interrupts import delay_interrupts
from jcnn.train.devices import check_divides, mesh_of, place_parameters, place_whole
from jcnn.train.evaluate import Model, check_fit
from jcnn.train.events import Compiling, Event, Progress
from jcnn.train.feature_views import check_views
from jcnn.train.features import from_features
from jcnn.train.fit import check_settings, class_counts
from jcnn.train.functions import Functions, PerExample, check_functions, functions_of
from jcnn.train.metrics import zero_totals
from jcnn.train.model_state import copy
from jcnn.train.order import order_of
from jcnn.train.population import stack_models
from jcnn.train.prefetch import open_windows
from jcnn.train.programs import (
    compiled_part,
    epoch_program,
    head_of,
    init_program,
    seed_keys,
    step_keys,
)

# The weight of the past in the running mean of the losses; fastai has 0.98.
SMOOTHING = 0.9
# The test ends where the mean is this many times its smallest value, as in fastai.
DIVERGED = 4.0
# The suggestion is the learning rate of the smallest loss divided by this, as in fastai.
MARGIN = 10.0
# The losses of batches differ also where nothing is learned.
LEAST_FALL = 0.02


@dataclass(frozen=True)
class LearningRateTest:
    """The losses of a learning rate range test.

    Attributes:
        learning_rates: of each update, rising by a constant factor.
        losses: mean over the images of each update, before it.
        smooth: their exponential moving average, with bias correction.
        lowest: the learning rate at the smallest average.
        suggestion: a tenth of it; None if that average is not 2 % below the mean loss of the first
            quarter of the updates.
    """

    learning_rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    lowest: float
    suggestion: float | None


def find_learning_rate(
    model: Model,
    dataset: Dataset,
    config: TrainConfig | None = None,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    updates: int = 100,
    loss: PerExample | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> LearningRateTest:
    """Test learning rates from `low` to `high` on a copy of a model; the model is left untouched.

    Each update is one of a training with the settings, at a learning rate that is a constant
    factor above that of the last. The test ends at `high`, or where the loss is four times its
    smallest value or not finite.

    Args:
        model, dataset, config, loss: as for `fit`. Settings of the schedule are not used.
        low, high: the first and the last learning rate.
        updates: number of updates, at least 10.
        on_event: called with each `Event`.

    Raises:
        ValueError: as for `fit`, or the range or the number of updates is invalid.

    Reference: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3;
    rising by a factor instead of a difference, as in fastai.
    """
    for name, fine, value in (
        ("low", 1.2e-38 < low < math.inf, low),
        ("high", low < high < math.inf, high),
        ("updates", updates >= 10, updates),
    ):
        if not fine:
            least = {
                "low": "a number > 0",
                "high": f"a number > {low:g}",
                "updates": "an int >= 10",
            }
            raise ValueError(f"{name}: got {value}; accepted: {least[name]}")
    module, functions, notify = as_model(model), functions_of(loss), on_event or (lambda _: None)
    given = config or TrainConfig()
    check_settings([given], dataset)
    counts = class_counts(dataset, given, None)
    given = given.with_class_weights_of(dataset.class_names, counts)
    check_fit(module, dataset)
    check_views(module, given, dataset.image_shape, len(dataset), 0)
    plain = replace(
        given, schedule="constant", warmup_epochs=0.0, decay_epochs=(), plateau_patience=None
    )
    rates = low * (high / low) ** (np.arange(updates) / (updates - 1))
    names = frozen_layers(module, plain, dataset.image_shape, unfrozen=False)
    with (
        frozen([module], names, dataset.image_shape),
        from_features([module], dataset, None, plain, notify) as (images, _),
        delay_interrupts() as check,
    ):
        check_functions(functions, [plain], images, module, saved=False)
        losses = _losses(module, images, plain, rates, functions, notify, check)
    return _result(rates, losses)


def _losses(
    model: nnx.Module,
    dataset: Dataset,
    config: TrainConfig,
    rates: np.ndarray,
    functions: Functions,
    notify: Callable[[Event], None],
    check_interrupt: Callable[[], None],
) -> list[float]:
    """The loss of each update, until one is not finite or the test has ended."""
    parts, examples = stack_models([model], train_mode), len(dataset)
    key = compiled_part(config)
    steps, every = -(-examples // config.batch_size), config.accumulate_steps
    classes = len(dataset.class_names)
    head = head_of(model, dataset.image_shape, config)
    mesh = mesh_of(config.devices, config.model_parallel)
    check_divides(mesh, "batch_size", config.batch_size)
    program = epoch_program(
        parts.graphdef,
        key,
        examples=examples,
        classes=classes,
        functions=functions,
        head=head,
        mesh=mesh,
    )
    init = init_program(key, population=False, functions=functions, mesh=mesh)
    state = init(*place_parameters(mesh, copy((parts.params, parts.rest))))
    place = partial(place_whole, mesh)
    seed = seed_keys(np.asarray(config.seed, np.int64))
    order = order_of(dataset, config, seed)
    epochs = -(-len(rates) * every // steps)
    losses: list[float] = []
    with open_windows(dataset, order, config, notify, epochs=epochs, mesh=mesh) as windows:
        notify(Compiling())
        for update, rate in enumerate(rates):
            total = seen = 0.0
            for done in range(update * every, (update + 1) * every):
                epoch, step = divmod(done, steps)
                window, _ = windows.window(epoch + 1, step)
                state, totals = program(
                    state,
                    parts.streams,
                    zero_totals(place=place),
                    *window,
                    step_keys(seed, epoch + 1),
                    np.float32(rate),
                    epoch * steps,
                    step,
                    step + 1,
                )
                total += float(totals.loss)
                seen += min(config.batch_size, examples - step * config.batch_size)
            losses.append(total / seen)
            check_interrupt()
            if not math.isfinite(losses[-1]):
                break
            notify(Progress(1, update + 1, len(rates), losses[-1], None))
            smooth = smoothed(losses)
            if smooth[-1] > DIVERGED * min(smooth):
                break
    return losses


def smoothed(losses: list[float]) -> list[float]:
    """The exponential moving averages of the losses, with Adam's bias correction."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**count))
    return found


def _result(rates: np.ndarray, losses: list[float]) -> LearningRateTest:
    finite = [loss for loss in losses if math.isfinite(loss)]
    smooth = smoothed(finite)
    if not smooth:
        raise ValueError("model: its loss is not finite before the first update")
    best = int(np.argmin(smooth))
    first = float(np.mean(finite[: -(-len(finite) // 4)]))
    fell = first - smooth[best] > LEAST_FALL * abs(first)
    used = tuple(map(float, rates[: len(finite)]))
    return LearningRateTest(
        used, tuple(finite), tuple(smooth), used[best], used[best] / MARGIN if fell else None
    )
