"""Decide what to do with one instance, from its rows alone: keep, start, stop or replace it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.spec.project import Condition, Process


@dataclass(slots=True)
class Decision:
    """`keep` is the row that stays; `start` the reason for a new one; `stops` the rows that go, each with its
    reason.

    `late`: the stops come only after the row that stays, or the new one, is ready. `again`: something that
    ran before gets a new run, which is what dependents with `restart: true` follow.
    """

    node: int
    instance: Instance
    keep: ObservedRow | None = None
    start: str | None = None
    stops: list[tuple[ObservedRow, str]] = field(default_factory=list)
    late: bool = False
    again: bool = False
    stop_steps: list[int] = field(default_factory=list)
    """The steps of the stops, once they are drawn."""
    start_step: tuple[int, str] | None = None
    """The step of the start and the managed name, once they are drawn."""
    wait_step: tuple[Condition, int] | None = None
    """The latest step that waits for it."""


class Rule(Struct, frozen=True):
    """How a command looks at an instance.

    `renew`: a new run though nothing changed, for this reason. `rerun`: also of a one-shot that has
    completed. `leave_changed`: a live row of another digest may stay, unless it is a job: the old one's work
    is not what is needed.
    """

    renew: str | None = None
    rerun: bool = False
    leave_changed: bool = False


PLAIN = Rule()
LENIENT = Rule(leave_changed=True)


def completed(row: ObservedRow, *, job: bool) -> bool:
    """Return whether its work is done: a one-shot, or a `job` (which is tried again if it fails), ended with 0."""
    return row.completed or (job and row.ended_well)


def start_first(process: Process, job: bool) -> bool:
    """Return whether a new run begins before the old one ends; two runs of a job never go side by side."""
    return process.update == "start-first" and not job


def decide(
    node: int, process: Process, job: bool, instance: Instance, rows: Sequence[ObservedRow], rule: Rule
) -> Decision:
    """Return what `rule` makes of an instance with these rows, the newest last."""
    decision = Decision(node, instance)
    live = [row for row in rows if row.live]
    if not live:
        _decide_ended(decision, process, job, rows, rule)
        return decision
    same = [row for row in live if row.digest == process.digest]
    late = start_first(process, job)
    if rule.renew is not None:
        _replace(decision, live, rule.renew, late)
    elif rule.leave_changed and not job:
        decision.keep = (same or live)[-1]
    elif same:
        _keep_newest(decision, live, same, late)
    else:
        _replace(decision, live, "definition changed", late)
    return decision


def _replace(decision: Decision, live: Sequence[ObservedRow], reason: str, late: bool) -> None:
    decision.start = reason
    decision.stops = [(row, reason) for row in live]
    decision.late = late
    decision.again = True


def _keep_newest(decision: Decision, live: Sequence[ObservedRow], same: Sequence[ObservedRow], late: bool) -> None:
    """Several live rows are left by a crash between a start and a stop, or by a race of two commands."""
    decision.keep = same[-1]
    if len(live) == 1:
        return
    decision.again = len(same) < len(live)
    decision.late = late and decision.again
    decision.stops = [
        (row, "runs twice" if row.digest == decision.keep.digest else "definition changed")
        for row in live
        if row is not decision.keep
    ]


def _decide_ended(decision: Decision, process: Process, job: bool, rows: Sequence[ObservedRow], rule: Rule) -> None:
    if not rows:
        decision.start = "not running"
        return
    # An older definition that was stopped says nothing about work that the wanted one has completed.
    telling = [row for row in rows if row.phase is not Phase.STOPPED or row.digest == process.digest]
    last = (telling or rows)[-1]
    if last.digest == process.digest and completed(last, job=job):
        if not rule.rerun:
            decision.keep = last
            return
        decision.start = rule.renew or "named, so it runs again"
    elif last.phase is Phase.STOPPED:
        decision.start = "was stopped"
    elif last.past:
        decision.start = "not running"
    elif last.digest != process.digest:
        decision.start = "definition changed"
    else:
        decision.start = str(last.exit or Exit())
    decision.again = True


def satisfies(row: ObservedRow, condition: Condition, process: Process, job: bool) -> bool:
    """Return whether one can see from a row that stays that its instance has reached `condition`.

    A line of output, or a command's answer, cannot be seen from a row; then it must be checked. A row of
    another digest that was left running counts as ready: what the file says of readiness now is not about it.
    """
    if condition is Condition.ENDED:
        return row.phase is Phase.EXITED and not row.past and row.digest == process.digest
    if completed(row, job=job) or condition is Condition.COMPLETED:
        return completed(row, job=job) and row.digest == process.digest
    if row.digest != process.digest:
        return row.live
    if condition is Condition.STARTED:
        return row.live and row.phase is not Phase.BACKING_OFF
    return process.ready_when is None and row.phase is Phase.RUNNING and row.has_health_check
