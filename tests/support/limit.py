"""A time limit by an alarm signal: it ends even what hangs in a system call."""

from __future__ import annotations

import faulthandler
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class OutOfTime(BaseException):
    """The time limit has passed. Not an `Exception`, so that no code under test swallows it."""


@contextmanager
def time_limit(seconds: float, what: str) -> Iterator[None]:
    """Raise `OutOfTime` in the main thread once the block has taken `seconds`. Limits may be nested."""

    def out_of_time(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime(f"{what} took longer than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, out_of_time)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, handler)


class LastResort:
    """Prints the stacks of all threads where not even the limit ends a test, because it hangs outside Python.

    It takes a thread to be started and joined, which is more than most unit tests take: so it is armed anew only
    every few seconds.
    """

    EVERY = 5.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renew_at = self._prints_at = 0.0

    def watch(self, seconds: float) -> None:
        """Print unless this is called again, or the session ends, within about `seconds`."""
        now = self._clock()
        if now >= self._renew_at or now + seconds > self._prints_at:
            self._renew_at, self._prints_at = now + self.EVERY, now + seconds + self.EVERY
            faulthandler.dump_traceback_later(self._prints_at - now, file=2)  # pytest may have replaced sys.stderr

    def end(self) -> None:
        """Print nothing more."""
        faulthandler.cancel_dump_traceback_later()
