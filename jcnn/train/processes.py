"""Several processes that train together: what one decides, and errors that all must know.

All processes run the same programs in the same order, so none may stop, wait or choose by itself.
What a clock, the free memory or a callback decides is decided by process 0 (`decided`). What may
fail in one process is done by all before the next program (`together`): all end with the same
message. With one process both call their function and no more.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")

# Longer messages are cut.
_BYTES = 2048


class ProcessError(ValueError):
    """Another process has failed; its message is told."""


def is_first() -> bool:
    """Whether this is process 0, which decides, writes and reports."""
    return jax.process_index() == 0


def together(function: Callable[[], T]) -> T:
    """Call a function in each process; an error of one is raised in all.

    Raises:
        ProcessError: another process has failed.
        KeyboardInterrupt: this or another process was interrupted.
    """
    if jax.process_count() == 1:
        return function()
    error: BaseException | None = None
    try:
        result = function()
    except BaseException as raised:  # told to the others, then raised
        error = raised
    _tell(error, None)
    if error is not None:
        raise error
    return result


def decided(function: Callable[[], T]) -> T:
    """What a function gives in process 0, which alone calls it: a JSON value.

    Raises:
        ProcessError: it has failed there.
        KeyboardInterrupt: process 0 was interrupted.
    """
    if jax.process_count() == 1:
        return function()
    error: BaseException | None = None
    value: Any = None
    try:
        value = function() if is_first() else None
    except BaseException as raised:  # as in `together`
        error = raised
    told = _tell(error, value)
    if error is not None:
        raise error
    result: T = told
    return result


def _tell(error: BaseException | None, value: Any) -> Any:
    """Exchange errors and values; return the value of process 0, or raise an error of another."""
    kind = "" if error is None else type(error).__name__
    text = "" if error is None else " ".join(str(error).split())[: _BYTES // 8]
    told = _exchange({"kind": kind, "text": text, "value": value})
    if error is None:
        for number, other in enumerate(told):
            if other["kind"] == "KeyboardInterrupt":
                raise KeyboardInterrupt(other["text"] or f"process {number} was interrupted")
            if other["kind"]:
                raise ProcessError(f"process {number}: {other['text'] or other['kind']}")
    return told[0]["value"]


def _exchange(mine: dict[str, Any]) -> list[dict[str, Any]]:
    """What each process says, by its number."""
    from jax.experimental.multihost_utils import process_allgather

    content = json.dumps(mine).encode()
    if len(content) > _BYTES:
        raise AssertionError(f"{len(content)} bytes to tell other processes; at most {_BYTES}")
    padded = np.frombuffer(content.ljust(_BYTES), np.uint8)
    return [json.loads(bytes(row)) for row in np.asarray(process_allgather(padded))]
