"""A thread pool for work on many files: reading and decoding release the GIL."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from jcnn.data.events import Notify, Reading, silent

_Result = TypeVar("_Result")
_MOST_AT_ONCE = 32  # calls per task: submitting a task costs as much as reading a small file


def in_parallel(
    work: Callable[[int], _Result], count: int, what: str = "", notify: Notify = silent
) -> list[_Result]:
    """`[work(0), work(1), ..., work(count - 1)]`, computed by several threads.

    Args:
        work: called from any thread. The exception of the first call, in order, that fails is
            raised.
        count: the number of calls.
        what: `Reading.what`, such as "decoding DIR".
        notify: called with the progress, from the caller's thread.
    """
    threads = os.cpu_count() or 1
    size = max(1, min(_MOST_AT_ONCE, count // (4 * threads)))

    def some(start: int) -> list[_Result]:
        return [work(i) for i in range(start, min(start + size, count))]

    results: list[_Result] = []
    for part in _pool(threads).map(some, range(0, count, size)):
        results += part
        notify(Reading(what, len(results), count))
    return results


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="jcnn-data")
