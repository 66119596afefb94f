"""Commands beside a supervised process, run as it is run: its health check, and the command that stops it."""

from __future__ import annotations

import asyncio
import math
import signal as signals
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.supervise.commands import CommandResult, RunningCommand
from sbxcompose.host.supervise.lifecycle_types import StopCommandEnded
from sbxcompose.host.supervise.owner import ProcessOwner
from sbxcompose.host.supervise.state import ProcessRecord
from sbxcompose.linux.processes import inner_pid


class CommandsBeside:
    """Runs the commands of one process, whose present state `record` returns."""

    def __init__(self, owner: ProcessOwner[Any], record: Callable[[], ProcessRecord]) -> None:
        self._owner = owner
        self._record = record
        self._stopping: _StopCommand | None = None

    async def run(
        self, command: list[str], *, repeatable: bool = False, running: RunningCommand | None = None
    ) -> CommandResult:
        """Run a command to its end. Cancelled, it kills it; `running` has what it has printed, also then."""
        record = self._record()
        env = {**record.request.env, "SBXCOMPOSE_PID": "" if record.run is None else str(inner_pid(record.run.pid))}
        request = replace(record.request, command=command[0], args=command[1:], env=env)
        try:
            spawn = self._owner.spawn(request)
            spawn.repeatable = repeatable
            return await self._owner.commands.run(spawn, running)
        except Problem as problem:
            return CommandResult(error=str(problem))

    def stop(
        self, handle: int, command: list[str], grace: float, report: Callable[[StopCommandEnded], None]
    ) -> Coroutine[Any, Any, None]:
        """Let the keeper hold the grace (in seconds), and begin the command, whose end is reported."""
        self._stopping = _StopCommand(handle)
        return self._begin_stop(self._stopping, command, grace, report)

    async def _begin_stop(
        self,
        stopping: _StopCommand,
        command: list[str],
        grace: float,
        report: Callable[[StopCommandEnded], None],
    ) -> None:
        # The grace is kept by the keeper, also if this server is killed; SIGCONT disturbs nothing.
        await self._owner.keeper.stop(self._owner.unit(stopping.handle), signals.SIGCONT, grace)
        # From now on, as the keeper counts it: a keeper that had to be replaced first has taken nothing off.
        stopping.shorten(asyncio.get_running_loop().time() + grace)
        self._owner.keeper.tasks.start(self._stop(stopping, command, report))

    async def _stop(
        self, stopping: _StopCommand, command: list[str], report: Callable[[StopCommandEnded], None]
    ) -> None:
        failure = None
        try:
            async with asyncio.timeout_at(stopping.deadline) as stopping.time_limit:
                done = await self.run(command, running=stopping.running)
            failure = f"its stop command failed: {done.failure}" if done.failure is not None else None
        except TimeoutError:
            pass  # it is killed, as the process is
        finally:
            # The next run may have begun its own stop command by now.
            if self._stopping is stopping:
                self._stopping = None
        report(StopCommandEnded(stopping.handle, failure, stopping.running.output))

    def shorten_stop(self, handle: int, grace: float) -> None:
        """Let the stop command of a run, if one runs, take no more than `grace` seconds from now on."""
        if self._stopping is not None and self._stopping.handle == handle:
            self._stopping.shorten(asyncio.get_running_loop().time() + grace)

    def stop_output(self, handle: int) -> str | None:
        """Return what the stop command of a run has printed until now; None if that is nothing, or it has ended."""
        stopping = self._stopping
        return stopping.running.output if stopping is not None and stopping.handle == handle else None


class _StopCommand:
    """A stop command under way, of which run, and until when, by the clock of the event loop; without end at first."""

    __slots__ = ("deadline", "handle", "running", "time_limit")

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.deadline = math.inf
        self.running = RunningCommand()
        self.time_limit: asyncio.Timeout | None = None

    def shorten(self, deadline: float) -> None:
        """Take the earlier of two deadlines."""
        self.deadline = min(self.deadline, deadline)
        if self.time_limit is not None and not self.time_limit.expired():
            self.time_limit.reschedule(self.deadline)
