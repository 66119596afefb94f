"""The routes of a sandbox's daemon, `/api/v1` (contract, sections 3 to 6), described."""

from __future__ import annotations

from sbxcompose.api import frames
from sbxcompose.api.models import MAX_MILLIS, ProcessInfo, SandboxUsage, StartRequest
from sbxcompose.host.openapi.operation import (
    EVENTS,
    FLAG,
    NUMBER,
    OCTETS,
    TEXT,
    Operation,
    Schema,
    many,
    maybe,
    record,
    whole,
    words,
)

_PATH: dict[str, Schema] = {"path": {"type": "string", "minLength": 1}}
_LINES = record(pid=NUMBER, lines=many(TEXT), line_count=NUMBER)
_ENTRY: Schema = {
    **record(name=TEXT, is_dir=FLAG, size=maybe(NUMBER), modified_at=NUMBER),
    "description": "`name_encoded` (extension) is present if the name is not UTF-8: its bytes, percent-encoded.",
}
_RUN: Schema = {
    "allOf": [
        {"$ref": "#/components/schemas/StartRequest"},
        {"type": "object", "properties": {"timeout": maybe({"type": "number", "exclusiveMinimum": 0})}},
    ]
}

OPERATIONS: dict[str, Operation] = {
    "GET /api/v1/health": Operation(summary="Check that the daemon is running", answers={200: record(healthy=FLAG)}),
    "GET /api/v1/info": Operation(
        summary="Get the daemon's counters",
        answers={200: record(version=TEXT, uptime_secs=NUMBER, running_processes=NUMBER, total_processes=NUMBER)},
    ),
    "POST /api/v1/processes": Operation(
        summary="Start a process",
        body=StartRequest,
        answers={201: ProcessInfo},
    ),
    "GET /api/v1/processes": Operation(
        summary="List processes, including exited ones",
        answers={200: record(processes=many(ProcessInfo))},
    ),
    "GET /api/v1/processes/{process}": Operation(summary="Get a process", answers={200: ProcessInfo}),
    "DELETE /api/v1/processes/{process}": Operation(
        summary="Stop a process and its supervision; answered once it has exited. The query is an extension",
        query={"signal": whole(1, 64), "grace_ms": whole(0, MAX_MILLIS)},
        answers={204: None},
    ),
    "POST /api/v1/processes/{process}/signal": Operation(
        summary="Send a signal to a process group",
        body=record(signal=whole(1, 64)),
        answers={200: record(success=FLAG)},
    ),
    "POST /api/v1/processes/{process}/restart": Operation(
        summary="Restart a managed process",
        answers={200: ProcessInfo},
    ),
    "POST /api/v1/processes/{process}/stdin": Operation(
        summary="Write to the standard input of a process",
        body=OCTETS,
        answers={204: None},
    ),
    "POST /api/v1/processes/{process}/stdin/close": Operation(
        summary="Close the standard input of a process",
        answers={204: None},
    ),
    "POST /api/v1/processes/run": Operation(
        summary="Run a command; its output and exit as one stream",
        body=_RUN,
        answers={200: EVENTS},
    ),
    **{
        f"GET /api/v1/processes/{{process}}/{which}": Operation(
            summary=f"Get the output of a process: {which}", answers={200: _LINES}
        )
        for which in ("stdout", "stderr", "output")
    },
    **{
        f"GET /api/v1/processes/{{process}}/{which}/follow": Operation(
            summary=f"Follow the output of a process until it exits: {which}", answers={200: EVENTS}
        )
        for which in ("stdout", "stderr", "output")
    },
    "GET /api/v1/files": Operation(summary="Read a file", query=_PATH, needs=("path",), answers={200: OCTETS}),
    "PUT /api/v1/files": Operation(
        summary="Write a file atomically; creates missing directories",
        query=_PATH,
        needs=("path",),
        body=OCTETS,
        answers={204: None},
    ),
    "DELETE /api/v1/files": Operation(
        summary="Delete a file; a directory is refused with 500",
        query=_PATH,
        needs=("path",),
        answers={204: None},
    ),
    "GET /api/v1/files/list": Operation(
        summary="List a directory",
        query=_PATH,
        needs=("path",),
        answers={200: record(path=TEXT, entries=many(_ENTRY))},
    ),
    "POST /api/v1/batch": Operation(
        summary="Extension: start, stop, restart and signal many processes; each result is a line as it comes",
        body={
            "type": "object",
            "properties": {
                "env": {"type": "object", "additionalProperties": TEXT},
                "operations": many(
                    {
                        "type": "object",
                        "properties": {"op": words("start", "stop", "restart", "signal"), "process": TEXT},
                        "required": ["op"],
                    }
                ),
            },
            "required": ["operations"],
        },
        answers={200: "application/x-ndjson"},
    ),
    "POST /api/v1/watch": Operation(
        summary="Extension: follow rows and output as one ordered stream of frames (docs/extensions.md)",
        body={
            "type": "object",
            "properties": {
                **dict.fromkeys(("states", "follow", "refs", "acks"), FLAG),
                "logs": {},
                "streams": many(words("stdout", "stderr")),
                "since": {"type": "object", "additionalProperties": whole(0)},
            },
        },
        answers={200: frames.MEDIA_TYPE},
    ),
    "GET /api/v1/stats": Operation(
        summary="Extension: get CPU time and memory of each process with all its descendants",
        answers={200: SandboxUsage},
    ),
}
