"""What there is to be said about a bring-up: still pending, success, failed, or timed out; as text and as
JSON.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct

from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance, Row

TIMED_OUT = 124
"""Exit code when a deadline has passed (design, section 8)."""


class State(Struct, frozen=True):
    """What is known of one wanted instance.

    `row` is its row of the wanted digest; None as long as a start of it is still to come, so that the end of
    an earlier run is not taken for one of this bring-up. `ready`: it has been seen ready since its latest
    start, by whatever makes it ready. `error`: a step for it failed for good (its start was refused, say), in
    words that follow its name. `check`: what its last failed readiness check saw. `lines`: its last lines of
    output.
    """

    instance: Instance
    row: Row | None = None
    ready: bool = False
    error: str | None = None
    check: str | None = None
    lines: tuple[str, ...] = ()


class Goal(StrEnum):
    """What is waited for; completes "until all are …"."""

    READY = "ready"
    """`--wait`: services ready, one-shots completed."""
    ENDED = "ended"
    """Attached: everything has ended, well or not."""


class Mode(Struct, frozen=True):
    """When there is a verdict.

    `abort_on_exit`: also once anything ends, except a job that somebody needed completed. `exit_code_from`:
    once that process has ended, with its exit code; `goal` then does not matter, and of the others only
    failures abort.
    """

    goal: Goal = Goal.READY
    abort_on_exit: bool = False
    exit_code_from: Target | None = None


class Report(Struct, frozen=True):
    """An instance that is behind. `doing` follows its name; `waits_for` are the names of what holds it up."""

    instance: Instance
    label: str
    doing: str
    waits_for: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report for a program."""
        return {
            "sandbox": self.instance.sandbox,
            "process": self.instance.process,
            "replica": self.instance.replica,
            "label": self.label,
            "doing": self.doing,
            "waits_for": list(self.waits_for),
            "lines": list(self.lines),
        }


class _Open(Struct, frozen=True):
    """What is common to verdicts that are not good: who is the cause, and whom that holds up."""

    causes: tuple[Report, ...]
    held_up: tuple[Report, ...] = ()

    def _rendered(self, headline: str) -> str:
        lines = [headline]
        for report in self.causes:
            lines.append(f"  {report.label} {report.doing}")
            lines += [f"    | {line}" for line in report.lines]
        if self.held_up:
            lines.append("held up:")
            lines += [f"  {report.label} {report.doing}" for report in self.held_up]
        return "\n".join(lines)

    def _json(self, kind: str, exit_code: int | None) -> dict[str, Any]:
        return {
            "verdict": kind,
            "exit_code": exit_code,
            "causes": [report.to_json() for report in self.causes],
            "held_up": [report.to_json() for report in self.held_up],
        }


class Pending(_Open, frozen=True):
    """No verdict yet."""

    kind: ClassVar[str] = "pending"

    def __str__(self) -> str:
        return self._rendered(f"waiting for {len(self.causes) + len(self.held_up)}:")

    def to_json(self) -> dict[str, Any]:
        """The verdict for a program."""
        return self._json(self.kind, None)


class Success(Struct, frozen=True):
    """All is as it should be: `ready` services (or services that ended well) and `completed` one-shots."""

    kind: ClassVar[str] = "success"
    ready: int
    completed: int
    exit_code: int = 0

    def __str__(self) -> str:
        parts = [f"{self.ready} ready"] if self.ready or not self.completed else []
        parts += [f"{self.completed} completed"] if self.completed else []
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The verdict for a program."""
        counts = {"ready": self.ready, "completed": self.completed}
        return {"verdict": self.kind, "exit_code": self.exit_code, **counts}


class Failed(_Open, frozen=True):
    """Something failed; `exit_code` is what the command ends with."""

    kind: ClassVar[str] = "failed"
    exit_code: int = 1

    def __str__(self) -> str:
        return self._rendered("failed:")

    def to_json(self) -> dict[str, Any]:
        """The verdict for a program."""
        return self._json(self.kind, self.exit_code)


class TimedOut(_Open, frozen=True):
    """The deadline has passed. `late` is by how many seconds."""

    kind: ClassVar[str] = "timed out"
    late: float = 0.0
    exit_code: int = TIMED_OUT

    def __str__(self) -> str:
        return self._rendered("timed out, not ready:")

    def to_json(self) -> dict[str, Any]:
        """The verdict for a program."""
        return self._json(self.kind, self.exit_code)


Verdict = Pending | Success | Failed | TimedOut
