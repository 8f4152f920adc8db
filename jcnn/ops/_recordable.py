"""Let a graph record the calls of this package's functions while JAX traces a model."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec

import jax

P = ParamSpec("P")

# Gets the function, without this decorator, and its arguments; returns the result.
Recorder = Callable[[Callable[..., jax.Array], tuple[Any, ...], dict[str, Any]], jax.Array]

_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def recordable(function: Callable[P, jax.Array]) -> Callable[P, jax.Array]:
    """Make a function of arrays one that `recorded_ops` records."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> jax.Array:
        recorder = _recorder.get()
        return function(*args, **kwargs) if recorder is None else recorder(function, args, kwargs)

    return call


@contextmanager
def recorded_ops(recorder: Recorder | None) -> Iterator[None]:
    """Call `recorder` instead of each recordable function; None calls the functions themselves."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)
