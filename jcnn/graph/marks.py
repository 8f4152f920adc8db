"""Trace a model so that each layer and each function of `jcnn.ops` is one named equation."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.extend.core import ClosedJaxpr, Primitive

from jcnn.layers import BatchNormalization, around_calls, modules_by_path
from jcnn.ops import check_channels, recorded_ops

# The batch size while tracing: no usual height, width or number of channels, so that a reshape of
# the batch axis is not mistaken for one of an image.
BATCH = 7


@dataclass(frozen=True, eq=False, repr=False)  # JAX would write the whole module, for its logs
class Mark:
    """One call, as an equation of the traced program.

    Attributes:
        layer: path of the innermost module that is called; "" for the model itself.
        function: the function of `jcnn.ops`, or None for the call of a layer.
        module: the called layer, or None for a function.
        arrays: names of the arguments that are the equation's operands, in order.
        settings: the other arguments by name, with defaults.
    """

    layer: str
    function: Callable[..., jax.Array] | None
    module: nnx.Module | None
    arrays: tuple[str, ...]
    settings: dict[str, Any]

    def __call__(self, *operands: jax.Array) -> jax.Array:
        """Compute the call from its operands."""
        if self.module is not None:
            result: jax.Array = type(self.module).__call__(self.module, *operands)
            return result
        assert self.function is not None
        arrays = dict(zip(self.arrays, operands, strict=True))
        return self.function(**arrays, **self.settings)


def _shape(*operands: Any, mark: Mark) -> Any:
    kinds = tuple((a.shape, a.dtype) for a in operands)
    if type(mark.module) is BatchNormalization:  # deep networks have dozens, a millisecond each
        (x,) = operands
        check_channels(x, mark.module.num_features)
        return jax.core.ShapedArray(x.shape, x.dtype)
    if mark.module is None:
        try:
            return _shape_of(mark.function, mark.arrays, tuple(mark.settings.items()), kinds)
        except TypeError:  # a setting that is not hashable, or an error, which is raised again
            pass
    return _evaluated(mark, kinds)


@lru_cache(1024)  # blocks of a network repeat the same calls
def _shape_of(function: Any, arrays: Any, settings: Any, kinds: Any) -> Any:
    return _evaluated(Mark("", function, None, arrays, dict(settings)), kinds)


def _evaluated(mark: Mark, kinds: tuple[Any, ...]) -> Any:
    with recorded_ops(None):
        result = jax.eval_shape(mark, *(jax.ShapeDtypeStruct(*kind) for kind in kinds))
    return jax.core.ShapedArray(result.shape, result.dtype)


MARK = Primitive("jcnn_mark")
MARK.def_abstract_eval(_shape)


def trace(
    model: nnx.Module, input_shape: tuple[int, ...], opaque: Callable[[nnx.Module], bool]
) -> tuple[ClosedJaxpr, list[Any]]:
    """Trace `model` for images of `input_shape`, without the batch axis; nothing is computed.

    Args:
        model: in eval mode; its variables may be arrays or tracers.
        input_shape: `(H, W, C)`.
        opaque: whether the call of a module is to be one equation; asked before tracing.

    Returns:
        The program, and the model's arrays, which are its first inputs; the image is its last.
    """
    modules = modules_by_path(model)
    whole = {path: module for path, module in modules.items() if path and opaque(module)}
    graphdef, state = nnx.split(model)

    def call(state: Any, x: jax.Array) -> jax.Array:
        # Merged here, since `nnx.jit` inside a model updates variables of the same trace only.
        merged: Any = nnx.merge(graphdef, state)
        with _marks(merged, whole):
            result: jax.Array = merged(x)
        return result

    example = jax.ShapeDtypeStruct((BATCH, *input_shape), jnp.float32)
    with jax.disable_jit():  # whose cache may hold functions that were traced without marks
        return jax.make_jaxpr(call)(state, example), jax.tree.leaves(state)


@contextmanager
def _marks(model: nnx.Module, whole: dict[str, nnx.Module]) -> Iterator[None]:
    """Mark the calls in `model`, of its functions and of the layers with the paths of `whole`.

    `model` is a copy whose variables are tracers; a mark has the layer of `whole` itself.
    """
    paths, calls = [""], Counter[str]()

    def around(path: str, module: nnx.Module, call: Callable[..., Any], args: Any, kw: Any) -> Any:
        inner = path.removeprefix(f"{paths[-1]}/")
        paths.append(path)
        calls[path] += 1
        try:
            # Brackets: JAX and users open scopes, too.
            with jax.named_scope(f"[{inner}]({calls[path]})"):
                if path not in whole or len(args) != 1 or not _in_eval_mode(kw):
                    return call(*args, **kw)
                return MARK.bind(args[0], mark=Mark(path, None, whole[path], ("x",), {}))
        finally:
            paths.pop()

    def record(function: Callable[..., jax.Array], args: Any, kwargs: Any) -> jax.Array:
        bound = inspect.signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        arrays = {k: v for k, v in bound.arguments.items() if isinstance(v, jax.Array | np.ndarray)}
        rest = {k: v for k, v in bound.arguments.items() if k not in arrays}
        mark = Mark(paths[-1], function, None, tuple(arrays), rest)
        result: jax.Array = MARK.bind(*arrays.values(), mark=mark)
        return result

    with around_calls(model, around), recorded_ops(record):
        yield


def _in_eval_mode(keywords: dict[str, Any]) -> bool:
    """Whether the keywords of a call say no more than that the layer is in eval mode."""
    modes = ("deterministic", "use_running_average")
    return all(
        value is None or (name in modes and value is True) for name, value in keywords.items()
    )
