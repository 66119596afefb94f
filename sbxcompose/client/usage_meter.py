"""Measuring what a project's processes use, for as long as it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from sbxcompose.client.stats import NOTHING, UsageReport, report
from sbxcompose.engine.session import Session
from sbxcompose.engine.usage import SandboxSample, anything_runs, sample_all


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
