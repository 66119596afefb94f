"""Measuring what a project's processes use, for as long as it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence

from msgspec import Struct

from sbxcompose.client.commands import nothing_running
from sbxcompose.client.stats import FIRST_INTERVAL, INTERVAL, NOTHING, UsageReport, report
from sbxcompose.engine.listing import named_listing
from sbxcompose.engine.session import Session
from sbxcompose.engine.usage import SandboxSample, anything_runs, sample_all
from sbxcompose.plan.observed import Instance


class UsageMeter:
    """The latest sample of a session's sandboxes; each call of `measure` takes another one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: Sequence[SandboxSample] = ()

    @property
    def worthwhile(self) -> bool:
        """Whether anything runs that could be measured."""
        return anything_runs(self._session.connections.values())

    async def measure(self) -> UsageReport:
        """Return what was used since the last call; memory alone the first time. Raises `Unreachable` or `Refused`."""
        if not self.worthwhile:
            self._before = ()
            return NOTHING
        after = await sample_all(self._session.connections.values())
        found, self._before = report(self._before, after), after
        return found


class MeasuredUsage(Struct, frozen=True):
    """What was measured, and the names of the instances asked for that run."""

    report: UsageReport
    names: Mapping[Instance, str]


async def measure_once(session: Session, names: Sequence[str]) -> MeasuredUsage:
    """Look at the project and measure over half a second. Raises `UnknownName`."""
    await session.observe()
    meter = UsageMeter(session)
    running_instances(session, names)  # a mistake in a name is one now, and not in half a second
    if meter.worthwhile:
        await meter.measure()
        await asyncio.sleep(FIRST_INTERVAL)
    return MeasuredUsage(await meter.measure(), running_instances(session, names))


async def follow_usage(session: Session, names: Sequence[str]) -> AsyncGenerator[MeasuredUsage, None]:
    """Yield the usage every two seconds while anything runs, until the caller closes the generator.

    Raises `UnknownName`, and `UsageError` if there is no sandbox yet.
    """
    await session.observe()
    if not session.connections:
        raise nothing_running(session.observed())
    running_instances(session, names)  # a mistake in a name is one now, and not once something runs
    meter = UsageMeter(session)
    await meter.measure()
    pause = FIRST_INTERVAL
    while True:
        if meter.worthwhile:
            await asyncio.sleep(pause)
        yield MeasuredUsage(await meter.measure(), running_instances(session, names))
        pause = INTERVAL
        while not meter.worthwhile:  # without anything to measure the host is not asked
            session.changed.clear()
            await session.changed.wait()
            session.check()


def running_instances(session: Session, names: Sequence[str]) -> Mapping[Instance, str]:
    """Return the names of the instances asked for that run. Raises `UnknownName`."""
    project, observed = session.project, session.observed()
    entries = named_listing(project, observed, names)
    return {entry.instance: entry.label for entry in entries if entry.row is not None and entry.row.pid is not None}
