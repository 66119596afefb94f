"""HTTP client of a cloud, or of a host that stands in for one, with its API key.

Requests that may be made twice are made again when they fail (`retries`); the others fail with `Unreachable`, and
whoever has made them looks first whether they were carried out. Requests that are under way at the same time are
limited in number; streams hold a connection each, and no place among the requests once they have begun.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from sbxcompose.api.addresses import Site
from sbxcompose.api.cloud_errors import CloudRefusals, site_unreachable
from sbxcompose.api.connection import StreamedBody
from sbxcompose.api.descriptors import raise_limit
from sbxcompose.api.http_client import Reply
from sbxcompose.api.https import Https
from sbxcompose.api.outages import Outages
from sbxcompose.api.retries import REPEATABLE, RequestRetry, pauses_while
from sbxcompose.api.settings import SILENCE, Setting
from sbxcompose.api.sleep_watch import SleepWatch
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.api.wire import Answer, HttpRequest
from sbxcompose.clock import monotonic
from sbxcompose.errors import Unreachable

if TYPE_CHECKING:
    from sbxcompose.api.websocket_connect import Socket

T = TypeVar("T")

REQUESTS = 100
"""Requests that wait for an answer at the same time."""


class CloudChannel:
    """The channel to one site, which `key` and `headers` are sent to with every request, and nowhere else.

    `silence`: seconds without a byte after which a connection counts as broken.
    """

    local = False

    def __init__(
        self,
        site: Site,
        key: Setting | None,
        headers: Mapping[str, str],
        outages: Outages | None = None,
        *,
        silence: float = SILENCE,
    ) -> None:
        self.site = site
        self._key = key
        self._silence = silence
        self._plain = site.loopback and site.scheme == "http"
        # The name as it was given: what listens there may tell its tenants apart by it.
        self._headers = {**({"Host": site.origin.partition("//")[2]} if self._plain else {}), **headers}
        self._refusals = CloudRefusals(site, key)
        self._outages = outages or Outages()
        self._carrier: Transport | Https | None = None
        self._places = asyncio.Semaphore(REQUESTS)
        self._answered = False
        self._sleep = SleepWatch(self._woke_up)
        self._sockets: set[Socket] = set()

    async def request(self, request: HttpRequest) -> Answer:
        """Send a request and read the whole answer, again where it may be made twice.

        Raises `Unreachable` in the end, and `Refused` for a key that is not accepted and for redirects, too.
        """
        return await self._persist(request, self._whole)

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[Reply]:
        """Open the answer to a request as a stream; once it has begun, it is not repeated. Raises as `request`."""
        async with AsyncExitStack() as stack:
            yield await self._persist(request, partial(self._opened, stack))

    async def _persist(self, request: HttpRequest, once: Callable[[HttpRequest], Awaitable[T]]) -> T:
        """Return what `once` makes of the request, again where that may be made twice. Raises as `request`."""
        retry, who, answered = RequestRetry(self._answered), object(), False
        try:
            while True:
                try:
                    result = await once(request)
                    self._answered = answered = True
                    return result
                except Unreachable as error:
                    request = _repeated(request, error)
                    await self._pause(retry, who, error)
                    if request.asleep is not None and await self._until_awake(request.asleep, who):
                        retry = RequestRetry(self._answered)  # a suspension is no outage
        finally:
            # Also when it was cancelled, else the outage would never be over.
            self._outages.recovered(who, given_up=not answered)

    async def _whole(self, request: HttpRequest) -> Answer:
        async with self._place(request), self._answer(request) as answer:
            return Answer(answer.status, await answer.read())

    async def _opened(self, stack: AsyncExitStack, request: HttpRequest) -> Reply:
        """Return the answer, which `stack` closes; it needs no place any longer."""
        async with self._place(request):
            return await stack.enter_async_context(self._answer(request))

    def _place(self, request: HttpRequest) -> AbstractAsyncContextManager[None]:
        """Return one of the places. A signal needs none: what it ends may be what the others wait for."""
        return nullcontext() if request.path.endswith("/signal") else self._places

    @asynccontextmanager
    async def _answer(self, request: HttpRequest) -> AsyncIterator[Reply]:
        request = replace(request, headers={**self._headers, **request.headers})
        with self._sleep:
            async with AsyncExitStack() as stack:
                opened: AbstractAsyncContextManager[Reply] = self._carry().stream(request)
                with nullcontext() if self._answered else self._outages.first_answer(self.site.origin):
                    answer = await stack.enter_async_context(opened)
                if answer.status in (401, 403, 429) or answer.status >= 500 or 300 <= answer.status < 400:
                    said = await answer.read()
                    what = f"{request.method} {request.path.partition('?')[0]}"
                    self._refusals.judge(answer.status, answer.header, said, what)
                    yield _Read(answer.status, said)
                else:
                    yield answer

    async def _pause(self, retry: RequestRetry, who: object, error: Unreachable) -> None:
        """Wait for the next try. Raises `error` if there is to be none."""
        pause = retry.pause(error, monotonic(), random.random())
        if pause is None:
            raise error
        self._outages.failed(who, error.message)
        await asyncio.sleep(pause)

    async def _until_awake(self, asleep: Callable[[], Awaitable[bool]], who: object) -> bool:
        """Wait for as long as the other side is asleep, and would be woken; return whether it was."""
        waits = False
        async for _ in pauses_while(asleep):
            waits = True
            self._outages.recovered(who, given_up=True)  # nothing is tried meanwhile
        return waits

    def _woke_up(self) -> None:
        """Break all connections: after a sleep of this machine nothing holds their other ends."""
        if self._carrier is not None:
            self._carrier.abort()
        for socket in self._sockets:
            socket.abort()

    async def socket(self, path: str, *, headers: Mapping[str, str]) -> Socket:
        """Open a WebSocket. The proxies that the environment names are not asked: few of them let sockets through."""
        socket = await self._open_socket(path, headers)
        self._sockets.add(socket)
        self._sleep.begin()

        def on_close() -> None:
            self._sockets.discard(socket)
            self._sleep.end()

        socket.on_close = on_close
        return socket

    async def _open_socket(self, path: str, headers: Mapping[str, str]) -> Socket:
        more = {**self._headers, **headers}
        carrier = self._carry()
        if isinstance(carrier, Transport):
            return await carrier.socket(path, headers=more, judge=self._refusals.judge_socket)
        from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket

        site = self.site
        endpoint = ServerEndpoint(None, site.host.strip("[]"), site.port, tls=site.scheme == "https")
        fields = {"Host": site.origin.partition("//")[2], **carrier.headers, **more}
        try:
            return await open_socket(endpoint, site.prefix + path, fields, judge=self._refusals.judge_socket)
        except Unreachable as error:
            raise site_unreachable(site, error.__cause__ or error) from error

    async def close(self) -> None:
        """Close its connections in order."""
        # First forgotten, then closed: a request that comes meanwhile makes a connection of its own.
        carrier, self._carrier = self._carrier, None
        if isinstance(carrier, Https):
            await carrier.aclose()
        elif carrier is not None:
            carrier.close()

    def _carry(self) -> Transport | Https:
        if self._carrier is None:
            raise_limit()
            self._carrier = self._make()
        return self._carrier

    def _make(self) -> Transport | Https:
        """On this machine without TLS what the local host needs will do: no proxies, and nothing to import."""
        key = self._key.value if self._key is not None else None
        if self._plain:
            host = "127.0.0.1" if self.site.host.endswith("localhost") else self.site.host.strip("[]")
            hint = f"check that a host listens there: `sbxcompose host serve --port {self.site.port}` starts one"
            address = HostAddress(host=host, port=self.site.port, key=key, prefix=self.site.prefix, hint=hint)
            return Transport(address, idle=self._silence)
        return Https(self.site, {"Authorization": f"Bearer {key}"} if key is not None else {}, self._silence)


def _repeated(request: HttpRequest, error: Unreachable) -> HttpRequest:
    """Return the request for a repetition. Raises `error` for one that must not be made twice."""
    body = request.body
    if isinstance(body, StreamedBody):
        body = body.repeated()
        if body is None:
            raise error
    if request.method not in REPEATABLE:
        raise error
    return replace(request, body=body)


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
