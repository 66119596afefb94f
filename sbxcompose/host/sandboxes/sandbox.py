"""One sandbox: its record, what runs in it, and what is done to it (contract, section 2.11).

What becomes of it is decided in `lifecycle`, and performed in `lifecycle_driver`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.sandboxes import suspension
from sbxcompose.host.sandboxes.lifecycle_driver import SandboxDriver
from sbxcompose.host.sandboxes.lifecycle_types import (
    CopyFinished,
    CopyRequested,
    EndRequested,
    ProxyRequestBegan,
    ProxyRequestEnded,
    ResumeRequested,
    SandboxEnded,
    SandboxMade,
    SandboxPatched,
    SandboxStage,
    ServerRestarted,
    SuspendRequested,
)
from sbxcompose.host.sandboxes.places import workdir_of, workspace_in
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.terminals.sessions import TerminalSessions
from sbxcompose.tasks import finish_all

TERMINATION_GRACE_MS = 2_000
"""What a process may take at most to end with its sandbox."""
_STANDING_STILL = frozenset({SandboxStage.SNAPSHOT_FROZEN, SandboxStage.COPYING})


class HostedSandbox(SandboxDriver):
    """One sandbox, as requests and the registry see it."""

    @property
    def processes(self) -> Processes:
        """Its supervised processes."""
        return self.workload.processes

    @property
    def terminals(self) -> TerminalSessions:
        """Its terminal sessions."""
        return self.workload.terminals

    @property
    def workdir(self) -> str:
        """The directory that it works in, as its processes see it: the project's, or its own."""
        return workdir_of(self.info, self.directory).path

    @property
    def workspace(self) -> Path:
        """The directory of its own, which there is if it has no project's."""
        return self.directory / workspace_in(self.info)

    @property
    def isolated(self) -> bool:
        """Whether it has a root of its own."""
        return self.info.isolation != "none"

    @property
    def being_taken_over(self) -> bool:
        """Whether it is being suspended once more, by a server that has just begun."""
        return self._life.stage is SandboxStage.REFREEZING

    @property
    def occupied(self) -> bool:
        """Whether something runs in it, or will, suspended or not."""
        return self.workload.busy

    @property
    def busy(self) -> bool:
        """Whether it is occupied, or something is done to it."""
        return self.occupied or self.in_transition

    # -- requests ------------------------------------------------------------------------------------------

    def change(self, **fields: Any) -> None:
        """Change what is recorded of it. Raises `Problem`, and nothing is changed, if it cannot be recorded."""
        self._report(SandboxPatched(fields))

    def begin_to_suspend(self) -> None:
        """Suspend it, from the next turn of the event loop on; a suspension under way will do. Raises `Problem`."""
        self._report(SuspendRequested())

    def begin_to_resume(self) -> None:
        """Resume it, from the next turn of the event loop on; again is fine. Raises `Problem`."""
        self._report(ResumeRequested())

    async def resume(self) -> None:
        """Resume it if it is suspended, or being suspended. Raises `Problem`."""
        await self._at_rest()
        if self.status == "suspended" and self.ending is None:
            self._failure = None
            self._report(ResumeRequested())
            await self._at_rest()
            if self.status == "suspended" and self._failure is not None:
                raise Problem(500, f"sandbox {self.info.id} cannot be resumed: {self._failure}", "NOT_RESUMED")

    @asynccontextmanager
    async def while_frozen(self) -> AsyncIterator[None]:
        """Nothing in it runs meanwhile, so that its files are of one moment. Raises `Problem`."""
        await self._at_rest()
        self._report(CopyRequested())
        try:
            await self.wait_until(lambda: self._life.stage is not SandboxStage.SNAPSHOTTING)
            if self.ending is not None:
                raise Problem(409, f"sandbox {self.info.id} is being terminated", "SANDBOX_TERMINATED")
            if self._life.stage not in _STANDING_STILL:
                words = f"sandbox {self.info.id} cannot be frozen: {self._failure}"
                raise Problem(500, words, "NOT_HELD_STILL")
            yield
        finally:
            self._report(CopyFinished())
            await self.wait_until(lambda: not self.in_transition)

    @asynccontextmanager
    async def files(self) -> AsyncIterator[Path]:
        """Its files, of one moment, as long as nothing in it runs: those of its workspace, or the disk of an isolated
        one. Raises `Problem`.
        """
        async with self.while_frozen():
            if self.workload.isolation is None:
                yield self.workspace
            else:
                with self.workload.isolation.disk.opened() as place:
                    yield Path(place)

    @asynccontextmanager
    async def proxy_request(self, *, wakes: bool = True) -> AsyncIterator[None]:
        """Count a proxied request as traffic as long as it lasts, and wake a suspended sandbox, unless it only watches.
        Raises `Problem`.
        """
        self._report(ProxyRequestBegan())
        try:
            await self.wait_until(lambda: self.status != "pending" or self.ending is not None)
            if wakes:
                await self._awake()
            yield
        finally:
            self._report(ProxyRequestEnded())

    async def _awake(self) -> None:
        while self.status in ("suspending", "suspended") and self.ending is None:
            if not self.info.auto_resume:
                words = f"sandbox {self.info.name} is suspended, and auto_resume is off"
                raise Problem(409, words, "SANDBOX_NOT_RUNNING", "resume it first: POST …/resume")
            await self.resume()

    # -- its beginning and its end -------------------------------------------------------------------------

    def made(self, *, failed: bool) -> None:
        """Take note that what it begins with is there, or cannot be had."""
        self._report(SandboxMade(failed))

    def begin_to_end(self, reason: str) -> None:
        """From now on it is being terminated; the first reason counts."""
        self._report(EndRequested(reason))

    async def end_processes(self, grace_ms: int | None = None) -> None:
        """End everything that runs in it, suspended or not; `grace_ms` limits what each may take."""
        work: list[Any] = [self.workload.end(grace_ms=grace_ms)]
        if self.workload.paused:
            # After the stops, so that what is thawed meets its signal first.
            work.append(suspension.thaw(self.workload.keeper, self.workload.units))
        await finish_all(work)

    async def end(self) -> None:
        """Wait for what is being done to it, then end everything in it."""
        await self.wait_until(lambda: not self.in_transition or self.status == "suspending")
        while True:
            await self.end_processes(TERMINATION_GRACE_MS)
            # A start that was under way may have begun a process meanwhile: starts are refused only from `closed` on.
            if not self.processes.live:
                return

    def ended(self, **fields: Any) -> None:
        """Take note that everything in it has ended: it is terminated. `fields` are what its record tells of that."""
        self._report(SandboxEnded(fields))

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self) -> None:
        """Read what is recorded of its processes; those of one that was suspended are taken over as that."""
        self.workload.load(paused=self.status in ("snapshotting", "suspending", "suspended"))
        self.workload.processes.changes.suspended(self.status == "suspended")

    def finish(self) -> None:
        """Finish what the last server had begun with it, once its processes are taken over."""
        self._report(ServerRestarted())
