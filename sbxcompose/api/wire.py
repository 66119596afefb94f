"""What every client of the contract needs of HTTP: a request, a whole answer, and parts of a URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from sbxcompose.api.json_text import decode

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@")


class HttpRequest(Struct, frozen=True):
    """A request. `body` is sent as JSON unless it is bytes or a `StreamedBody`; None means without a body.

    `idle`: seconds without a byte that are fine for this request, beside the usual ones; a way to another machine gives
    up after that. `asleep` is asked before it is made again: it has to wait for as long as that is true.
    """

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: Any = None
    idle: float = 0.0
    asleep: Callable[[], Awaitable[bool]] | None = None


class Answer(Struct, frozen=True):
    """A whole response."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; None when it is empty. Raises `ValueError` if it is not JSON."""
        return decode(self.body) if self.body else None


def authority(host: str, port: int) -> str:
    """Return a host and a port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def segment(text: str) -> str:
    """`text` as one segment of a URL's path."""
    if _PLAIN.issuperset(text):
        return text
    # Imported late: it costs a tenth of a command's start-up, and our own names never need it.
    from urllib.parse import quote

    return quote(text, safe="")
