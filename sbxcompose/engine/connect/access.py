"""A sandbox that connections lead to or come from: found anew for each, since it may be replaced, and never woken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from sbxcompose.api.outages import Outages
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.terminals import open_tunnel
from sbxcompose.api.wire_errors import not_running, nothing_listens
from sbxcompose.engine.connect.splice import ConnectionEnd, StreamEnd, TunnelEnd
from sbxcompose.engine.providers import Provider, provider_of
from sbxcompose.spec.connect import SandboxPlace
from sbxcompose.spec.project import Project, ProviderName, Sandbox

DIRECT_PROVIDERS: tuple[ProviderName, ...] = ("local", "tensorlake")


class SandboxFinder:
    """The providers of sandboxes, each made when it is first asked for."""

    def __init__(self, environ: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._environ = environ
        self._say = say
        self._outages = Outages(self._emit_outage)
        self._made: dict[str, Provider] = {}

    def _emit_outage(self, reason: str | None, seconds: float) -> None:
        """Say that connections are made again, or were; what was given up is said by whoever did."""
        if reason is None:
            self._say("connection restored")
        elif reason:
            self._say(f"connection lost: {reason}")

    async def running(self, place: SandboxPlace) -> SandboxClient | None:
        """Return a client of the sandbox; None if there is none that runs. Raises `ProviderError`."""
        provider = self._at(place.provider)
        info = await provider.find(Sandbox(place.name, place.full_name, ()))
        return provider.client(info) if info is not None and info.status in ("running", "snapshotting") else None

    def _at(self, kind: str) -> Provider:
        if kind not in self._made:
            name = next(way for way in DIRECT_PROVIDERS if way == kind)
            # Without files: it looks sandboxes up, and claims none.
            project = Project(name="", directory="/", provider=name, sandboxes=())
            self._made[kind] = provider_of(project, self._environ, self._outages, name)
        return self._made[kind]

    @asynccontextmanager
    async def connection(self, place: SandboxPlace, port: int) -> AsyncIterator[ConnectionEnd]:
        """Open a connection to a port of a sandbox. Raises `ProviderError` where nothing runs or listens."""
        if place.here:
            async with _direct(port) as end:
                yield end
            return
        client = await self.running(place)
        if client is None:
            raise not_running(place.name)
        async with await open_tunnel(client, port) as tunnel:
            yield TunnelEnd(tunnel)

    async def close(self) -> None:
        """Close all connections to providers."""
        for provider in self._made.values():
            await provider.close()


@asynccontextmanager
async def _direct(port: int) -> AsyncIterator[StreamEnd]:
    import asyncio

    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        raise nothing_listens(port) from None
    try:
        yield StreamEnd(reader, writer)
    finally:
        writer.close()
