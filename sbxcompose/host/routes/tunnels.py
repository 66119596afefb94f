"""The daemon's tunnels: one socket is one connection to a port inside the sandbox (contract, section 6)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.port_collision import check_port
from sbxcompose.host.http.protocol_upgrade import handshake_key, websocket
from sbxcompose.host.http.tunnel import reach, through_websocket
from sbxcompose.host.routes.common import query_number, sandbox_of
from sbxcompose.host.routes.control import sandboxes_of
from sbxcompose.host.sandboxes.sandbox import HostedSandbox


class _Tunnel:
    """An answer that is a tunnel, once the port has taken the connection."""

    def __init__(self, request: Request, sandbox: HostedSandbox, port: int) -> None:
        self._request = request
        self._sandbox = sandbox
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_port(sandboxes_of(self._request), self._sandbox, self._port)
        with await reach(self._sandbox, self._port) as port:
            await websocket(self._request, lambda client: through_websocket(client, port))(scope, receive, send)


async def tunnel(request: Request) -> _Tunnel:
    """GET /tunnels/tcp?port=N, as a WebSocket."""
    sandbox = sandbox_of(request)
    port = query_number(request, "port", 1, 65535)
    if port is None:
        raise Problem(400, "missing query parameter `port`: ?port=N", "BAD_QUERY")
    handshake_key(request)
    return _Tunnel(request, sandbox, port)


ROUTES = [Route("/api/v1/tunnels/tcp", tunnel)]
