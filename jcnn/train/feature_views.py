"""Whether the features of augmented views can be computed, told before a training starts."""

from flax import nnx

from jcnn.config import TrainConfig
from jcnn.data import Dataset
from jcnn.data.memory import memory_budget
from jcnn.layers import frozen
from jcnn.runs.unfreezing import frozen_layers
from jcnn.train.features import Features, bytes_of, feature_shape, find_start


def check_views(
    model: nnx.Module,
    config: TrainConfig,
    image_shape: tuple[int, int, int],
    training: int,
    validating: int,
) -> None:
    """Check that the features of `config.feature_views` can be computed and fit in memory.

    Args:
        model: not yet frozen; it is not changed.
        config: the settings.
        image_shape: `(H, W, C)` of the images.
        training, validating: number of images.

    Raises:
        ValueError: the output depends on the images otherwise than through the first trained
            layer, or the features do not fit.
    """
    count = config.feature_views
    if not count:
        return
    for unfrozen in (False, True) if config.unfreeze_at else (False,):
        names = frozen_layers(model, config, image_shape, unfrozen=unfrozen)
        with frozen([model], names, image_shape):
            start = find_start(model, image_shape)
            shape = feature_shape(model, start) if start else ()
        if start is None and unfrozen:
            continue  # that part of the training augments the images anew
        if start is None:
            raise ValueError(
                f"feature_views: got {count}; accepted: 0 where the first trained layer is the "
                "first of the model, or the output also depends on the image in another way"
            )
        most = max(0, (memory_budget() // bytes_of(shape) - validating) // training)
        if count > most:
            raise ValueError(
                f"feature_views: got {count}; accepted: at most {most}; features of {training} "
                f"images, {' x '.join(map(str, shape))} at {start.layer}, must fit in memory "
                "(JCNN_MEMORY_BYTES)"
            )


def views_of(dataset: Dataset) -> int:
    """The number of views of each image of a data set."""
    return dataset.views if isinstance(dataset, Features) else 1
