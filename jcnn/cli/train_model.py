"""Which model `jcnn train` trains: of the zoo, of a user's file, or that of the run `--weights`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jcnn.data import Note, Notify
from jcnn.interop.imported import SavedOptimizer
from jcnn.models import zoo_entry
from jcnn.models.file import ModelFile, is_model_file, read_model_file
from jcnn.runs import RunConfig, read_config, resolve
from jcnn.runs.graph_file import StoredGraph
from jcnn.runs.optimizer_file import read_optimizer


@dataclass(frozen=True)
class ModelToTrain:
    """A model before its number of classes is known.

    Attributes:
        name: of the zoo, of the user's file, or of the imported file.
        builder: what builds it; None for the zoo.
        input_shape: `(H, W, C)` that it takes by default; None if it has none.
    """

    name: str
    builder: ModelFile | StoredGraph | None
    input_shape: tuple[int, int, int] | None

    def for_classes(self, classes: int) -> ModelFile | StoredGraph | None:
        """What builds it for a number of classes; a graph gets a new last layer."""
        if isinstance(self.builder, StoredGraph):
            return self.builder.for_classes(classes)
        return self.builder


def model_to_train(model: str, weights: str | None, *, given: bool) -> ModelToTrain:
    """The model of the options `--model` and `--weights`.

    Args:
        model, weights: the options.
        given: whether `--model` was given; without it, the model of a run folder is trained.

    Raises:
        ValueError: there is no such model; or a user's file, which is named again, builds it.
    """
    if is_model_file(model):
        file = read_model_file(model)
        file.function()  # its mistakes are told before the data is read
        return ModelToTrain(model, file, None)
    if given or weights is None or not Path(weights).is_dir():
        return ModelToTrain(model, None, zoo_entry(model).input_shape)
    run = Path(weights)
    config = read_config(run)
    named, builder = resolve(run, config)
    return ModelToTrain(named.model, builder, config.input_shape)


def saved_optimizer(config: RunConfig) -> SavedOptimizer | None:
    """The optimizer in the run `config.weights`, if the training goes on with it.

    It does if all layers of one model are trained on as many classes by the same optimizer.

    Raises:
        RunError: the file of the optimizer is damaged.
    """
    saved = _of_weights(config)
    return None if saved is None or _why_not(config, saved) else saved


def with_saved_optimizer(config: RunConfig, given: Sequence[str], notify: Notify) -> RunConfig:
    """The configuration with the settings of the optimizer that the training goes on with.

    Args:
        config: of a new training.
        given: the words of the command line; its options have precedence.
        notify: called with a note that says whether the optimizer goes on or starts anew.

    Raises:
        RunError: the file of the optimizer is damaged.
    """
    saved = _of_weights(config)
    if saved is None:
        return config
    settings = {
        name: value
        for name, value in saved.settings.items()
        if f"--{name.replace('_', '-')}" not in given
    }
    made = replace(config, train=replace(config.train, **settings))
    why = _why_not(made, saved)
    if why:
        notify(Note(f"the optimizer starts anew: {why}"))
        return config
    name, rate = made.train.optimizer, made.train.learning_rate
    notify(Note(f"{name} goes on after {saved.updates:,} updates, with learning rate {rate:g}"))
    return made


def _of_weights(config: RunConfig) -> SavedOptimizer | None:
    if config.weights is None or not Path(config.weights).is_dir():
        return None
    return read_optimizer(Path(config.weights))


def _why_not(config: RunConfig, saved: SavedOptimizer) -> str:
    """Why a training does not go on with an optimizer; "" if it does."""
    wanted = saved.settings["optimizer"]
    if len(config.members()) > 1:
        return "several models are trained"
    if set(config.train.freeze) != set(saved.settings.get("freeze", ())):
        return "other layers are frozen"
    if config.train.optimizer != wanted:
        return f"that of the weights is {wanted}"
    if len(read_config(Path(str(config.weights))).class_names) != len(config.class_names):
        return "the last layer is new"
    return ""
