"""A request's head as the scope of an ASGI application, and what is refused before there is one."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote_to_bytes

import h11

from sbxcompose.host.http.exchange import AsgiScope

_SLASHES = re.compile(rb"/{2,}")


def check_framing(request: h11.Request) -> None:
    """Refuse a body with two lengths: a proxy between may have gone by the other one. Raises `RemoteProtocolError`."""
    names = {bytes(name) for name, _ in request.headers}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding", error_status_hint=400)


def scope_of(request: h11.Request, trusted: bool, transport: asyncio.Transport) -> AsgiScope:
    """Return the ASGI scope of a request; `trusted`: the socket's file has let its client in."""
    target, _, query = bytes(request.target).partition(b"?")
    path = _SLASHES.sub(b"/", target)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": request.http_version.decode("ascii"),
        "method": request.method.decode("ascii").upper(),
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "target": bytes(request.target),
        "headers": list(request.headers),
        "client": _address(transport, "peername"),
        "server": _address(transport, "sockname"),
        "trusted": trusted,
    }


def _address(transport: asyncio.Transport, which: str) -> tuple[str, int] | None:
    """Host and port of one end of a TCP connection; None for other connections."""
    name = transport.get_extra_info(which)
    return (name[0], name[1]) if isinstance(name, tuple) else None
