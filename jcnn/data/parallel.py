"""Work on many files at once, with one thread a processor: reading and decoding leave Python."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from jcnn.data.events import Notify, Reading, silent

_Result = TypeVar("_Result")
_MOST_AT_ONCE = 32  # handing work over costs as much as reading a small file


def in_parallel(
    work: Callable[[int], _Result], count: int, what: str = "", notify: Notify = silent
) -> list[_Result]:
    """`[work(0), work(1), ..., work(count - 1)]`, by several threads.

    Args:
        work: called from any thread; the first call, in order, that raises ends it all.
        count: how many calls.
        what: `Reading.what`, such as "decoding DIR".
        notify: told of the progress, from the caller's own thread.
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
