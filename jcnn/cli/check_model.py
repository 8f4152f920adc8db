"""Check the model of a training before a folder is made for it."""

import jax

from jcnn.data import Dataset
from jcnn.layers import freeze, frozen, set_dropout
from jcnn.models import zoo_summary
from jcnn.models.file import ModelFile
from jcnn.models.zoo import trace
from jcnn.runs import RunConfig
from jcnn.train import check_fit


def check_model(config: RunConfig, file: ModelFile | None, train: Dataset) -> None:
    """Check that a model can be trained with these settings.

    A model of the zoo is only traced: no parameters are drawn.

    Args:
        config: the run's configuration.
        file: the user's file, for a model that is not of the zoo.
        train: the training examples.

    Raises:
        ValueError: the model does not fit the data, `freeze` names no layer of it, or it
            has no dropout layer for `dropout`.
    """
    shape, classes, names = config.input_shape, len(config.class_names), config.train.freeze
    member = config.members()[0]
    if file is not None:
        model = member.build(file)
        check_fit(model, train)
        with frozen([model], names, shape):
            return
    zoo_summary(config.model, shape, classes)

    def build() -> None:
        model = trace(config.model, shape, classes)
        freeze(model, names, shape)
        if member.dropout is not None:
            set_dropout(model, member.dropout)

    if names or member.dropout is not None:
        jax.eval_shape(build)
