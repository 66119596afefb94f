"""How long a sandbox may still stay as it is (contract, section 2.11): decided by `seconds_left` from values alone.

One without a name has a lifetime. One with a name has a time without proxied traffic, after which it is suspended.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base.clock import now_ms
from sbxcompose.host.base.timer import Timer


class Traffic(Struct):
    """The proxied requests of a sandbox: how many are under way, and when there was one last (monotonic seconds)."""

    under_way: int
    last: float


def seconds_left(info: SandboxInfo, traffic: Traffic, *, age: float, now: float) -> float | None:
    """Seconds until the sandbox is due to be terminated or suspended, 0 if it is now; None if nothing is to happen.

    `age` is how long ago it was created, by the wall clock, for a lifetime goes on while no host runs; `now` is
    monotonic, for a machine that sleeps is not idle.
    """
    if not info.timeout_secs or info.status == "terminated":
        return None
    if info.name is None:
        return max(0.0, info.timeout_secs - age)
    if info.status != "running" or traffic.under_way:
        return None
    return max(0.0, traffic.last + info.timeout_secs - now)


class SandboxTimeout:
    """Counts a sandbox's traffic, and calls `due` when it is to be suspended or terminated.

    The timer is set for the moment that is due now, and looks again then: traffic costs no timer.
    """

    def __init__(self, info: Callable[[], SandboxInfo], due: Callable[[], None]) -> None:
        self._info = info
        self._due = due
        self._traffic = Traffic(0, time.monotonic())
        self._timer = Timer()

    def begin(self) -> None:
        """A proxied request has come."""
        self._traffic.under_way += 1

    def end(self) -> None:
        """It is over."""
        self._traffic.under_way -= 1
        self._traffic.last = time.monotonic()
        if not self._traffic.under_way and not self._timer.is_set:
            self.rearm()

    def renew(self) -> None:
        """Count its idleness from now on."""
        self._traffic.last = time.monotonic()
        self.rearm()

    def rearm(self) -> None:
        """Something has changed on which it depends what is due, and when."""
        left = self._left()
        if left is None:
            self._timer.cancel()
        else:
            self._timer.set(left, self._over)

    def cancel(self) -> None:
        """Nothing is due any more."""
        self._timer.cancel()

    def _left(self) -> float | None:
        info = self._info()
        age = (now_ms() - (info.created_at or 0)) / 1000
        return seconds_left(info, self._traffic, age=age, now=time.monotonic())

    def _over(self) -> None:
        if self._left() == 0:
            self._due()
        else:
            self.rearm()
