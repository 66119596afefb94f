"""The clocks, and which of them a thing is told by: nothing else in the package reads one.

Only `engine/connect/listener_program.py` does, which runs in sandboxes that do not have this package.

| clock | for | while the machine sleeps | when the wall clock is set |
|---|---|---|---|
| `monotonic` | deadlines, pauses, durations | stops | unaffected |
| `boot_time` | starts of processes, lifetimes of sandboxes | counts | unaffected |
| `wall_time` | moments: shown, recorded, of files, of a server's answers | counts | jumps |
| `SteadyClock` | moments of rows, where deadlines are compared with them | stops | unaffected |

A deadline is never by the wall clock: set back, it would prolong it, set forward, end it. The timers of event loops
and their `time()` are by the monotonic clock as well, or by that of a test.

`monotonic` and `boot_time` are the same in all processes of a machine until it restarts, so a keeper hands its
deadlines to its successor as they are. What has to outlive a restart of the machine is recorded by the wall clock; who
takes a deadline from a record limits what is left of it to the whole, and counts that by `monotonic`.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SET = 0.5
"""Seconds by which the wall clock must be off before it counts as having been set."""


def monotonic() -> float:
    """Return seconds for deadlines and durations; they count from some moment, and never jump."""
    return time.monotonic()


def boot_time() -> float:
    """Return the seconds since this machine was started, those included for which it slept (Linux only)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_time() -> float:
    """Return seconds since 1970, for moments that people, files and other machines see."""
    return time.time()


def wall_ms() -> int:
    """Return milliseconds since 1970, as moments are recorded and sent."""
    return time.time_ns() // 1_000_000


def wall_ns() -> int:
    """Return nanoseconds since 1970, to compare with those of files."""
    return time.time_ns()


def thread_cpu_time() -> float:
    """Return the seconds of CPU that the calling thread has used."""
    return time.thread_time()


class SteadyClock:
    """The wall clock when it was made, and what has passed since by the monotonic clock.

    A row tells moments by the wall clock of its host, so that they can be compared with this clock only while neither
    has been set. `moment` puts that right when a row is first seen, by its age: after that nothing depends on the
    wall clock.
    """

    def __init__(self, wall: Callable[[], float] = wall_time, steady: Callable[[], float] = monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()

    def now(self) -> float:
        """Return the time now."""
        return self._offset + self._steady()

    def moment(self, at: float) -> float:
        """Return a moment that was told just now by the wall clock; one in the future counts as now."""
        now = self.now()
        wall = self._wall()
        if abs(wall - now) < SET and at <= now:
            return at
        return now - max(wall - at, 0.0)
