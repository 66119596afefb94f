"""The host's own routes, described."""

from __future__ import annotations

from sbxcompose.host.openapi.operation import FLAG, NUMBER, TEXT, Operation, many, maybe, record

OPERATIONS: dict[str, Operation] = {
    "GET /openapi.json": Operation(summary="Get this document", answers={200: {"type": "object"}}),
    "GET /host/v1/status": Operation(
        summary="Get the status of the host",
        answers={
            200: record(
                version=TEXT,
                pid=NUMBER,
                keeper_pid=NUMBER,
                started_at=NUMBER,
                uptime_secs=NUMBER,
                sandboxes=NUMBER,
                running_processes=NUMBER,
                tcp=maybe(TEXT),
                ends_when_idle=FLAG,
                socket=TEXT,
                state_directory=TEXT,
                options={"type": "object", "additionalProperties": TEXT},
                damaged=maybe(record(directory=TEXT, files=many(TEXT), left=many(TEXT))),
            )
        },
    ),
    "GET /host/v1/isolation": Operation(
        summary="Get how sandboxes without a project are isolated, and why this machine permits none",
        answers={200: record(mode=TEXT, refused=maybe(TEXT), hint=maybe(TEXT))},
    ),
    "POST /host/v1/stop": Operation(
        summary="Stop the host; refused while a process is running, unless forced",
        body={"type": "object", "properties": {"force": FLAG}},
        answers={200: record(stopped=NUMBER, keeper_pid=NUMBER)},
    ),
}
