"""Ctrl-C at safe points.

Python raises KeyboardInterrupt between any two bytecodes, also in Python code that C code has
called, such as the comparison of two dtypes by NumPy. The C code may turn it into another error,
or leave its data half changed.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def delay_interrupts() -> Iterator[Callable[[], None]]:
    """Delay Ctrl-C until the end of the context, or until the function that it yields is called.

    Within two contexts it is delayed until the end of the outer one. Only the main thread gets
    signals, so in another thread this does nothing, and a Ctrl-C that is ignored stays ignored.
    A second Ctrl-C takes effect at once.
    """
    previous = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or previous is None or previous == signal.SIG_IGN:
        yield _do_nothing
        return
    pressed: list[int] = []

    def record(number: int, frame: FrameType | None) -> None:
        if pressed and callable(previous):
            pressed.clear()
            previous(number, frame)
        else:
            pressed.append(number)

    def check() -> None:
        if pressed:
            pressed.clear()
            signal.signal(signal.SIGINT, previous)
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.signal(signal.SIGINT, record)

    signal.signal(signal.SIGINT, record)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, previous)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _do_nothing() -> None:
    """There is no Ctrl-C to wait for."""
