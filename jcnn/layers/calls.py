"""Record, or replace, the calls of the layers of a model."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jcnn.layers.model import LayerError, as_model, eval_mode
from jcnn.layers.types import Layer

# Gets a module's path, the module, its call and the call's arguments.
Around = Callable[[str, nnx.Module, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

# A module's call may itself ask for intermediates, so one thread may enter more than once.
_patching = threading.RLock()


@dataclass(frozen=True)
class Call:
    """One call of one module inside a model.

    Attributes:
        name: path of the module in the model, parts joined by "/"; "#2" marks a second call.
        module: the module itself.
        input: its first argument.
        output: what it returned.
    """

    name: str
    module: nnx.Module
    input: Any
    output: Any


def intermediates(
    model: nnx.Module | Sequence[Layer], x: jax.Array
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Call a model and return the output of every layer, by name, in the order of the calls.

    Works for any NNX module, and inside `jit`. The model runs in eval mode.

    Args:
        model: a model of the zoo, any `nnx.Module`, or a list of layers.
        x: `(N, H, W, C)`.

    Returns:
        The logits, and `{layer name: output}`.
    """
    module = eval_mode(as_model(model))
    with recorded_calls(module) as calls:
        logits = module(x)
    return logits, {call.name: call.output for call in calls}


@contextmanager
def recorded_calls(
    model: nnx.Module, replace: Callable[[Call], Any] | None = None
) -> Iterator[list[Call]]:
    """Record each call of each module below `model` while the context is open.

    Args:
        model: any NNX module.
        replace: maps each call to the value to return instead of its output; None keeps outputs.
    """
    calls: list[Call] = []
    counts: dict[str, int] = {}

    def recorded(path: str, module: nnx.Module, call: Callable[..., Any], *args: Any) -> Any:
        output = call(*args[0], **args[1])
        counts[path] = counts.get(path, 0) + 1
        name = path if counts[path] == 1 else f"{path}#{counts[path]}"
        done = Call(name, module, args[0][0], output)
        calls.append(done)
        return output if replace is None else replace(done)

    with around_calls(model, recorded):
        yield calls


@contextmanager
def around_calls(model: nnx.Module, around: Around) -> Iterator[None]:
    """Call `around` instead of each module below `model` while the context is open.

    Meanwhile the modules' classes have another `__call__`. The modules themselves are not changed,
    so it works while JAX traces. Calls from other threads are left alone.

    Args:
        model: any NNX module.
        around: gets the module's path, the module, the call without it, and the arguments; returns
            the result.
    """
    modules = modules_by_path(model)
    paths = {id(module): path for path, module in modules.items() if module is not model}
    classes = set(map(type, modules.values()))
    active: set[int] = set()
    thread = threading.get_ident()

    def wrapping(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: nnx.Module, *args: Any, **kwargs: Any) -> Any:
            # A nested call of the same module is a subclass calling its superclass.
            known = threading.get_ident() == thread and id(self) in paths
            if not known or id(self) in active or not args:
                return call(self, *args, **kwargs)
            active.add(id(self))
            try:
                return around(paths[id(self)], self, partial(call, self), args, kwargs)
            except LayerError:
                raise
            except (TypeError, ValueError) as error:  # Flax and JAX raise either
                raise LayerError(f"layer {paths[id(self)]!r}: {error}") from error
            finally:
                active.discard(id(self))

        return wrapped

    with _patching:
        own: dict[Any, Any] = {
            cls: cls.__dict__.get("__call__") for cls in classes if callable_instances(cls)
        }
        originals = {cls: cls.__call__ for cls in own}
        try:
            for cls, call in originals.items():
                cls.__call__ = wrapping(call)
            yield
        finally:
            for cls, call in own.items():
                if call is None:
                    del cls.__call__
                else:
                    cls.__call__ = call


def called_modules(
    model: nnx.Module, input_shape: tuple[int, ...]
) -> list[tuple[str, tuple[int, ...]]]:
    """The path of each module that a model calls and its input's shape, in order; by tracing.

    A module comes before those that it calls.

    Args:
        model: any NNX module, in eval mode.
        input_shape: `(H, W, C)` of one image.
    """
    found: list[tuple[str, tuple[int, ...]]] = []

    def around(path: str, _module: nnx.Module, call: Any, args: Any, kwargs: Any) -> Any:
        found.append((path, tuple(getattr(args[0], "shape", ()))))
        return call(*args, **kwargs)

    with around_calls(model, around):
        jax.eval_shape(model, jax.ShapeDtypeStruct((1, *input_shape), jnp.float32))
    return found


def modules_by_path(model: nnx.Module) -> dict[str, nnx.Module]:
    """The modules of a model by path, parts joined by "/"; "" is the model itself."""
    return {"/".join(map(str, path)): module for path, module in nnx.iter_modules(model)}


def callable_instances(cls: type) -> bool:
    """Whether instances of `cls` are callable."""
    return any("__call__" in base.__dict__ for base in cls.__mro__)
