"""What stays the same during a training, and what changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.layers.model import SplitModel
from jcnn.runs.history import History
from jcnn.train import epoch_results
from jcnn.train.devices import copied, gathered, place_members, place_parameters, place_whole
from jcnn.train.evaluate import Evaluation
from jcnn.train.events import DivergedError, Event
from jcnn.train.functions import Functions
from jcnn.train.metrics import Totals, zero_totals
from jcnn.train.model_state import ModelState, copy
from jcnn.train.prefetch import Order
from jcnn.train.step import TrainState
from jcnn.train.stops import diverged

# Called after each epoch with the model and its history so far; True stops the training.
Callback = Callable[[nnx.Module, History], bool | None]


class Setup(NamedTuple):
    """What stays the same during a training.

    Attributes:
        models, dataset, configs, functions, run, notify, callbacks, check_interrupt: as for
            `train`.
        steps: number of steps in an epoch.
        axis: `()` for one model, `(M,)` for a population: the leading axis of its arrays.
        parts: the models, split in train mode.
        seeds: PRNG keys, of shape `axis`.
        order: gives the order of an epoch's examples.
        program: from `epoch_program`.
        evaluate: evaluates a `ModelState` on the validation examples.
        fingerprint: from `fingerprint_of`.
        deadline: when the time limit is reached, by `time.monotonic`.
        mesh: of the devices; None for one.
    """

    models: Sequence[nnx.Module]
    dataset: Dataset
    configs: Sequence[TrainConfig]
    functions: Functions
    run: Path | None
    notify: Callable[[Event], None]
    callbacks: Sequence[Callback]
    check_interrupt: Callable[[], None]
    steps: int
    axis: tuple[int, ...]
    parts: SplitModel
    seeds: jax.Array
    order: Order
    program: Any
    evaluate: Callable[[ModelState], list[Evaluation | None]]
    fingerprint: dict[str, Any]
    deadline: float
    mesh: Mesh | None

    @property
    def config(self) -> TrainConfig:
        """The settings that all models share."""
        return self.configs[0]

    def zero_totals(self) -> Totals:
        """The totals of no example."""
        place = partial(place_members if self.axis else place_whole, self.mesh)
        return zero_totals(self.axis, [name for name, _ in self.functions.metrics], place)

    def copy(self, tree: Any) -> Any:
        """Copies of arrays, where they are."""
        return copy(tree) if self.mesh is None else copied(tree)

    def put(self, x: np.ndarray) -> jax.Array:
        """Copy one array of a checkpoint to the devices."""
        if self.mesh is None:
            return jnp.array(x)
        placed: jax.Array = (place_members if self.axis else place_parameters)(self.mesh, x)
        return placed

    def diverged(self, what: str, epoch: int) -> DivergedError:
        """The error of an epoch that diverged."""
        own_rate = self.functions.optimizer is not None
        return diverged(what, epoch, self.config, own_rate=own_rate)

    def means(self, totals: Totals, seen: int) -> epoch_results.Means:
        """The totals divided by the number of examples seen."""
        return epoch_results.means(gathered(totals), seen, of_classes=self.dataset.has_classes)


@dataclass
class Current:
    """What changes during a training.

    Attributes:
        state: the state of the training step; the program takes over its buffers.
        totals: sums over the examples of the epoch so far.
        result: the state that the models get when training ends.
        histories: the finished epochs of each model.
        step: finished steps of the epoch after those.
        seconds: time that these steps took.
    """

    state: TrainState
    totals: Totals
    result: ModelState
    histories: tuple[History, ...]
    step: int
    seconds: float

    @property
    def epoch(self) -> int:
        """Number of the epoch that is being trained, 1 for the first."""
        return len(self.histories[0]) + 1
