"""`Sequential`, train and eval mode, and splitting a model into its state."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.layers.basic import Activation
from jcnn.layers.types import Layer


class Sequential(nnx.Module):
    """Layers applied in sequence, each an attribute with the name that Keras would give it.

    Such names are `conv2d`, `conv2d_1`, `max_pooling2d` and `dense`: `model.conv2d.kernel` is the
    first kernel. Summaries, errors and checkpoints use the same names.

    Args:
        layers: NNX modules, or functions of one array.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("layers: got none; a model needs at least one")
        self.names: tuple[str, ...] = ()
        for layer in layers:
            module = layer if isinstance(layer, nnx.Module) else Activation(layer)
            name = _unique(snake_case(type(module).__name__), self.names)
            setattr(self, name, module)
            self.names += (name,)

    if TYPE_CHECKING:  # the layers are attributes, with names known at run time only

        def __getattr__(self, name: str) -> Any: ...

    def __iter__(self) -> Iterator[Any]:
        """The layers, first to last."""
        return (getattr(self, name) for name in self.names)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply every layer to `x`."""
        for name in self.names:
            try:
                x = getattr(self, name)(x)
            except LayerError:
                raise
            except (TypeError, ValueError) as error:  # Flax and JAX raise either
                raise LayerError(f"layer {name!r}: {error}") from error
        return x


class LayerError(ValueError):
    """A layer cannot take its input; the message names the layer."""


def as_model(model: nnx.Module | Sequence[Layer]) -> nnx.Module:
    """Wrap a list of layers in a `Sequential`; return a module unchanged."""
    return model if isinstance(model, nnx.Module) else Sequential(model)


def eval_mode(model: nnx.Module) -> nnx.Module:
    """A copy in eval mode, sharing the arrays: no dropout, running batch statistics."""
    return _with_mode(model, deterministic=True)


def train_mode(model: nnx.Module) -> nnx.Module:
    """A copy in train mode, sharing the arrays: dropout, and each batch's own statistics.

    Frozen layers are in eval mode, see `freeze`.
    """
    training = _with_mode(model, deterministic=False)
    if not any(getattr(module, "frozen", False) for _, module in nnx.iter_modules(model)):
        return training
    return _with_mode(
        training,
        deterministic=True,
        only=lambda _, module: getattr(module, "frozen", False),
    )


def _with_mode(model: nnx.Module, *, deterministic: bool, only: Any = ...) -> nnx.Module:
    return nnx.with_attributes(
        model,
        only=only,
        deterministic=deterministic,
        use_running_average=deterministic,
        raise_if_not_found=False,
    )


class SplitModel(NamedTuple):
    """The parts of a model, from `split_model`; `nnx.merge(*parts)` is the model again."""

    graphdef: Any
    params: Any
    streams: Any
    rest: Any


def split_model(model: nnx.Module) -> SplitModel:
    """Split a model into structure, parameters, random streams and the rest (batch statistics)."""
    parts: Any = nnx.split(model, nnx.Param, nnx.RngState, ...)
    return SplitModel(*parts)


def output_shape(layers: Sequence[Layer], input_shape: Sequence[int]) -> tuple[int, ...]:
    """Output shape of `layers` for one example of `input_shape`; nothing is computed.

    Args:
        layers: applied in sequence, in eval mode.
        input_shape: `(H, W, C)`, without the batch axis.

    Returns:
        The shape of the last layer's output, without the batch axis.
    """
    model = eval_mode(Sequential(layers))
    example = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    return tuple(jax.eval_shape(model, example).shape[1:])


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in names and files, such as "max_pooling2d"."""
    # As Keras does it: the first pattern misses the second of two words, as in MaxPooling.
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _unique(name: str, taken: tuple[str, ...]) -> str:
    number = sum(re.fullmatch(rf"{name}(_\d+)?", other) is not None for other in taken)
    return f"{name}_{number}" if number else name
