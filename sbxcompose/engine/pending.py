"""When it is worth a line that a sandbox is still not running, and why it is not (contract, section 2.3); pure."""

from __future__ import annotations

from collections.abc import Callable

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.spec.project import Sandbox

PendingHandler = Callable[[Sandbox, str, str | None], None]
"""Told how a sandbox stands: a text that completes "sandbox app …", and why it is pending ("" if unknown) or None."""

FIRST = 5.0
"""Seconds after which it is said that a sandbox is pending for no reason that is told."""
AGAIN = 30.0
"""Seconds after which the same is said again; doubled each time."""


class PendingReport:
    """Call it with each look at a sandbox that is waited for."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why it is pending, as was said last; empty if that is not known."""
        self._next = FIRST
        self._pause = AGAIN

    def __call__(self, info: SandboxInfo, waited: float) -> str | None:
        """Return what to say now: the state, why, and since when; None for nothing."""
        if info.status != "pending":
            return None
        reason = (info.pending_reason or "").replace("_", " ").strip()
        changed = bool(reason) and reason != self.reason
        if not changed and waited < self._next:
            return None
        self.reason = reason
        if waited >= self._next:
            self._next, self._pause = waited + self._pause, 2 * self._pause
        elif self._next == FIRST:
            self._next = AGAIN
        since = f" (for {waited:.0f} s)" if waited >= FIRST else ""
        return f"is pending{f': {reason}' if reason else ''}{since}"
