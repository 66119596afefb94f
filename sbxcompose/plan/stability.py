"""Whether a run counts that its check, if there is one, found good, whether an end is one, and what a crash loop is.

Every moment is the sandbox's own (when the run started, when the one before it ended), so that the answer
does not depend on the moment of the observation.
"""

from __future__ import annotations

from sbxcompose.plan.describe import ended
from sbxcompose.plan.observed import ObservedRow, Phase
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Process

STABLE_AFTER = 1.0
"""Seconds that a run must last to be stable (supervisord's `startsecs`)."""
CRASH_LOOP = 3
"""Number of consecutive failed runs that make a crash loop."""
RESTART_WITHIN = 2.0
"""Seconds between stop and start that a restart by another command may take before the stop counts as the end."""
REPLACED_WITHIN = 60.0
"""The same where the stop said that a new run follows: the command may have been killed, and then none does."""


def stable_in(row: ObservedRow, now: float) -> float | None:
    """Return the seconds until the current run is stable, 0 once it is; None if there is no run."""
    if not row.live or row.phase is Phase.BACKING_OFF or (row.phase is Phase.STARTING and row.pid is None):
        return None
    if row.started_at is None:
        return 0.0
    return max(row.started_at + STABLE_AFTER - now, 0.0)


def stop_counts_in(row: ObservedRow, now: float) -> float:
    """Return the seconds for which the stop of a row may be the first half of a restart; 0 if it is no such stop."""
    if row.phase is not Phase.STOPPED or row.past or row.stopped_at is None:
        return 0.0
    return max(row.stopped_at + (REPLACED_WITHIN if row.replaced else RESTART_WITHIN) - now, 0.0)


def failed_since(row: ObservedRow, began: float) -> bool:
    """Return whether a run of a live row has ended at or after `began`."""
    return row.exit is not None and (row.exit.at is None or row.exit.at >= began)


def counts_in(row: ObservedRow, began: float, now: float) -> float | None:
    """Return the seconds until one may rely on a run that has no check, or whose check succeeds; None without a run.

    One that has not failed since `began` counts as soon as it runs, one that has must be stable.
    """
    left = stable_in(row, now)
    return left if left is None or failed_since(row, began) else 0.0


def in_crash_loop(row: ObservedRow, began: float, now: float) -> bool:
    """Return whether it fails again and again, and has done so since `began`, so that a fixed program gets a try."""
    if not row.live or row.failed_runs < CRASH_LOOP or not failed_since(row, began):
        return False
    return row.phase is not Phase.RUNNING or stable_in(row, now) != 0.0


def ready_now(
    process: Process | None,
    job: bool,
    row: ObservedRow | None,
    seen: bool | None,
    now: float,
    *,
    any_end: bool = False,
) -> bool | None:
    """Return whether an instance is ready; None if that is unknown.

    `seen` is what has been found out about its `ready_when`, which no row shows. A `job` is ready once it has
    completed; with `any_end`, once it has ended. Of an orphan, and of a row of another definition, only the health
    check is known.
    """
    if row is None or not row.live:
        if row is None or row.exit is None:
            return False
        return row.completed or (job and row.exit.success) or (any_end and row.phase is Phase.EXITED and not row.past)
    if row.phase is not Phase.RUNNING:
        return False
    steady = not row.failed_runs or stable_in(row, now) == 0.0
    if process is None or row.digest != process.digest:
        return steady if row.has_health_check else None
    if process.ready_when is not None:
        return seen if steady else False
    return steady and (row.has_health_check or not job)


def failed_runs_after(before: ObservedRow | None, row: ObservedRow) -> int:
    """Estimate `row.failed_runs` from the row as it was, for a supervisor that does not count them."""
    if before is None or before.name != row.name:
        return 0
    if before.phase is Phase.RUNNING and row.phase is Phase.UNHEALTHY:
        return 0  # it was healthy for longer than the checks took that failed
    new = _ended_runs(row) - _ended_runs(before)
    if new <= 0:
        return before.failed_runs
    return 0 if _last_was_good(before, row) else before.failed_runs + new


def _ended_runs(row: ObservedRow) -> int:
    return row.restarts + (row.phase is Phase.BACKING_OFF)


def _last_was_good(before: ObservedRow, row: ObservedRow) -> bool:
    """Return whether the run that ended last was a good one, as far as one can know."""
    if row.has_health_check and before.phase is not Phase.RUNNING:
        return False
    started = row.started_at if row.phase is Phase.BACKING_OFF else before.started_at
    if started is None or row.exit is None or row.exit.at is None:
        return False
    return row.exit.at - started >= STABLE_AFTER


def crash_loop_text(row: ObservedRow, failed_runs: int) -> str:
    """Describe a crash loop, in words that follow the name of its process."""
    return f"has failed {counted(failed_runs, 'time')} in a row: it {ended(row)}"
