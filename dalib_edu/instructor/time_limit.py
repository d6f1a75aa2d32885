"""A limit of time on this process's own work with a text that a stranger wrote."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

AGAIN = 5  # seconds; what is raised can be swallowed by the code that it interrupts


class TookTooLong(Exception):
    """The time is up."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some time, and once more every few seconds until it ends.

    It needs the main thread and a system with signals; elsewhere (Windows, a dask worker's
    thread) there is no limit. Another such limit around it holds on.

    Raises:
        TookTooLong: the time was up, also where the block has swallowed that.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    rang = False

    def ring(*_) -> None:
        nonlocal rang
        rang = True
        raise TookTooLong

    begun = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            left = max(left - (time.monotonic() - begun), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
    if rang:
        raise TookTooLong
