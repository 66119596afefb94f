"""Short commands beside a supervised process, run the way it is run: its health check, its stop.

They are in no list and have no log: of their output the end is kept in memory. What the server has not seen the end
of, its successor kills as it does all units that no row wants.
"""

from __future__ import annotations

import asyncio
import os
from itertools import count
from signal import SIGKILL

from msgspec import Struct

from sbxcompose import signals
from sbxcompose.api.models import LastExit
from sbxcompose.host.keeper.client import Exited, KeeperClient, KeeperLost, Spawn, Spawned, SpawnFailed
from sbxcompose.host.supervise.state import exit_of
from sbxcompose.tasks import finish_all

KEPT = 4096
"""Bytes of the end of a stream of output that are kept."""


class CommandResult(Struct, frozen=True):
    """How a command ended, or why it was not started (`error`); `output` is the end of what it has printed, and
    `last_line` the last line of it.
    """

    exit: LastExit | None = None
    error: str | None = None
    last_line: str = ""
    output: str | None = None

    @property
    def failure(self) -> str | None:
        """What went wrong, in a few words; None for a success."""
        if self.exit is None:
            return self.error
        if self.exit.exit_code == 0:
            return None
        signal, code = self.exit.signal, self.exit.exit_code
        words = f"killed by {signals.shown(signal)}" if signal is not None else f"exited with code {code}"
        if self.exit.oom_killed or self.exit.oom_kills:
            words += ", out of memory"
        return f"{words}: {self.last_line}" if self.last_line else words


class ProcessCommands:
    """The commands of one sandbox."""

    def __init__(self, sandbox: str, keeper: KeeperClient) -> None:
        self._sandbox = sandbox
        self._keeper = keeper
        self._numbers = count(1)
        self._running: dict[str, RunningCommand] = {}

    async def run(self, spawn: Spawn, running: RunningCommand | None = None) -> CommandResult:
        """Run a command to its end. Cancelled, it kills the command and all that it has started.

        `running`, used for nothing else, is where its output can be read meanwhile and afterwards.
        """
        # With the pid: a killed predecessor counted from 1 as well, and the keeper may still hold its commands.
        spawn.unit = f"{self._sandbox}.@{os.getpid()}-{next(self._numbers)}"
        spawn.stdin, spawn.stdout, spawn.stderr = "null", "pipe", "pipe"
        spawn.pty, spawn.pty_for_log = None, False
        command = self._running[spawn.unit] = running or RunningCommand()
        try:
            await self._keeper.spawn_many([spawn], lambda _, result: command.spawned(result))
            return await command.ended
        except KeeperLost as error:
            return CommandResult(error=str(error))
        finally:
            if not command.ended.done() or command.ended.cancelled():
                # By another task: this one may have been cancelled, and must not wait for the keeper.
                self._keeper.tasks.start(self._keeper.kill(spawn.unit, SIGKILL, "everything"))
            command.close()
            del self._running[spawn.unit]

    async def end(self) -> None:
        """Kill what runs."""
        await finish_all(self._keeper.kill(unit, SIGKILL, "everything") for unit in tuple(self._running))

    def exited(self, exited: Exited) -> bool:
        """Report the end of a command, if it is one of these. Always False, so that the keeper is told to forget it."""
        command = self._running.get(exited.unit)
        if command is not None:
            command.exited(exited)
        return False


class RunningCommand:
    """A command that is being started, or runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[CommandResult] = self._loop.create_future()
        self._tails: dict[int, bytes] = {}
        self._closed = False
        self._output = ""

    @property
    def output(self) -> str | None:
        """The end of what it has printed until now, or had when it was closed; None if that is nothing."""
        if not self._closed:
            self._read_all()
            self._output = b"".join(self._tails.values()).decode("utf-8", "replace")
        return self._output or None

    def _read_all(self) -> None:
        for fd in self._tails:
            while self._read(fd):
                pass

    def spawned(self, result: Spawned | SpawnFailed) -> None:
        """Take the keeper's answer: its pipes, or why it was not started."""
        if isinstance(result, SpawnFailed):
            self._end(CommandResult(error=result.message))
            return
        for fd in (result.stdout, result.stderr):
            # Closed before the keeper answered (a timeout): no other code knows of these descriptors.
            if fd is not None and self._closed:
                os.close(fd)
            elif fd is not None:
                self._tails[fd] = b""
                self._loop.add_reader(fd, self._read, fd)

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(fd)
        self._tails[fd] = (self._tails[fd] + data)[-KEPT:]
        return bool(data)

    def exited(self, exited: Exited) -> None:
        """Take its end, and what is left in its pipes."""
        at = int(exited.at * 1000)
        end = exit_of(exited.status, at, oom_killed=exited.oom_killed, oom_kills=exited.oom_kills)
        # First, since it reads what is left in the pipes: the last line is in that.
        output = self.output
        self._end(CommandResult(end, last_line=self._last_line(), output=output))

    def _last_line(self) -> str:
        """Return the last line of standard error, or else of standard output."""
        lines = [line for tail in self._tails.values() for line in tail.split(b"\n") if line.strip()]
        return lines[-1].decode("utf-8", "replace").strip()[:200] if lines else ""

    def _end(self, ended: CommandResult) -> None:
        if not self.ended.done():
            self.ended.set_result(ended)

    def close(self) -> None:
        """Read no more than is there; what is told of it later is dropped."""
        self._output = self.output or ""
        self._closed = True
        for fd in self._tails:
            self._loop.remove_reader(fd)
            os.close(fd)
        self._tails.clear()
