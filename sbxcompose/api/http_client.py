"""What the clients of the contract ask of whatever carries their requests: a socket of this machine, or the cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sbxcompose.api.websocket_connect import Socket
    from sbxcompose.api.wire import Answer, HttpRequest


class Reply(Protocol):
    """A response whose body is read as it comes."""

    status: int

    def chunks(self) -> AsyncIterator[bytes]:
        """Pieces of the body until it ends. Raises `Unreachable` if the connection breaks before its end."""

    async def read(self) -> bytes:
        """Return the rest of the body."""

    def header(self, name: str) -> str | None:
        """Return the value of a header, whose name is given in lower case."""


class HttpClient(Protocol):
    """A way to one server. Its methods raise `Unreachable`."""

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that its files can be read here."""

    async def request(self, request: HttpRequest) -> Answer:
        """Send one request and wait for the whole answer."""

    def stream(self, request: HttpRequest) -> AbstractAsyncContextManager[Reply]:
        """Send one request and hand out its response before the body has come."""

    async def socket(self, path: str, *, headers: Mapping[str, str]) -> Socket:
        """Open a WebSocket, to be closed by the caller. Raises `Refused`, too."""
