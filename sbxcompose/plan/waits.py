"""What a command is waiting for, for whom and since when: which of it is worth a line now, and in which words.

Pure: moments are given, in seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from msgspec import Struct

from sbxcompose.plan.describe import seconds
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    ResumeSandbox,
    Start,
    Step,
    Stop,
    SuspendSandbox,
    TerminateSandbox,
)
from sbxcompose.spec.project import Condition

REPORTS = (5.0, 15.0, 30.0, 60.0)
"""Seconds of waiting after which a line is printed; then once a minute."""
WORTH_SHOWING = 1.0
"""Seconds of waiting after which a status line names it: less is not read."""
SHOWN = 3
"""Most waits named in a status line."""


class Wait(Struct, frozen=True):
    """Completes "waiting for …": what (`db to be ready`), who needs it, and how it stands now."""

    what: str
    needed_by: str | None = None
    state: str | None = None

    def line(self, waited: float) -> str:
        """Return the wait as a line of its own."""
        needed = f"; {self.needed_by}" if self.needed_by else ""
        state = f": {self.state}" if self.state else ""
        return f"waiting for {self.what} ({seconds(int(waited))}{needed}){state}"


def next_report(waited: float) -> float:
    """Return after how many seconds of waiting the next line is due, for one who has waited `waited`."""
    for moment in REPORTS:
        if waited < moment:
            return moment
    return (waited // 60 + 1) * 60


class Waits:
    """What is being waited for, and what has been reported of it. Keys tell waits apart."""

    def __init__(self) -> None:
        self._since: dict[Hashable, float] = {}
        self._due: dict[Hashable, float] = {}

    def set(self, keys: Iterable[Hashable], now: float) -> None:
        """Wait for these from now on, and for nothing else; what was waited for already keeps its time."""
        wanted = dict.fromkeys(keys)
        self._since = {key: self._since.get(key, now) for key in wanted}
        self._due = {key: self._due.get(key, self._since[key] + next_report(0.0)) for key in wanted}

    def reports(self, waits: Mapping[Hashable, Wait], now: float) -> list[str]:
        """Return the lines that are due."""
        lines = []
        for key, due in self._due.items():
            if now >= due and key in waits:
                waited = now - self._since[key]
                self._due[key] = self._since[key] + next_report(waited)
                lines.append(waits[key].line(waited))
        return lines

    def next_due(self) -> float | None:
        """Return the moment at which the next line is due; None if nothing is waited for."""
        return min(self._due.values(), default=None)

    def current(self, waits: Mapping[Hashable, Wait], now: float) -> list[tuple[Wait, float]]:
        """Return what is worth showing with the seconds waited so far, the longest wait first."""
        old = [(begun, key) for key, begun in self._since.items() if key in waits and now - begun >= WORTH_SHOWING]
        return [(waits[key], now - begun) for begun, key in sorted(old, key=lambda entry: entry[0])]

    def status(self, waits: Mapping[Hashable, Wait], now: float) -> str | None:
        """Return everything that is waited for as one line, the longest first; None for nothing."""
        shown = self.current(waits, now)
        if not shown:
            return None
        if len(shown) == 1:
            wait, waited = shown[0]
            return wait.line(waited)
        named = [f"{wait.what} ({seconds(int(waited))})" for wait, waited in shown[:SHOWN]]
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        return f"waiting for {', '.join(named)}{more}"


def wait_of(step: Step, state: str | None = None) -> Wait | None:
    """Return what a step that has begun waits for; None for one that tells of its progress itself.

    `state` is how the awaited process stands.
    """
    subject = step.subject
    match step.action:
        case Await(_, condition):
            return awaiting(subject, condition, step.reason, state)
        case Stop(_, signal, grace, command):
            asked = "ran its stop command" if command else f"sent {_signal(signal)}"
            return Wait(f"{subject} to stop", None, f"{asked}, SIGKILL follows after {seconds(grace)}")
        case Start():
            return Wait(f"{subject} to start")
        case CreateSandbox():
            return Wait(f"sandbox {subject} to be created")
        case ResumeSandbox():
            return Wait(f"sandbox {subject} to resume")
        case SuspendSandbox():
            return Wait(f"sandbox {subject} to be suspended")
        case TerminateSandbox():
            return Wait(f"sandbox {subject} to be terminated")
        case _:
            return None


def awaiting(label: str, condition: Condition | None, needed_by: str | None, state: str | None) -> Wait:
    """Return the wait for a process to reach a condition, or to end."""
    return Wait(f"{label} to {_REACH[condition]}", needed_by, state)


_REACH = {
    Condition.READY: "be ready",
    Condition.COMPLETED: "complete",
    Condition.STARTED: "run",
    Condition.ENDED: "end",
    None: "exit",
}


def _signal(number: int) -> str:
    name = _SIGNALS.get(number)
    return f"SIG{name}" if name else f"signal {number}"


_SIGNALS = {1: "HUP", 2: "INT", 3: "QUIT", 9: "KILL", 10: "USR1", 12: "USR2", 15: "TERM", 28: "WINCH"}
