"""Which layers are frozen at a point of a training."""

from flax import nnx

from jcnn.config import TrainConfig
from jcnn.layers.freezing import frozen_before


def is_unfrozen(config: TrainConfig, epochs: int, step: int = 0) -> bool:
    """Whether a training has passed `unfreeze_at` after these finished epochs and steps."""
    at = config.unfreeze_at
    return at is not None and (epochs, step) > (at, 0)


def frozen_layers(
    model: nnx.Module,
    config: TrainConfig,
    input_shape: tuple[int, int, int],
    *,
    unfrozen: bool,
) -> tuple[str, ...]:
    """The names for `jcnn.layers.freeze`.

    Args:
        model: any NNX module; it is not changed.
        config: the settings.
        input_shape: `(H, W, C)` of one image.
        unfrozen: whether `unfreeze_at` has passed.

    Raises:
        ValueError: the settings name no layer of the model.
    """
    names = tuple(config.freeze)
    if config.unfreeze_at is not None and not unfrozen:
        return names
    if config.unfreeze_from is not None:
        return frozen_before(model, names, config.unfreeze_from, input_shape)
    return names if config.unfreeze_at is None else ()
