"""HTTP client of a cloud, or of a host that stands in for one, with its API key.

Reads are tried again where the contract lets one (section 7.3); nothing else is repeated, because it may have
been done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sbxcompose.api.addresses import Site
from sbxcompose.api.http_client import Reply
from sbxcompose.api.https import Https
from sbxcompose.api.settings import Setting
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.api.wire import Answer
from sbxcompose.api.wire_errors import CloudRefusals, RateLimited, site_unreachable
from sbxcompose.errors import Unreachable

if TYPE_CHECKING:
    from sbxcompose.api.websocket_connect import Socket

READ_TRIES = 3
PAUSE = 0.15
"""Seconds before a read is tried again; doubled each time."""
LONGEST_PAUSE = 30.0
"""Seconds that a server may ask us to wait."""


class CloudChannel:
    """The channel to one site, which `key` and `headers` are sent to with every request, and nowhere else."""

    local = False

    def __init__(self, site: Site, key: Setting | None, headers: Mapping[str, str]) -> None:
        self.site = site
        self._key = key
        self._plain = site.loopback and site.scheme == "http"
        # The name as it was given: what listens there may tell its tenants apart by it.
        self._headers = {**({"Host": site.origin.partition("//")[2]} if self._plain else {}), **headers}
        self._refusals = CloudRefusals(site, key)
        self._carrier: Transport | Https | None = None

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """Send a request and read the whole answer; a read is tried again.

        Raises `Refused` for a key that is not accepted, a rate limit and redirects, too.
        """
        for attempt in range(1, READ_TRIES + 1):
            try:
                async with self.stream(method, path, headers=headers, body=body) as answer:
                    return Answer(answer.status, await answer.read())
            except (Unreachable, RateLimited) as error:
                if method != "GET" or attempt == READ_TRIES:
                    raise
                asked = error.retry_after if isinstance(error, RateLimited) else None
                pause = PAUSE * 2 ** (attempt - 1) if asked is None else asked
                if pause > LONGEST_PAUSE:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[Reply]:
        """Open the answer to a request as a stream. Raises as `request` does."""
        more = {**self._headers, **(headers or {})}
        async with self._carry().stream(method, path, headers=more, body=body) as answer:
            if answer.status in (401, 403, 429) or answer.status >= 500 or 300 <= answer.status < 400:
                body = await answer.read()
                self._refusals.judge(answer.status, answer.header, body, f"{method} {path.partition('?')[0]}")
                yield _Read(answer.status, body)
            else:
                yield answer

    async def socket(self, path: str, *, headers: Mapping[str, str], limit: int | None = None) -> Socket:
        """Open a WebSocket. Proxies of the environment are not used: few of them let WebSockets through."""
        more = {**self._headers, **headers}
        carrier = self._carry()
        if isinstance(carrier, Transport):
            return await carrier.socket(path, headers=more, limit=limit, judge=self._refusals.judge_socket)
        from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket

        site = self.site
        endpoint = ServerEndpoint(None, site.host.strip("[]"), site.port, tls=site.scheme == "https")
        fields = {"Host": site.origin.partition("//")[2], **carrier.headers, **more}
        try:
            return await open_socket(
                endpoint, site.prefix + path, fields, limit=limit, judge=self._refusals.judge_socket
            )
        except Unreachable as error:
            raise site_unreachable(site, error.__cause__ or error) from error

    async def close(self) -> None:
        """Close its connections in order."""
        carrier, self._carrier = self._carrier, None
        if isinstance(carrier, Https):
            await carrier.aclose()
        elif carrier is not None:
            carrier.close()

    def _carry(self) -> Transport | Https:
        if self._carrier is None:
            self._carrier = self._make()
        return self._carrier

    def _make(self) -> Transport | Https:
        """On this machine without TLS what the local host needs will do: no proxies, and nothing to import."""
        key = self._key.value if self._key is not None else None
        if self._plain:
            host = "127.0.0.1" if self.site.host.endswith("localhost") else self.site.host.strip("[]")
            hint = f"does a host listen there? `sbxcompose host serve --port {self.site.port}` is one"
            return Transport(HostAddress(host=host, port=self.site.port, key=key, prefix=self.site.prefix, hint=hint))
        return Https(self.site, {"Authorization": f"Bearer {key}"} if key is not None else {})


class _Read:
    """A body that has been read already."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self) -> bytes:
        return self._body

    def header(self, name: str) -> str | None:
        return None
