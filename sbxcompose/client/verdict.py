"""Wait for the verdict on a bring-up, and add what a person needs to see of what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from sbxcompose.engine.instance_states import InstanceStates
from sbxcompose.engine.result import Result
from sbxcompose.engine.session import Session
from sbxcompose.engine.tail import last_lines
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plan.judge import Failed, Judge, Report, Success, TimedOut
from sbxcompose.plan.observed import Phase
from sbxcompose.tasks import Tasks

FAILURE_GRACE = 0.2
"""Seconds that are given to what was begun beside the first failure."""

Verdict = Success | Failed | TimedOut
Hide = Callable[[str], str]


async def await_verdict(
    states: InstanceStates, bringing: Awaitable[Result], judge: Judge, deadline: float | None
) -> Verdict:
    """Carry out `bringing` and wait for the verdict; `deadline` is by the monotonic clock.

    Steps that have not begun when there is a verdict are cancelled.
    """
    async with Tasks() as tasks:
        work = tasks.start(bringing)
        verdict = tasks.start(states.verdict(judge, deadline))
        await asyncio.wait({work, verdict}, return_when=asyncio.FIRST_COMPLETED)
        if not verdict.done():
            states.finish(await work)  # raises what makes a verdict impossible
        found = await verdict
        if isinstance(found, Failed) and not work.done():
            # What is just being started may fail as well: it belongs to the same answer.
            await asyncio.wait({work}, timeout=FAILURE_GRACE)
            found = await states.verdict(judge, deadline)
        return found


async def with_last_lines(session: Session, verdict: Verdict, hide: Hide) -> Verdict:
    """Return the verdict with the last lines of each run that failed or is late; `hide` masks secrets."""
    if isinstance(verdict, Success):
        return verdict
    return replace(verdict, causes=tuple([await _with_lines(session, report, hide) for report in verdict.causes]))


async def _with_lines(session: Session, report: Report, hide: Hide) -> Report:
    report = replace(report, doing=hide(report.doing))
    connection = session.connections.get(report.instance.sandbox)
    row = connection.row(report.instance) if connection is not None else None
    if row is None or not report.ran:
        return report
    run = row.run - 1 if row.restarts and row.phase in (Phase.STARTING, Phase.RUNNING) else row.run
    lines = await last_lines(session, report.instance, run)
    return replace(report, lines=tuple(hide(clean_text(line)) for line in lines))


async def nothing_to_do() -> Result:
    """Bring up nothing, for commands that only wait."""
    return Result()
