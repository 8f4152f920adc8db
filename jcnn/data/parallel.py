"""A thread pool for work on many files: reading and decoding release the GIL."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import cache
from typing import Any, TypeVar

from jcnn.data.events import Notify, Reading, silent

_Result = TypeVar("_Result")
_TELL_SECONDS = 0.1  # between two events of the progress


def in_parallel(
    work: Callable[[int], _Result], count: int, what: str = "", notify: Notify = silent
) -> list[_Result]:
    """`[work(0), work(1), ..., work(count - 1)]`, computed by several threads.

    Each thread takes the next number when it is done with one, so that all are busy until the end,
    also where one call takes longer than another or a thread has to wait for a processor.

    Args:
        work: called from any thread. The exception of the first call, in order, that fails is
            raised.
        count: the number of calls.
        what: `Reading.what`, such as "decoding DIR".
        notify: called with the progress, from the caller's thread.
    """
    threads = min(os.cpu_count() or 1, count)
    results: list[Any] = [None] * count
    failed: dict[int, BaseException] = {}
    numbers = iter(range(count))
    begun = 0

    def take() -> None:
        nonlocal begun
        for i in numbers:
            begun = i
            try:
                results[i] = work(i)
            except BaseException as error:
                failed[i] = error
            if failed:
                return

    pool = _pool(os.cpu_count() or 1)
    running = {pool.submit(take) for _ in range(threads)}
    told = 0
    try:
        while running:
            _, running = wait(running, _TELL_SECONDS, FIRST_COMPLETED)
            if not failed and running and begun > told:
                told = begun
                notify(Reading(what, told, count))
    except BaseException as error:  # such as Ctrl-C: the threads end after their calls
        failed[-1] = error
        raise
    if failed:  # all calls before it have ended
        raise failed[min(failed)]
    if count:
        notify(Reading(what, count, count))
    return results


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="jcnn-data")
