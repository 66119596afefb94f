"""The daemon's terminal sessions and tunnels (contract, sections 5 and 6), described.

OpenAPI does not describe what goes over their sockets; a request that is not a handshake of one is refused.
"""

from __future__ import annotations

from sbxcompose.api.pty import PtyInfo, PtyRequest, PtySize
from sbxcompose.host.openapi.operation import TEXT, Operation, many, record, whole

OPERATIONS: dict[str, Operation] = {
    "POST /api/v1/pty": Operation(
        summary="Start a command in a new terminal session; only this answer has its token",
        body=PtyRequest,
        answers={201: record(session_id=TEXT, token=TEXT)},
    ),
    "GET /api/v1/pty": Operation(
        summary="List terminal sessions, including those that ended a moment ago",
        answers={200: record(sessions=many(PtyInfo))},
    ),
    "GET /api/v1/pty/{session}": Operation(summary="Get a terminal session", answers={200: PtyInfo}),
    "DELETE /api/v1/pty/{session}": Operation(
        summary="Terminate a terminal session (SIGHUP); answered once it has exited. The query is an extension",
        query={"reason": TEXT},
        answers={204: None},
    ),
    "POST /api/v1/pty/{session}/resize": Operation(summary="Resize a terminal", body=PtySize, answers={204: None}),
    "GET /api/v1/pty/{session}/ws": Operation(
        summary="Connect to a terminal session by WebSocket; frames begin with an opcode",
        query={"token": TEXT, "since": whole(0, 2**62)},
        answers={101: None},
    ),
    "GET /api/v1/tunnels/tcp": Operation(
        summary="Connect to a port inside the sandbox; the WebSocket carries one TCP connection",
        query={"port": whole(1, 65535)},
        needs=("port",),
        answers={101: None},
    ),
}
