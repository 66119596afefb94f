"""Memory that was needed to hold what slow clients had not taken, given back once they have gone.

The C library keeps what is freed for later; a host that lives for months would keep what its worst minute needed.
"""

from __future__ import annotations

from sbxcompose.host.base.timer import Timer

PAUSE = 1.0
"""Seconds in which more clients may go."""

_timer: Timer | None = None


def give_back_soon() -> None:
    """Give freed memory back to the system in a moment; however many ask for it, that is done once."""
    global _timer
    if _timer is None or not _timer.is_set:
        _timer = Timer()
        _timer.set(PAUSE, give_back)


def give_back() -> None:
    """Give freed memory back to the system; nothing is done where the C library cannot."""
    import ctypes
    import gc

    gc.collect()  # a request that was broken off leaves a cycle, of its exception, with the piece that was not sent
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
