"""Plans and what became of them, as plain values; and failures as errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from sbxcompose.client.error_words import add_hint
from sbxcompose.client.verdict import Verdict
from sbxcompose.engine.result import Result
from sbxcompose.errors import DeadlinePassed, FailedProcess, ProcessFailed, SbxError
from sbxcompose.plan.outcomes import Report, Success, TimedOut
from sbxcompose.plan.steps import Plan, Start, Stop


class PlannedStep(Struct, frozen=True, kw_only=True):
    """One step of a plan: `action` (`start`, `stop`, `await`, `create`, …) on `subject`, and why.

    It begins once the steps with the numbers in `after` have succeeded.
    """

    number: int
    action: str
    subject: str
    reason: str
    after: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        return self.text


class ProjectPlan(Struct, frozen=True, kw_only=True):
    """What `up` would do; as text it is what `sbxcompose plan` prints. It is false if there is nothing to do."""

    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...]
    summary: str

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[PlannedStep]:
        return iter(self.steps)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.steps), *self.notes, self.summary])


class AppliedChanges(Struct, frozen=True, kw_only=True):
    """What a command has done, by the names of instances. It is false if it changed nothing.

    `unchanged` counts the instances that were as they should be; `notes` is worth knowing and needs no action.
    """

    started: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """Stopped and started again."""
    stopped: tuple[str, ...] = ()
    unchanged: int = 0
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.started or self.replaced or self.stopped)


def project_plan(plan: Plan) -> ProjectPlan:
    """Return the plan as a plain value."""
    steps = tuple(
        PlannedStep(
            number=step.number,
            action=step.action.kind,
            subject=step.subject,
            reason=step.reason,
            after=step.after,
            text=str(step),
        )
        for step in plan
    )
    return ProjectPlan(steps=steps, notes=tuple(map(str, plan.notes)), summary=plan.summary)


def applied(plan: Plan) -> AppliedChanges:
    """Return what a plan has done that was carried out."""
    starts = dict.fromkeys(step.subject for step in plan if isinstance(step.action, Start))
    stops = dict.fromkeys(step.subject for step in plan if isinstance(step.action, Stop))
    return AppliedChanges(
        started=tuple(name for name in starts if name not in stops),
        replaced=tuple(name for name in starts if name in stops),
        stopped=tuple(name for name in stops if name not in starts),
        unchanged=plan.unchanged,
        notes=tuple(map(str, plan.notes)),
    )


def check_result(result: Result, hide: Callable[[str], str]) -> None:
    """Raise `ProcessFailed` if a step has failed, or the error itself if it is of another kind and the only one."""
    if result.good:
        return
    first = result.failures[0]
    if len(result.failures) == 1 and not isinstance(first.error, ProcessFailed):
        raise first.error
    causes = [FailedProcess(failure.step.subject, hide(failure.error.message)) for failure in result.failures]
    raise _with_notes(ProcessFailed(_words(causes), hint=first.error.hint, causes=causes))


def check_verdict(verdict: Verdict, timeout: float | None) -> None:
    """Raise `ProcessFailed` or `DeadlinePassed` unless it is a success."""
    if isinstance(verdict, Success):
        return
    causes = [_failed(report) for report in verdict.causes]
    error: ProcessFailed | DeadlinePassed
    if isinstance(verdict, TimedOut):
        after = f" after {timeout:g}s" if timeout is not None else ""
        error = DeadlinePassed(f"timed out{after}: {_words(causes)}", causes=causes)
    else:
        error = ProcessFailed(_words(causes), causes=causes)
    raise _with_notes(error)


def _failed(report: Report) -> FailedProcess:
    return FailedProcess(report.label, f"{report.label} {report.doing}", report.lines)


def _words(causes: Sequence[FailedProcess]) -> str:
    more = f", and {len(causes) - 1} more" if len(causes) > 1 else ""
    return f"{causes[0].message}{more}" if causes else "not everything is ready"


def _with_notes(error: SbxError) -> SbxError:
    """Show the causes below the message in a traceback, as pytest and notebooks print it."""
    for cause in getattr(error, "causes", ()):
        error.add_note("\n".join([cause.message, *(f"  | {line}" for line in cause.lines)]))
    add_hint(error)
    return error
