"""A supervised process: one row of the process list, and the requests of clients.

What it becomes is decided in `lifecycle` and done in `lifecycle_driver`; here is what clients ask of it.
"""

from __future__ import annotations

import signal as signals
from collections.abc import AsyncIterable
from typing import Literal

from sbxcompose.host.base.pipe_writer import not_writable
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise.lifecycle_driver import LifecycleDriver
from sbxcompose.host.supervise.lifecycle_types import (
    InputClosed,
    KillRequested,
    RestartRequested,
    StopRequested,
)
from sbxcompose.host.supervise.owner import ProcessOwner
from sbxcompose.host.supervise.state import ProcessRecord, Running, Starting, Stopped

VALID_SIGNALS = frozenset(int(number) for number in signals.valid_signals())


class SupervisedProcess(LifecycleDriver):
    """One row, and what may be asked of it."""

    def __init__(self, owner: ProcessOwner[SupervisedProcess], record: ProcessRecord, log: LogStore) -> None:
        super().__init__(owner, record, log)

    def hold(self) -> None:
        """Keep the row while its output is read, until as many calls of `release`."""
        self._owner.hold(self)

    def release(self) -> None:
        """Undo one `hold`."""
        self._owner.release(self)

    async def stop(
        self,
        signal: int | None = None,
        grace_ms: int | None = None,
        command: list[str] | None = None,
        reason: str | None = None,
        *,
        replaced: bool = False,
    ) -> None:
        """Stop it and its supervision; return when it is gone. None stands for the signal or grace of its request.

        A command is run instead of sending the signal. The reason is told in the row, and whether it is `replaced`.
        Without a signal an unmanaged process is killed at once. One that has ended stays as it is.
        """
        await self._end(StopRequested(signal, grace_ms, command, reason, replaced))

    def note_no_replacement(self) -> None:
        """Take note, if it was stopped for a new run, that none has begun."""
        if isinstance(self.record.state, Stopped) and self.record.state.replaced:
            self._report(StopRequested())

    async def kill(self) -> None:
        """Kill its run and all that it started, end its supervision, and return when it is gone."""
        await self._end(KillRequested())

    async def _end(self, event: StopRequested | KillRequested) -> None:
        # Another request may begin the next run as soon as this one has ended: that one is not waited for.
        run = self._latest
        await self._report_and_wait(event)
        await self._news.wait_until(lambda: self._latest != run or not self.alive)

    async def restart(self) -> None:
        """Give it a new run, without backoff; return when that has begun. Raises `Problem`."""
        if not self.request.managed:
            raise Problem(400, f"process {self._pid()} is not managed and cannot be restarted", "NOT_MANAGED")
        self._owner.check_restart(self)
        if self.alive:
            self._owner.check_room()
        before = self._latest
        await self._report_and_wait(RestartRequested())
        await self._news.wait_until(lambda: self.handle > before or not self.alive)
        if self.handle <= before:
            raise Problem(500, self.record.last_error or "it was stopped meanwhile", "NOT_STARTED")

    @property
    def _latest(self) -> int:
        """The handle of the run that is being started, or of the latest one."""
        state = self.record.state
        return state.handle if isinstance(state, Starting) else self.handle

    async def signal(self, number: int) -> None:
        """Send a signal to the process group; SIGKILL reaches also what has left it. Raises `Problem`."""
        if number not in VALID_SIGNALS:
            raise Problem(400, f"invalid signal {number}", "INVALID_SIGNAL")
        if not isinstance(self.record.state, Running):
            raise Problem(400, f"process {self._pid()} is not running", "NOT_RUNNING")
        scope: Literal["group", "everything"] = "everything" if number == signals.SIGKILL else "group"
        if not await self._owner.keeper.kill(self._owner.unit(self.handle), number, scope):
            words = f"process {self._pid()} cannot be signalled: it has just ended, or runs as another user"
            raise Problem(400, words, "NOT_RUNNING")

    async def write(self, pieces: AsyncIterable[bytes]) -> None:
        """Write to its standard input. Raises `Problem`."""
        if self._attachment is None or self._attachment.input is None:
            raise not_writable()
        await self._attachment.input.write(pieces)

    async def close_input(self) -> None:
        """Close its standard input. Raises `Problem` if that has happened already."""
        if self._attachment is None or not self._attachment.close_input():
            raise not_writable()
        await self._report_and_wait(InputClosed())

    async def ended(self) -> None:
        """Wait until nothing of it runs or will."""
        await self._news.wait_until(lambda: not self.live)
