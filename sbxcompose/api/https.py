"""How requests travel to a cloud: TLS, the system's proxies, no redirect followed. httpx, imported only on this way.

What can go wrong is put into words in `api.cloud_errors`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from sbxcompose.api.addresses import Site
from sbxcompose.api.cloud_errors import site_unreachable
from sbxcompose.api.connection import OCTETS, StreamedBody
from sbxcompose.api.httpx_send import HttpxSend
from sbxcompose.api.wire import HttpRequest
from sbxcompose.tasks import TaskOwner
from sbxcompose.version import __version__

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT = 10.0
KEPT_FOR = 15.0
"""Seconds for which a connection is kept open for the next request: what is between us and a cloud closes idle ones."""


class HttpsReply:
    """An answer that httpx reads; its errors become those of `errors`."""

    def __init__(self, response: httpx.Response, site: Site) -> None:
        self.status = response.status_code
        self._response = response
        self._site = site

    def header(self, name: str) -> str | None:
        """Return the value of a header, whose name is given in lower case."""
        value: str | None = self._response.headers.get(name)
        return value

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises `Unreachable` if it breaks off."""
        import httpx

        try:
            # Not `aiter_raw`, which closes the response by itself at the end, where that may be cancelled.
            async for chunk in cast(httpx.AsyncByteStream, self._response.stream):
                yield chunk
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise site_unreachable(self._site, error) from error

    async def read(self) -> bytes:
        """Return the whole body. Raises `Unreachable` if it breaks off."""
        return b"".join([chunk async for chunk in self.chunks()])


class Https:
    """Connections to one site; `headers` go with every request. `idle`: seconds without a byte after which a
    connection counts as broken.

    Raises `ConfigurationError` for certificates and proxies of the environment that cannot be used.
    """

    def __init__(self, site: Site, headers: Mapping[str, str], idle: float) -> None:
        self._site = site
        self._idle = idle
        self.headers = headers
        """What goes with every request."""
        self._client = self._connected()
        self._closing = TaskOwner()
        self._sends: set[HttpxSend] = set()
        self._sending = TaskOwner(lambda error: None)  # whoever waits for the request has it

    def _connected(self) -> httpx.AsyncClient:
        import httpx

        from sbxcompose.api.proxy_and_tls import check_ports, trusted, unusable_proxy

        _import_sniffio_once()
        # Compressed streams would come in lumps.
        fixed = {"User-Agent": f"sbxcompose/{__version__}", "Accept-Encoding": "identity", **self.headers}
        try:
            check_ports(os.environ)
            return httpx.AsyncClient(
                headers=fixed,
                verify=trusted(),
                # How many there are is decided by `CloudChannel`, which knows streams from requests. A limit for those
                # that are kept would count the streams, too (httpcore 1.0.9), and none be kept beside many streams.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_FOR),
                follow_redirects=False,
            )
        except (ImportError, ValueError, httpx.InvalidURL) as error:
            raise unusable_proxy(error, os.environ) from error

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[HttpsReply]:
        """Open the answer to a request as a stream. Raises `Unreachable` if there is none."""
        import httpx

        content, more = _content(request.body)
        built = self._client.build_request(
            request.method,
            f"{self._site}{request.path}",
            content=content,
            headers={**more, **request.headers},
            timeout=httpx.Timeout(self._idle + request.idle, connect=CONNECT_TIMEOUT, pool=None),
        )
        sending = HttpxSend(self._client, built, self._sending)
        self._sends.add(sending)
        try:
            response = await sending.response()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise site_unreachable(self._site, error) from error
        finally:
            self._sends.discard(sending)
        try:
            yield HttpsReply(response, self._site)
        finally:
            await asyncio.shield(self._closing.start(response.aclose()))

    def abort(self) -> None:
        """Break all connections, also those in use: their requests fail at once."""
        before, self._client = self._client, self._connected()
        self._closing.start(before.aclose())

    async def aclose(self) -> None:
        """Close its connections."""
        for sending in self._sends:
            sending.give_up()
        await self._client.aclose()
        for owner in (self._sending, self._closing):
            await owner.wait()


def _content(body: Any) -> tuple[Any, dict[str, str]]:
    if body is None:
        return None, {}
    if isinstance(body, StreamedBody):
        length = {} if body.length is None else {"Content-Length": str(body.length)}
        return body.pieces, {"Content-Type": OCTETS, **length}
    if isinstance(body, bytes):
        return body, {}
    return json.dumps(body).encode(), {"Content-Type": "application/json"}


def _import_sniffio_once() -> None:
    """Have `import sniffio` fail at once where it is not installed.

    httpcore (1.0.9) tries that at each lock and event, several times a request, and Python searches its path each
    time: 0.2 ms of CPU. Newer versions of anyio do not bring it.
    """
    try:
        importlib.import_module("sniffio")
    except ImportError:
        sys.modules["sniffio"] = None  # type: ignore[assignment]
