"""The daemon's routes for terminal sessions (contract, section 5)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.pty import MAX_FRAME, POSITION_HEADER, PtyRequest, PtySize, close_reason
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.protocol_upgrade import Upgraded, websocket
from sbxcompose.host.routes.common import query_number, read_message, sandbox_of
from sbxcompose.host.terminals.session import Terminal
from sbxcompose.host.terminals.sessions import TerminalSessions


async def create(request: Request) -> Response:
    """POST /pty: the only time that the token is told."""
    wanted = await read_message(PtyRequest, request)
    record = (await _terminals(request).open(wanted)).record
    return JSONResponse({"session_id": record.session_id, "token": record.token}, 201)


async def list_all(request: Request) -> Response:
    """GET /pty."""
    return JSONResponse({"sessions": [_told(terminal) for terminal in _terminals(request)]})


async def get(request: Request) -> Response:
    """GET /pty/{id}."""
    return JSONResponse(_told(_terminal(request)))


async def delete(request: Request) -> Response:
    """DELETE /pty/{id}: returns when all that ran in it is gone. Extension: `?reason=` is told to its sockets."""
    terminal, reason = _terminal(request), request.query_params.get("reason")
    if reason is None:
        await _terminals(request).terminate(terminal)
    else:
        await _terminals(request).terminate(terminal, why=close_reason(reason))
    return Response(status_code=204)


async def resize(request: Request) -> Response:
    """POST /pty/{id}/resize."""
    terminal = _terminal(request)
    size = await read_message(PtySize, request)
    terminal.resize(size.rows, size.cols)
    return Response(status_code=204)


async def connect(request: Request) -> Upgraded:
    """GET /pty/{id}/ws. Extension: `?since=N` begins with byte N of the output, for who has seen those before it."""
    terminal = _terminal(request)
    if not terminal.admits(request.headers.get("x-pty-token") or request.query_params.get("token")):
        raise Problem(403, "invalid token for this session", "INVALID_TOKEN")
    position = max(query_number(request, "since", 0, 2**62) or 0, terminal.tape.start)
    # Imported late, as all that speaks frames: most hosts never open a terminal.
    from sbxcompose.host.terminals.viewer import view

    told = {POSITION_HEADER: str(position)}
    return websocket(request, lambda socket: view(terminal, position, socket), limit=MAX_FRAME, headers=told)


def _told(terminal: Terminal) -> dict[str, object]:
    return {name: value for name, value in terminal.info().write().items() if value is not None}


def _terminals(request: Request) -> TerminalSessions:
    return sandbox_of(request).terminals


def _terminal(request: Request) -> Terminal:
    return _terminals(request).find(request.path_params["session"])


ROUTES = [
    Route("/api/v1/pty", create, methods=["POST"]),
    Route("/api/v1/pty", list_all),
    Route("/api/v1/pty/{session}", get),
    Route("/api/v1/pty/{session}", delete, methods=["DELETE"]),
    Route("/api/v1/pty/{session}/resize", resize, methods=["POST"]),
    Route("/api/v1/pty/{session}/ws", connect),
]
