"""The verdict on a bring-up: (states, now, deadline) -> still pending, success, failed, or timed out.

One pure function over all states, so that what ends a CI run is the same whichever event came last. It tells
those at fault from those that only wait for them, and a one-shot that has completed is as good as a service
that is ready.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sbxcompose.plan.decisions import completed
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import ObservedRow
from sbxcompose.plan.outcomes import (
    Failed,
    Goal,
    InstanceState,
    Mode,
    Pending,
    Report,
    Success,
    TimedOut,
    Verdict,
)
from sbxcompose.plan.progress import LOST, CommandTime, Progress, ProgressState
from sbxcompose.spec.project import CONNECTORS, Project

__all__ = [
    "Failed",
    "Goal",
    "InstanceState",
    "Judge",
    "Mode",
    "Pending",
    "Report",
    "Success",
    "TimedOut",
    "Verdict",
    "verdict",
]


DEFAULT_MODE = Mode()


class Judge:
    """Gives verdicts on one project, as often as something changes."""

    def __init__(self, project: Project, mode: Mode) -> None:
        self._graph = Graph(project)
        self._names = ProcessNames(project)
        self._mode = mode

    @property
    def waits_for_readiness(self) -> bool:
        """Whether it is readiness that the verdict waits for, and not an end."""
        return self._mode.goal is Goal.READY and self._mode.exit_code_from is None

    def verdict(
        self, states: Iterable[InstanceState], now: float, deadline: float | None = None, *, began: float = 0.0
    ) -> Verdict:
        """Return the verdict on the wanted instances; times are seconds since 1970. Linear in what there is.

        `began`: when the command did. What failed before that, and may have been mended since, is not a crash loop.
        """
        time = CommandTime(now, began, deadline)
        found = _verdict(Progress(self._graph, self._names, self._mode, states, time), self._mode)
        if isinstance(found, Pending) and deadline is not None and time.late:
            return TimedOut(found.causes, found.held_up, now - deadline)
        return found


def verdict(
    project: Project,
    states: Iterable[InstanceState],
    now: float,
    deadline: float | None = None,
    mode: Mode = DEFAULT_MODE,
) -> Verdict:
    """As `Judge.verdict`, for a single use."""
    return Judge(project, mode).verdict(states, now, deadline)


def _verdict(progress: Progress, mode: Mode) -> Verdict:
    by = None
    if mode.goal is Goal.ENDED or mode.exit_code_from is not None:
        by = next((state for state in progress.states if progress.ends_all(state)), None)
    if mode.exit_code_from is not None:
        found = _verdict_of_one(progress, mode.exit_code_from, mode.abort_on_exit)
        return _ended_by_another(progress, by) if by is not None and isinstance(found, Pending) else found
    if by is not None:
        return _ended_by(progress, by)
    lost = progress.in_state(ProgressState.FAILED)
    if mode.abort_on_exit:
        over = progress.in_state(ProgressState.ENDED)
        ended = [state for state in progress.states if _aborts(progress, state) and state not in over]
        if lost or ended:
            return progress.failed(lost) if lost else _success(progress)
    if mode.goal is Goal.READY:
        lost = progress.in_state(*LOST)
        if lost:
            return progress.failed(lost)
        behind = progress.in_state(ProgressState.PENDING)
    else:
        # What carries connections never ends by itself, and there is nothing to wait for in it.
        behind = [
            state
            for state in [*progress.pending(), *progress.in_state(ProgressState.READY)]
            if state.instance.sandbox != CONNECTORS
        ]
    if behind:
        return progress.pending_verdict(behind)
    if mode.goal is Goal.ENDED:
        lost = progress.in_state(ProgressState.FAILED, ProgressState.ENDED)
    return progress.failed(lost) if lost else _success(progress)


def _ended_by(progress: Progress, state: InstanceState) -> Verdict:
    """Return the verdict once the end of a process has ended all: its exit code decides."""
    label = progress.label(state)
    code = 1 if state.row is None else exit_code(state.row)
    return progress.failed([state], code, label) if code else replace(_success(progress), ended_by=label)


def _ended_by_another(progress: Progress, state: InstanceState) -> Verdict:
    """Return the failure when another process has ended everything before the one whose exit code was asked for."""
    code = 1 if state.row is None else exit_code(state.row)
    # Never 0: the process whose exit code was asked for has not ended.
    return progress.failed([state], code or 1, progress.label(state))


def _aborts(progress: Progress, state: InstanceState) -> bool:
    """Whether its end ends everything: not if the others have waited for it, nor if it ended before the command."""
    row = state.row
    if row is None or row.live or state.ended_before or progress.may_be_restarted(state):
        return False
    return not _completed_job(progress, state, row)


def _completed_job(progress: Progress, state: InstanceState, row: ObservedRow) -> bool:
    """Return whether it is a job that has done its work."""
    return progress.job(state) and completed(row, job=True)


def _verdict_of_one(progress: Progress, target: Target, abort: bool) -> Verdict:
    mine = [state for state in progress.states if _is(target, state)]
    over = [state for state in mine if state.row is not None and not state.row.live and not state.ended_before]
    ended = [state for state in over if not progress.may_be_restarted(state)]
    codes = [(exit_code(state.row), state) for state in ended if state.row is not None]
    bad = next((code for code in codes if code[0] != 0), None)
    if bad is not None:
        return progress.failed([bad[1]], bad[0])
    lost = progress.in_state(ProgressState.FAILED)
    if looping := progress.looping():
        own = [exit_code(state.row) for state in looping if state in mine and state.row is not None]
        return progress.failed(looping, next(filter(None, own), 1))
    doomed = progress.doomed()
    if lost and (abort or any(state in lost or state in doomed for state in mine)):
        return progress.failed(lost)
    if len(ended) == len(mine):
        # A service that died at once would make the verdict depend on who was faster.
        unproven = progress.unproven_needs(mine)
        if down := [state for state in unproven if state.row is not None and not state.row.live]:
            return progress.failed(down)
        return progress.pending_verdict(unproven) if unproven else _success(progress)
    return progress.pending_verdict(progress.with_needs(state for state in mine if state not in ended))


def _is(target: Target, state: InstanceState) -> bool:
    mine = (state.instance.sandbox, state.instance.process)
    return mine == (target.sandbox, target.process) and target.replica in (None, state.instance.replica)


def exit_code(row: ObservedRow) -> int:
    """Return what a shell would say of the row's latest end: 0 for a success, else its code, 128 + n for a signal, or
    1.
    """
    if row.exit is None:
        return 1
    if row.exit.success:
        return 0
    if row.exit.signal is not None:
        return 128 + row.exit.signal
    return 1 if row.exit.code is None else row.exit.code


def _success(progress: Progress) -> Success:
    ready, done, over = (
        progress.in_state(reached) for reached in (ProgressState.READY, ProgressState.COMPLETED, ProgressState.ENDED)
    )
    return Success(len(ready), len(done), len(over), skipped=progress.skipped(done))
