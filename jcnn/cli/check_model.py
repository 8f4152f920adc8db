"""Check the model of a training before a folder is made for it."""

import jax
from flax import nnx

from jcnn.data import Dataset
from jcnn.data.validation_split import check_validation_split
from jcnn.layers import frozen, set_dropout
from jcnn.models import zoo_summary
from jcnn.models.zoo import trace
from jcnn.runs import RunConfig
from jcnn.runs.config import Builder
from jcnn.runs.unfreezing import frozen_layers
from jcnn.train import check_fit
from jcnn.train.feature_views import check_views


def check_model(config: RunConfig, file: Builder | None, train: Dataset) -> None:
    """Check that a model can be trained with these settings.

    A model of the zoo is only traced: no parameters are drawn.

    Args:
        config: the run's configuration.
        file: what builds a model that is not of the zoo.
        train: the training examples.

    Raises:
        ValueError: the model does not fit the data, `freeze` or `unfreeze_from` names no layer of
            it, its features of `feature_views` cannot be computed, or it has no dropout layer for
            `dropout`.
    """
    shape, classes = config.input_shape, len(config.class_names)
    member = config.members()[0]
    if file is not None:
        model = member.build(file)
        check_fit(model, train)
        _check_frozen(model, config, train)
        return
    zoo_summary(config.model, shape, classes)

    def build() -> None:
        model = trace(config.model, shape, classes)
        _check_frozen(model, config, train)
        if member.dropout is not None:
            set_dropout(model, member.dropout)

    if config.train.freeze or member.dropout is not None:
        jax.eval_shape(build)


def _check_frozen(model: nnx.Module, config: RunConfig, train: Dataset) -> None:
    """Raise the ValueError of a name that is no layer, or of views without features."""
    for unfrozen in (False, True):
        names = frozen_layers(model, config.train, config.input_shape, unfrozen=unfrozen)
        with frozen([model], names, config.input_shape):
            pass
    settings = config.members()[0].train
    labels, _ = check_validation_split(train, settings.validation_split, settings.seed)
    validating = len(train.validation or ()) + len(train) - len(labels)
    check_views(model, settings, config.input_shape, len(labels), validating)
