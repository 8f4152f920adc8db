"""Several processes that train together: what one decides, and errors that all must know.

All processes run the same programs in the same order, so none may stop, wait or choose by itself.
What a clock, the free memory or a callback decides is decided by process 0 (`decided`). What may
fail in one process is done by all before the next program (`together`): all end with the same
message. With one process both call their function and no more.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import jax
import numpy as np

from jcnn.system.environment import whole_number

T = TypeVar("T")

# Longer messages are cut.
_BYTES = 2048


# Seconds that the processes wait for one another at the start, unless JCNN_JOIN_SECONDS says
# otherwise; and for a sign of life afterwards.
JOIN_SECONDS = 300
ALIVE_SECONDS = 10
_MARGIN_SECONDS = 30

# In the messages of errors that an exchange raises when another process is gone.
_EXCHANGES = re.compile(r"gloo|nccl|coordination service|connection (reset|closed)", re.IGNORECASE)


class ProcessError(ValueError):
    """Another process has failed; its message is told."""


def join(where: str) -> str:
    """Join the other processes of a training, before JAX computes anything.

    Args:
        where: "auto", as JAX finds the processes of Slurm, Open MPI, a TPU pod or GKE; or
            "HOST:PORT,COUNT,ID" with the address of process 0, their number, and this one's.

    Returns:
        "process i of n, k devices".

    Raises:
        ValueError: `where` is of another form, or nothing like it is found.
        ProcessError: JAX cannot connect the processes.

    If a process has not come in time, this process ends with a line and exit code 2.
    """
    how: dict[str, Any] = {}
    seconds = whole_number("JCNN_JOIN_SECONDS", JOIN_SECONDS)
    if where != "auto":
        found = re.fullmatch(r"([^,]+:(\d+)),(\d+),(\d+)", where)
        if not found or not 0 < int(found[2]) < 2**16 or not int(found[4]) < int(found[3]):
            raise ValueError(
                f"distributed: got {where!r}; accepted: auto, or HOST:PORT,COUNT,ID with ID from 0 "
                "to COUNT - 1 and PORT up to 65535, such as 10.0.0.1:7777,2,0"
            )
        how = {"coordinator_address": found[1]}
        how |= {"num_processes": int(found[3]), "process_id": int(found[4])}
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    at = "" if where == "auto" else f" to {how['coordinator_address']}"
    late = threading.Timer(seconds, _give_up, [at, seconds])
    late.daemon = True
    late.start()
    try:
        jax.distributed.initialize(
            **how,
            initialization_timeout=seconds + _MARGIN_SECONDS,
            heartbeat_timeout_seconds=ALIVE_SECONDS,
            shutdown_timeout_seconds=ALIVE_SECONDS,
        )
        here, all_devices = jax.local_device_count(), jax.device_count()
    except (ValueError, RuntimeError) as error:
        if where != "auto":
            raise ProcessError(f"distributed: {_first_line(error)}") from None
        raise ValueError(
            f"distributed: found no Slurm, Open MPI, TPU pod or GKE here ({_first_line(error)}); "
            "accepted: HOST:PORT,COUNT,ID"
        ) from None
    finally:
        late.cancel()
    number, count = jax.process_index(), jax.process_count()
    return f"process {number} of {count}, {here} of {all_devices} devices"


def _give_up(at: str, seconds: int) -> None:
    """End this process with a line: JAX would end it, later, with a stack trace of C++."""
    print(
        f"jcnn: distributed: not all processes have come{at} within {seconds} seconds "
        "(JCNN_JOIN_SECONDS)",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def leave() -> None:
    """End together with the other processes."""
    jax.distributed.shutdown()


@contextmanager
def with_others(run: Any) -> Iterator[None]:
    """Say which process is gone, instead of the error of the exchange that it has left.

    Args:
        run: the run folder, from which all can go on; or None.
    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if jax.process_count() == 1 or not _EXCHANGES.search(str(error)):
            raise
        again = f"; start all of them again with --resume {run}" if run else ""
        raise ProcessError(f"another process has ended{again} ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


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
