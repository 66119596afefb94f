"""One sandbox: its state, and how it goes from one to the next (contract, section 2.11).

The status says what is under way: in between two states (`pending`, `snapshotting`, `suspending`, or waking up) nobody
begins anything else, but waits. What is begun is recorded first, so that a server that takes over knows what to finish.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import SandboxInfo, SandboxStatus
from sbxcompose.host.base import background, write_back
from sbxcompose.host.base.json_files import encode, write_json
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.base.wake import Condition
from sbxcompose.host.sandboxes import suspension
from sbxcompose.host.sandboxes.timeouts import SandboxTimeout
from sbxcompose.host.sandboxes.workload import Workload, gather
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.terminals.sessions import TerminalSessions

RECORD = "sandbox.json"
WORKSPACE = "workspace"
TERMINATION_GRACE_MS = 2_000
"""What a process may take at most to end with its sandbox."""
_IN_BETWEEN = frozenset({"snapshotting", "suspending"})
_MADE, _RESUMED, _COPIED = "being made", "being resumed", "being copied"
_TAKEN_OVER = "being taken over"


class HostedSandbox:
    """One sandbox. `info` is what is recorded of it; `expired` is called when its lifetime is over."""

    def __init__(self, info: SandboxInfo, directory: Path, workload: Workload) -> None:
        self.info = info
        self.directory = directory
        self.workload = workload
        self.ending: str | None = None
        """Why it is being terminated; None if it is not."""
        self.expired: Callable[[], None] = lambda: None
        self.idle: Callable[[], None] = lambda: None
        """Called when something that was done to it is done."""
        self._doing: str | None = _MADE if info.status == "pending" else None
        self._news = Condition()
        self._lease = SandboxTimeout(lambda: self.info, self._due)

    @property
    def processes(self) -> Processes:
        """Its supervised processes."""
        return self.workload.processes

    @property
    def terminals(self) -> TerminalSessions:
        """Its terminal sessions."""
        return self.workload.terminals

    @property
    def status(self) -> SandboxStatus:
        """Its state in the contract's words."""
        return self.info.status

    @property
    def workdir(self) -> str:
        """The directory that it works in: the project's, or its own."""
        return self.info.project_directory or str(self.workspace)

    @property
    def workspace(self) -> Path:
        """The directory of its own, which there is if it has no project's."""
        return self.directory / WORKSPACE

    @property
    def in_transition(self) -> bool:
        """Whether it is in between two states."""
        return self._doing is not None or self.status in _IN_BETWEEN

    @property
    def being_taken_over(self) -> bool:
        """Whether it is being suspended once more, by a server that has just begun."""
        return self._doing == _TAKEN_OVER

    @property
    def occupied(self) -> bool:
        """Whether something runs in it, or will, held still or not."""
        return self.workload.busy

    @property
    def busy(self) -> bool:
        """Whether it is occupied, or something is done to it."""
        return self.occupied or self.in_transition

    # -- its record ----------------------------------------------------------------------------------------

    def change(self, **fields: Any) -> None:
        """Change what is recorded of it, from now on. Raises `Problem`, and nothing is changed, if it cannot be."""
        info = replace(self.info, **fields)
        try:
            write_json(self.directory / RECORD, self._record(info))
        except OSError as error:
            raise from_os(error, "the sandbox cannot be recorded") from None
        self.info = info
        self.look_again()

    def become(self, status: SandboxStatus, **fields: Any) -> None:
        """Be in a state; recorded as soon as possible, since there is no way back."""
        self.info = replace(self.info, status=status, **fields)
        path = os.fspath(self.directory / RECORD)
        write_back.record(path, encode(self._record(self.info)), f"sandbox {self.info.id}")
        self.look_again()

    def _record(self, info: SandboxInfo) -> dict[str, Any]:
        more = {"ending": self.ending} if self.ending is not None and info.status != "terminated" else {}
        return {**info.write(), **more}

    def look_again(self) -> None:
        """Something has changed: whoever waits looks, and the timer is set for what is due next."""
        self.begin_lease()
        self._news.tell()
        self.processes.look_again()
        if not self.in_transition:
            self.idle()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of it."""
        await self._news.until(true)

    # -- suspending and resuming ---------------------------------------------------------------------------

    def begin_to_suspend(self) -> None:
        """Suspend it, from the next turn of the event loop on; a suspension under way will do. Raises `Problem`."""
        if self.info.name is None:
            words = f"sandbox {self.info.id} has no name, and only named sandboxes can be suspended"
            raise Problem(400, words, "EPHEMERAL", "give it a name first: PATCH {name}")
        if self.status in ("suspending", "suspended") and self._doing != _RESUMED:
            return
        self._refuse_in_transition("suspended")
        self.change(status="suspending")
        background.do(self._suspend())

    async def _suspend(self) -> None:
        """Hold everything still, once what is being started or ended has been."""
        try:
            await self._hold()
        except Exception:
            self.workload.resume()
            self.become("running")
            raise
        if self.ending is None:
            self.become("suspended")

    def begin_to_resume(self) -> None:
        """Let it go on, from the next turn of the event loop on; again is fine. Raises `Problem`."""
        if self._doing == _RESUMED or self.status == "running":
            return
        self._refuse_in_transition("resumed")
        self._doing = _RESUMED
        background.do(self._resume())

    async def resume(self) -> None:
        """Let it go on if it is suspended, or being suspended."""
        await self.until(lambda: not self.in_transition or self.ending is not None)
        if self.status == "suspended" and self.ending is None:
            self._doing = _RESUMED
            await self._resume()

    async def _resume(self) -> None:
        with self._busy_with(_RESUMED):
            await self._let_go()
            self.become("running")
            self._lease.renew()

    def _refuse_in_transition(self, wanted: str) -> None:
        if self.in_transition:
            words = f"sandbox {self.info.name or self.info.id} is {self._doing or self.status}, not to be {wanted} now"
            raise Problem(409, words, "TRANSITION_IN_PROGRESS")

    async def _hold(self) -> None:
        self.workload.pause()
        await self.workload.settled(lambda: self.ending is not None)
        if self.ending is None:
            await suspension.freeze(self.workload.keeper, self.workload.units)

    async def _let_go(self) -> None:
        await suspension.thaw(self.workload.keeper, self.workload.units)
        self.workload.resume()

    @contextmanager
    def _busy_with(self, what: str) -> Iterator[None]:
        self._doing = what
        try:
            yield
        finally:
            self._doing = None
            self.look_again()

    @asynccontextmanager
    async def held_still(self) -> AsyncIterator[None]:
        """Nothing in it runs meanwhile, so that its files are of one moment. Raises `Problem`."""
        await self.until(lambda: not self.in_transition or self.ending is not None)
        self._refuse_ending()
        if self.status == "suspended":
            with self._busy_with(_COPIED):
                yield
            return
        self.change(status="snapshotting")
        try:
            await self._hold()
            self._refuse_ending()
            yield
        finally:
            if self.ending is None:
                await self._let_go()
            self.become("running")

    @asynccontextmanager
    async def files(self) -> AsyncIterator[Path]:
        """Its files, of one moment, as long as nothing in it runs. Raises `Problem`."""
        async with self.held_still():
            yield self.workspace

    def _refuse_ending(self) -> None:
        if self.ending is not None:
            raise Problem(409, f"sandbox {self.info.id} is being terminated", "SANDBOX_TERMINATED")

    # -- being used ----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[None]:
        """A proxied request: wakes a suspended sandbox, and is traffic as long as it lasts. Raises `Problem`."""
        self._lease.begin()
        try:
            await self._awake()
            yield
        finally:
            self._lease.end()

    async def _awake(self) -> None:
        await self.until(lambda: self.status != "pending" or self.ending is not None)
        while self.status in ("suspending", "suspended") and self.ending is None:
            if not self.info.auto_resume:
                words = f"sandbox {self.info.name} is suspended, and auto_resume is off"
                raise Problem(409, words, "SANDBOX_NOT_RUNNING", "resume it first: POST …/resume")
            await self.resume()

    def begin_lease(self) -> None:
        """Note when it is due to be suspended or terminated, if ever."""
        if self.ending is None:
            self._lease.rearm()
        else:
            self._lease.cancel()

    def _due(self) -> None:
        """Its lifetime is over, or it has been idle for long enough."""
        if self.info.name is None:
            self.expired()
        else:
            self._suspend_idle()

    def _suspend_idle(self) -> None:
        try:
            self.begin_to_suspend()
        except Problem as problem:
            print(f"not suspended: {problem.error}", file=sys.stderr)
            self._lease.renew()

    # -- its end -------------------------------------------------------------------------------------------

    def made(self) -> None:
        """What it begins with is there, or cannot be had."""
        self._doing = None
        self.look_again()

    def begin_to_end(self, reason: str) -> None:
        """From now on it is being terminated; the first reason counts."""
        if self.ending is None:
            self.ending = reason
            self.become(self.status)

    async def end_processes(self, grace_ms: int | None = None) -> None:
        """End everything that runs in it, held still or not; `grace_ms` limits what each may take."""
        work: list[Any] = [self.workload.end(grace_ms=grace_ms)]
        if self.workload.paused:
            # After the stops, so that what goes on meets its signal first.
            work.append(suspension.thaw(self.workload.keeper, self.workload.units))
        await gather(work)

    async def end(self) -> None:
        """Wait for what is being done to it, then end everything in it."""
        await self.until(lambda: not self.in_transition or self.status == "suspending")
        while True:
            await self.end_processes(TERMINATION_GRACE_MS)
            if not self.processes.live:
                return

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self, ending: str | None) -> None:
        """Read what is recorded of its processes; those of one that was held still are taken over as that.

        `ending` is why it was being terminated, or is to be.
        """
        self.ending, self._doing = ending, None
        self.workload.load(paused=self.status in ("snapshotting", "suspending", "suspended"))

    async def finish(self) -> None:
        """Finish what the last server had begun with it, once its processes are taken over."""
        if self.status == "snapshotting":
            await self._let_go()
            self.become("running")
        elif self.status == "suspending":
            await self._suspend()
        elif self.status == "suspended":
            with self._busy_with(_TAKEN_OVER):  # the last server may have begun to wake it
                await self._hold()
