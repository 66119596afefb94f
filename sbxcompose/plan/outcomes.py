"""What there is to be said about a bring-up: still pending, success, failed, or timed out; as text and as
JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

from msgspec import Struct

from sbxcompose.plan.describe import seconds
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance, ObservedRow

TIMED_OUT = 124
"""Exit code when a deadline has passed, as timeout(1) has it."""


class InstanceState(Struct, frozen=True):
    """What is known of one wanted instance.

    `row` is its row of the wanted digest; None as long as a start of it is still to come, so that the end of
    an earlier run is not taken for one of this bring-up. `ready`: it has been seen ready since its latest
    start, by whatever makes it ready. `error`: a step for it failed for good (its start was refused, say), in
    words that follow its name. `check`: what its last failed readiness check saw. `lines`: its last lines of
    output. `kept`: its run began before the command, which starts no other; `ended_before`: that run had also
    ended by then, so that its end says nothing about what the command did. `start` returns how a start stands that
    has not been answered, in words that follow its name; it is called only for reports, since it looks through all
    that the start comes after.
    """

    instance: Instance
    row: ObservedRow | None = None
    ready: bool = False
    error: str | None = None
    check: str | None = None
    lines: tuple[str, ...] = ()
    kept: bool = False
    ended_before: bool = False
    start: Callable[[], str | None] | None = None


class Goal(StrEnum):
    """What is waited for; completes "until all are …"."""

    READY = "ready"
    """`--wait`: services ready, one-shots completed."""
    ENDED = "ended"
    """Attached: everything has ended, well or not."""


class Mode(Struct, frozen=True):
    """When there is a verdict.

    `abort_on_exit`: also once anything ends, except a job that another process needs completed. `exit_code_from`:
    once that process has ended, with its exit code; `goal` then does not matter, and of the others only
    failures abort. `may_recover`: a crash loop continues.
    """

    goal: Goal = Goal.READY
    abort_on_exit: bool = False
    exit_code_from: Target | None = None
    may_recover: bool = False

    @property
    def awaits_ends(self) -> bool:
        """Whether nothing is meant to be ready, and all is meant to end."""
        return self.goal is Goal.ENDED or self.exit_code_from is not None

    @property
    def is_patient(self) -> bool:
        """Whether a crash loop may continue, because a person watches it and can fix the file."""
        attached = self.goal is Goal.ENDED and not self.abort_on_exit and self.exit_code_from is None
        return self.may_recover or attached


class Report(Struct, frozen=True):
    """An instance that is behind. `doing` follows its name; `waits_for` are the names of what holds it up.

    `ran`: it is about a run, and not about a start that was refused.
    """

    instance: Instance
    label: str
    doing: str
    waits_for: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    ran: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the report for a program."""
        return {
            **self.instance.to_json(),
            "label": self.label,
            "doing": self.doing,
            "waits_for": list(self.waits_for),
            "lines": list(self.lines),
        }


class _Unsuccessful(Struct, frozen=True):
    """What is common to verdicts that are not good: who is the cause, and whom that holds up."""

    causes: tuple[Report, ...]
    held_up: tuple[Report, ...] = ()

    def rendered(self, headline: str) -> str:
        """Return it in lines below a headline."""
        lines = [headline]
        for report in self.causes:
            lines.append(f"  {report.label} {report.doing}")
            lines += [f"    | {line}" for line in report.lines]
        if self.held_up:
            lines.append("held up:")
            lines += [f"  {report.label} {report.doing}" for report in self.held_up]
        return "\n".join(lines)

    def json(self, kind: str, exit_code: int | None) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "verdict": kind,
            "exit_code": exit_code,
            "causes": [report.to_json() for report in self.causes],
            "held_up": [report.to_json() for report in self.held_up],
        }


class Pending:
    """No verdict yet. `recheck_at` is when time alone can bring one, by the clock of the verdict.

    `reports` words what is behind. It is called when that is read: while many processes start there is a new judgement
    every few milliseconds, and few of them are read.
    """

    kind: ClassVar[str] = "pending"

    def __init__(self, reports: Callable[[], Sequence[Report]], recheck_at: float | None = None) -> None:
        self._word = reports
        self.recheck_at = recheck_at

    @cached_property
    def _worded(self) -> _Unsuccessful:
        reports = self._word()
        causes = tuple(report for report in reports if not report.waits_for)
        return _Unsuccessful(causes, tuple(report for report in reports if report.waits_for))

    @property
    def causes(self) -> tuple[Report, ...]:
        """What is behind and waits for nothing else that is."""
        return self._worded.causes

    @property
    def held_up(self) -> tuple[Report, ...]:
        """What waits for others that are behind."""
        return self._worded.held_up

    def __str__(self) -> str:
        return self._worded.rendered(f"waiting for {len(self.causes) + len(self.held_up)}:")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for a program."""
        return self._worded.json(self.kind, None)


class Skipped(Struct, frozen=True):
    """A one-shot that completed before the command and was not run again. `at` is in seconds since 1970."""

    instance: Instance
    label: str
    at: float | None
    ago: float | None

    def __str__(self) -> str:
        when = "" if self.ago is None else f" {seconds(self.ago)} ago"
        return f"{self.label} was not run again: it completed{when} and has not changed"

    def to_json(self) -> dict[str, Any]:
        """Return the one-shot for a program."""
        return {
            **self.instance.to_json(),
            "label": self.label,
            "completed_at": self.at,
        }


class Success(Struct, frozen=True):
    """Everything is as it should be: `ready` services (or services that ended well) and `completed` one-shots.

    `ended`: those that failed, of which only the end was waited for; `skipped`: one-shots that were not run again.
    """

    kind: ClassVar[str] = "success"
    ready: int
    completed: int
    ended: int = 0
    exit_code: int = 0
    skipped: tuple[Skipped, ...] = ()
    ended_by: str | None = None
    """Whose end has ended it all: its `stop_all_on` says so."""

    def __str__(self) -> str:
        parts = [f"{self.ready} ready"] if self.ready or not (self.completed or self.ended) else []
        parts += [f"{self.completed} completed"] if self.completed else []
        parts += [f"{self.ended} ended"] if self.ended else []
        return "\n".join([", ".join(parts), *(f"  {one_shot}" for one_shot in self.skipped)])

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for a program."""
        counts = {"ready": self.ready, "completed": self.completed, "ended": self.ended}
        skipped = [one_shot.to_json() for one_shot in self.skipped]
        return {"verdict": self.kind, "exit_code": self.exit_code, **counts, "not_run_again": skipped}


class Failed(_Unsuccessful, frozen=True):
    """Something failed; `exit_code` is what the command ends with."""

    kind: ClassVar[str] = "failed"
    exit_code: int = 1
    ended_by: str | None = None
    """As `Success` has it."""

    def __str__(self) -> str:
        return self.rendered("failed:")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for a program."""
        return self.json(self.kind, self.exit_code)


class TimedOut(_Unsuccessful, frozen=True):
    """The deadline has passed. `late` is by how many seconds."""

    kind: ClassVar[str] = "timed out"
    late: float = 0.0
    ended_by: ClassVar[None] = None
    exit_code: int = TIMED_OUT

    def __str__(self) -> str:
        return self.rendered("timed out:")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict for a program."""
        return self.json(self.kind, self.exit_code)


Verdict = Pending | Success | Failed | TimedOut
