"""Freeze layers: their parameters and statistics stay as they are while others are trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.layers.calls import called_modules, modules_by_path, recorded_calls
from jcnn.layers.model import eval_mode
from jcnn.suggest import did_you_mean


class Frozen(nnx.Variable[jax.Array]):
    """A parameter that is not trained: it has no gradient and no optimizer state."""


def freeze(model: nnx.Module, names: Sequence[str], input_shape: tuple[int, ...]) -> None:
    """Freeze the layers with these paths, and all layers below them; nothing if `names` is empty.

    A frozen layer stays in eval mode during training: its batch statistics do not move, and it
    drops nothing.

    Args:
        model: any NNX module; it is changed.
        names: paths such as "conv1" or "layer1/0", or "backbone": every layer but the head, which
            is the last layer with parameters that the model calls.
        input_shape: `(H, W, C)` of one image.

    Raises:
        ValueError: a name is no path of a layer, or no parameter is left to train.
    """
    modules: dict[str, Any] = modules_by_path(model)
    paths: set[str] = set()
    for name in names:
        if name == "backbone":
            head = head_path(model, input_shape)
            paths |= {path for path in modules if path and not f"{head}/".startswith(f"{path}/")}
        elif name in modules and name:
            paths.add(name)
        else:
            layers = [path for path in modules if path]
            guess = did_you_mean(name, layers)
            accepted = f"backbone, or paths of layers: {', '.join(layers[:8])}" + (
                ", ..." if len(layers) > 8 else ""
            )
            raise ValueError(f"freeze: got {name!r}; accepted: {accepted}{guess}")
    for path, module in modules.items():
        if not any(f"{path}/".startswith(f"{one}/") for one in paths):
            continue
        module.frozen = True
        for name, variable in list(vars(module).items()):
            if isinstance(variable, nnx.Param):
                setattr(module, name, Frozen(variable[...]))
    if names and not jax.tree.leaves(nnx.state(model, nnx.Param)):
        _unfreeze(model)
        raise ValueError(f"freeze: got {', '.join(names)}, which leaves no parameter to train")


@contextmanager
def frozen(
    models: Sequence[nnx.Module], names: Sequence[str], input_shape: tuple[int, ...]
) -> Iterator[None]:
    """`freeze` models while the context is open."""
    try:
        for model in models:
            freeze(model, names, input_shape)
        yield
    finally:
        if names:
            for model in models:
                _unfreeze(model)


def frozen_before(
    model: nnx.Module, names: Sequence[str], layer: str, input_shape: tuple[int, ...]
) -> tuple[str, ...]:
    """The layers that `freeze` would freeze and that the model calls before a layer.

    Args:
        model: any NNX module; it is not changed.
        names, input_shape: as for `freeze`.
        layer: path of the first layer that is not frozen, or of a module that contains it.

    Returns:
        Their paths, each without those below it.

    Raises:
        ValueError: a name is no path of a layer, or the model does not call `layer`.
    """
    order = [path for path, _ in called_modules(eval_mode(model), input_shape)]
    if layer not in order:
        guess = did_you_mean(layer, order)
        raise ValueError(
            f"unfreeze_from: got {layer!r}; accepted: a path of a layer that the model calls: "
            f"{', '.join(order[:8])}{', ...' if len(order) > 8 else ''}{guess}"
        )
    with frozen([model], names, input_shape):
        modules: dict[str, Any] = modules_by_path(model)
        chosen = {path for path, one in modules.items() if getattr(one, "frozen", False)}
    before = set(order[: order.index(layer)])
    # A module that contains the layer is called before it, but is not frozen as a whole.
    stay = {p for p in chosen & before if not f"{layer}/".startswith(f"{p}/")}
    return tuple(sorted(p for p in stay if not any(p.startswith(f"{other}/") for other in stay)))


def head_path(model: nnx.Module, input_shape: tuple[int, ...]) -> str:
    """Path of a model's head, the last layer with parameters of its own that the model calls.

    Args:
        model: any NNX module.
        input_shape: `(H, W, C)` of one image.
    """
    return trained_layers(model, input_shape)[-1]


def trained_layers(model: nnx.Module, input_shape: tuple[int, ...]) -> list[str]:
    """Paths of the layers with parameters of their own, in the order in which they are called.

    Args:
        model, input_shape: as for `head_path`.
    """
    module = eval_mode(model)
    with recorded_calls(module) as calls:
        jax.eval_shape(module, jax.ShapeDtypeStruct((1, *input_shape), jnp.float32))
    own = [call.name for call in calls if any(map(_is_param, vars(call.module).values()))]
    return [name.split("#")[0] for name in own]


def _unfreeze(model: nnx.Module) -> None:
    """Undo every `freeze`; the arrays stay."""
    modules: list[Any] = list(modules_by_path(model).values())
    for module in modules:
        if not getattr(module, "frozen", False):
            continue
        del module.frozen
        for name, variable in list(vars(module).items()):
            if isinstance(variable, Frozen):
                setattr(module, name, nnx.Param(variable[...]))


def _is_param(value: object) -> bool:
    return isinstance(value, nnx.Param | Frozen)
