"""A process that runs, with its output from now on and its input, for as long as its present run lasts."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

from sbxcompose.engine.one_off import CommandEnded, OneOff, WriteOut
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.errors import Interrupted, UsageError
from sbxcompose.logs.mask import MaskedStream, Masker
from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Exit, Instance, ObservedRow


class AttachedRun:
    """A connection to the run that `row` tells of. With `proxy` a first Ctrl-C goes to the process; else, as every
    further interrupt, it only ends the connection.
    """

    def __init__(
        self, connection: SandboxConnection, row: ObservedRow, process: OneOff, masker: Masker, *, proxy: bool
    ) -> None:
        self._connection = connection
        self._row = row
        self._process = process
        self._proxy = proxy
        self._streams = {stream: MaskedStream(masker) for stream in (1, 2)}

    @classmethod
    async def to(
        cls, connection: SandboxConnection, instance: Instance, name: str, secrets: KnownSecrets, *, proxy: bool
    ) -> AttachedRun:
        """Connect to an instance that people call `name`. Raises `UsageError` if it is not running."""
        row = connection.row(instance)
        if row is None or row.pid is None:
            raise UsageError(f"{name} is not running", hint=f"`sbxcompose start {name}` starts it")
        process = OneOff(connection.client, await connection.client.get(row.name))
        source = LineSource(name, 1, row.run, instance.sandbox, instance.process, instance.replica)
        return cls(connection, row, process, secrets.masker(source), proxy=proxy)

    @property
    def reads(self) -> bool:
        """Whether its input is open."""
        return self._process.info.stdin_writable

    async def follow(self, write: WriteOut) -> CommandEnded:
        """Hand out its output as it comes until the run has ended."""
        row = self._row

        def output(instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
            if (instance, run) == (row.instance, row.run):
                write(stream, self._streams[stream].feed(data))

        self._connection.listen(output)
        try:
            return await self._connection.wait_until(row.instance, self._ended)
        finally:
            self._connection.unlisten(output)
            for stream, masked in self._streams.items():
                write(stream, masked.flush())

    def _ended(self) -> CommandEnded | None:
        now = next((row for row in self._connection.rows(self._row.instance) if row.name == self._row.name), None)
        if now is not None and now.pid == self._row.pid and now.run == self._row.run:
            return None
        end = now.exit if now is not None and now.exit is not None else Exit(None, None)
        return CommandEnded.by(end)

    async def feed(self, source: AsyncIterator[bytes]) -> None:
        """Write to its input what `source` has; it stays open for whoever comes next."""
        await self._process.feed(source, close=False)

    async def signal(self, number: int) -> None:
        """Pass on Ctrl-C. Other signals and hang-ups are for us, not for a process that was there before.
        Raises `Interrupted`.
        """
        if not self._proxy or number != signal.SIGINT:
            await self.kill()
        await self._process.signal(number)

    async def leave(self) -> None:
        """Do nothing: the process was there before, and continues."""

    async def kill(self) -> None:
        """End the connection, while the process continues. Raises `Interrupted`."""
        raise Interrupted("detached; the process keeps running")
