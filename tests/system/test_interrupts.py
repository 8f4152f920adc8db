"""Ctrl-C takes effect at safe points only."""

import signal
import threading
from collections.abc import Iterator

import pytest

from jcnn.system.interrupts import delay_interrupts


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Python's default handler, also for tests in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_waits_for_the_end() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), delay_interrupts():
        press()
        done.append("after the press")
    assert done == ["after the press"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_waits_for_the_next_check() -> None:
    done = []
    with delay_interrupts() as check:
        check()
        press()
        with pytest.raises(KeyboardInterrupt):
            check()
        check()  # once is enough
        done.append("checked")
        press()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert done == ["checked"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_waits_for_the_outer_context() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), delay_interrupts():
        with delay_interrupts():
            press()
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_second_press_takes_effect_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), delay_interrupts():
        press()
        done.append("first")
        press()
        done.append("second")
    assert done == ["first"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_ends_the_context_as_well() -> None:
    with pytest.raises(ValueError, match="mine"), delay_interrupts():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_press_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with delay_interrupts() as check:
        press()
        check()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_handler_is_called_at_the_check() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    with delay_interrupts() as check:
        press()
        assert not seen
        check()
        assert seen == [signal.SIGINT]
    assert len(seen) == 1


def test_other_threads_get_no_signals() -> None:
    checked: list[bool] = []

    def work() -> None:
        with delay_interrupts() as check:
            check()
            checked.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert checked == [True]
