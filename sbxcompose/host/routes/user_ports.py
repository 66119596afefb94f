"""User ports: whatever listens in a sandbox, at `http://<port>-<id-or-name>.localhost` (contract, sections 1 and 6)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import auth
from sbxcompose.host.http.protocol_upgrade import wants_upgrade
from sbxcompose.host.routes.common import sandbox_of

MAX_PORT = 65535


def answer(request: Request, port: int, key: str | None) -> ASGIApp:
    """Return the application that answers a request to a port. Raises `Problem` for whom it is not open to."""
    if not 1 <= port <= MAX_PORT:
        raise Problem(400, f"invalid port {port}; expected 1 to {MAX_PORT}", "BAD_PORT")
    _let_in(request, key, public=True)  # a page under a foreign name does not learn what there is
    sandbox = sandbox_of(request)
    info = sandbox.info
    public = info.allow_unauthenticated_access
    _let_in(request, key, public=public)
    if port not in (info.exposed_ports or ()):
        hint = f"add {port} to the sandbox's `exposed_ports` (in the project's file: `ports`)"
        raise Problem(403, f"port {port} of sandbox {info.name or info.id} is not exposed", "PORT_NOT_EXPOSED", hint)
    ours = key is not None and auth.has_key(request.headers.get("authorization", ""), key)

    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        # Imported late: most hosts never pass a request on.
        from sbxcompose.host.http.port_collision import check_port
        from sbxcompose.host.http.reverse_proxy import ReverseProxy
        from sbxcompose.host.http.tunnel import reach

        check_port(request.state.sandboxes, sandbox, port)
        with await reach(sandbox, port) as connection:
            # The key is for us alone, and clients send it unasked; any other such header is the port's own.
            without = [b"authorization"] if ours or not public else []
            await ReverseProxy(connection, upgrade=wants_upgrade(request), without=without)(scope, receive, send)

    return forward


def _let_in(request: Request, key: str | None, *, public: bool) -> None:
    """Raise `Problem` for who may not use a port that is open to `public`, or only to who has the key."""
    trusted = request.scope["trusted"]
    refusal = None if trusted else auth.user_port_refusal(request.headers, key, public=public)
    if refusal is not None:
        raise Problem(refusal.status, refusal.error, refusal.code)


def ingress_endpoint(url: str | None) -> str | None:
    """Return what clients put `<port>-<id>.` into to reach a user port; None where the host has no TCP address.

    A name below `localhost`: browsers, curl and resolvers take it for this machine.
    """
    return None if url is None else f"http://localhost:{url.rpartition(':')[2]}"
