"""A time limit by an alarm signal: it ends even what hangs in a system call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
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
