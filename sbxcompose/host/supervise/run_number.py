"""The number of a run in its log, also of one that the last server had begun there and not lived to record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from sbxcompose.host.keeper.client import Adopted, Spawned
from sbxcompose.host.logs.store import LogStore

OwnsRun = Callable[[int], bool]
"""Whether a run of the log is recorded as one of the row's own."""


def run_number(log: LogStore, owns_run: OwnsRun, arrived: Spawned | Adopted) -> int:
    """Begin the run in the log, unless the last server had done that."""
    if isinstance(arrived, Adopted):
        began = round(arrived.at * 1000)
        spans = [span for span in log.runs() if span.end is None and not owns_run(span.run)]
        known = next((span.run for span in spans if span.started_ms == began), None)
        if known is not None:
            return known
    with suppress(OSError):
        return log.begin_run(arrived.at)
    # A disk without space for the mark does not prevent the run: its output waits in the pipe until there is some.
    return log.last_run


def lost_run_number(log: LogStore, owns_run: OwnsRun, at: float) -> int:
    """Begin a run in the log of which nothing but that is known, `at` in seconds since 1970."""
    begun = [span.run for span in log.runs() if span.end is None and not owns_run(span.run)]
    if begun:
        return begun[-1]
    with suppress(OSError):
        return log.begin_run(at)
    return log.last_run
