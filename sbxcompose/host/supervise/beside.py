"""Commands beside a supervised process, run as it is run: its health check, and the command that stops it."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Callable
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
        self._stopping: RunningCommand | None = None
        self._time_limit: asyncio.Timeout | None = None

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

    async def stop(
        self, handle: int, command: list[str], grace: float, report: Callable[[StopCommandEnded], None]
    ) -> None:
        """Let the keeper hold the grace (in seconds), and begin the command, whose end is reported."""
        # The grace is kept by the keeper, also if this server is killed; SIGCONT disturbs nothing.
        await self._owner.keeper.stop(self._owner.unit(handle), signals.SIGCONT, grace)
        self._owner.keeper.tasks.start(self._stop(handle, command, grace, report))

    async def _stop(
        self, handle: int, command: list[str], grace: float, report: Callable[[StopCommandEnded], None]
    ) -> None:
        running = self._stopping = RunningCommand()
        failure = None
        try:
            async with asyncio.timeout(grace) as self._time_limit:
                done = await self.run(command, running=running)
            failure = f"its stop command failed: {done.failure}" if done.failure is not None else None
        except TimeoutError:
            pass  # it is killed, as the process is
        finally:
            # The next run may have begun its own stop command by now, which these are about then.
            if self._stopping is running:
                self._stopping = self._time_limit = None
        report(StopCommandEnded(handle, failure, running.output))

    def process_ended(self, left: float) -> str | None:
        """Let the stop command of a run that is over finish within `left` seconds; what it has printed until now.

        None if that is nothing, or none runs.
        """
        if self._stopping is None:
            return None
        if self._time_limit is not None and not self._time_limit.expired():
            self._time_limit.reschedule(asyncio.get_running_loop().time() + left)
        return self._stopping.output
