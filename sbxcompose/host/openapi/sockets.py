"""The daemon's terminal sessions and tunnels (contract, sections 5 and 6), described.

OpenAPI does not describe what goes over their sockets; a request that is not a handshake of one is refused.
"""

from __future__ import annotations

from sbxcompose.api.pty import PtyInfo, PtyRequest, PtySize
from sbxcompose.host.openapi.operation import TEXT, Operation, many, record, whole

OPERATIONS: dict[str, Operation] = {
    "POST /api/v1/pty": Operation(
        summary="Start a command on a terminal of its own; the token is told only here",
        body=PtyRequest,
        answers={201: record(session_id=TEXT, token=TEXT)},
    ),
    "GET /api/v1/pty": Operation(
        summary="The terminal sessions, those that have ended a moment ago included",
        answers={200: record(sessions=many(PtyInfo))},
    ),
    "GET /api/v1/pty/{session}": Operation(summary="One terminal session", answers={200: PtyInfo}),
    "DELETE /api/v1/pty/{session}": Operation(
        summary="End a terminal session by a hang-up; answered when it is gone", answers={204: None}
    ),
    "POST /api/v1/pty/{session}/resize": Operation(
        summary="Give a terminal another size", body=PtySize, answers={204: None}
    ),
    "GET /api/v1/pty/{session}/ws": Operation(
        summary="A WebSocket to a terminal session: frames that begin with an opcode",
        query={"token": TEXT, "since": whole(0, 2**62)},
        answers={101: None},
    ),
    "GET /api/v1/tunnels/tcp": Operation(
        summary="A WebSocket that is one connection to a port inside the sandbox",
        query={"port": whole(1, 65535)},
        needs=("port",),
        answers={101: None},
    ),
}
