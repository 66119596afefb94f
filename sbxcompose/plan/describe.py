"""What an instance is doing, in words that follow its name: `web` + `is running, not ready yet`."""

from __future__ import annotations

from sbxcompose.plan.background import background
from sbxcompose.plan.observed import Exit, ObservedRow, Phase
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Condition, Process, ReadyCommand, ReadyLine, RestartPolicy

STOP_LINES = 10
"""How many lines of what a stop command has printed are shown."""


def seconds(span: float) -> str:
    """Format a span of time: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if span < 10:
        return f"{max(span, 0):.1f} s".replace(".0 s", " s")
    whole = round(span)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def doing(row: ObservedRow, now: float) -> str:
    """Return what a row was last seen doing."""
    match row.phase:
        case Phase.STARTING:
            return f"is starting{_check(row)}"
        case Phase.RUNNING:
            return "is running"
        case Phase.UNHEALTHY:
            return f"is unhealthy: {counted(row.health_failures, 'failed health check')}{_check(row)}"
        case Phase.BACKING_OFF:
            return f"{ended(row)}; {_again(row, now)}"
        case Phase.STOPPED:
            return "was stopped"
        case Phase.EXITED if row.past:
            return f"has not run since the last `down`; before that, it {ended(row)}"
        case Phase.EXITED:
            return ended(row)


def _check(row: ObservedRow) -> str:
    return f"; its health check saw: {row.last_check}" if row.last_check else ""


def _again(row: ObservedRow, now: float) -> str:
    restarts = f" ({counted(row.restarts, 'restart')} so far)" if row.restarts else ""
    if row.next_restart_at is None:
        return f"backing off{restarts}"
    return f"restarts in {seconds(row.next_restart_at - now)}{restarts}"


def ended(row: ObservedRow) -> str:
    """Return how its latest run ended, and what its supervisor says about that."""
    words = str(row.exit or Exit())
    remarks = [remark for remark in (row.last_error, background(row)) if remark]
    return words + (f" ({'; '.join(remarks)})" if remarks else "")


def stop_output(row: ObservedRow) -> list[str]:
    """Return the last lines that the command printed which stopped a row, with a headline."""
    printed = (row.stop_output or "").rstrip().splitlines()
    if not printed:
        return []
    return ["its stop command printed:", *(f"  {line}" for line in printed[-STOP_LINES:])]


def memory_hint(row: ObservedRow) -> str | None:
    """Return what helps a row that failed because its sandbox has run out of the memory that the file allows it."""
    if row.exit is None or not (row.exit.oom_kills and row.exit.out_of_memory):
        return None
    return f"raise `resources.memory` of sandbox {row.instance.sandbox}, or let its processes use less"


def gave_up(row: ObservedRow, process: Process) -> str | None:
    """Say that a supervisor does not try again, though it would after a failure; None if that is not so."""
    failed = row.exit is None or not row.exit.success
    if row.phase is not Phase.EXITED or process.restart.policy is RestartPolicy.NEVER or not failed:
        return None
    if told_by_supervisor(row, process):
        return None
    limit = process.restart.max_restarts
    if limit is not None and row.restarts >= limit > 0:
        return f"it is not restarted again: `max_restarts` is {limit}"
    if not row.restarts:
        return "its supervisor does not try again"
    return f"its supervisor gave up after {counted(row.restarts, 'restart')}"


def told_by_supervisor(row: ObservedRow, process: Process) -> bool:
    """Return whether the remark of its supervisor, see `ended`, is that it may not be restarted at all."""
    return process.restart.max_restarts == 0 and row.last_error is not None


def unready(process: Process, condition: Condition) -> str:
    """Return what a process that runs has not done yet, given what being ready comes down to for it."""
    if condition is Condition.COMPLETED:
        return "not completed yet"
    if condition is Condition.STARTED:
        return "not ready yet: it has to run for one second without an exit"
    if condition is Condition.ENDED:
        return "not ended yet"
    sign = awaited_sign(process)
    return f"not ready yet: {sign}" if sign else "not ready yet"


def awaited_sign(process: Process) -> str | None:
    """Return what the readiness of a process is taken from, beside its health check."""
    match process.ready_when:
        case ReadyLine(pattern):
            return f"waiting for a line that matches `{pattern}`"
        case ReadyCommand(command):
            from sbxcompose.command_line import command_line  # late: few processes have one

            return f"waiting for `{command_line(command)}` to succeed"
        case None:
            return None
