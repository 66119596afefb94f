"""What the clients of the contract ask of whatever carries their requests: a socket of this machine, or the cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sbxcompose.api.websocket_connect import Socket
    from sbxcompose.api.wire import Answer


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
    """A way to one server. Its methods raise `Unreachable`.

    `idle`: seconds without a byte that are fine for this request, beside the usual ones; a way to another machine gives
    up after that.
    """

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that its files can be read here."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        idle: float = 0.0,
    ) -> Answer:
        """Send one request and wait for the whole answer; `body` is encoded as JSON unless it is bytes or a `Body`."""

    def stream(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        idle: float = 0.0,
    ) -> AbstractAsyncContextManager[Reply]:
        """Send one request and hand out its response before the body has come."""

    async def socket(self, path: str, *, headers: Mapping[str, str], limit: int | None = None) -> Socket:
        """Open a WebSocket, with a limit for messages if wished; to be closed by the caller. Raises `Refused`, too."""
