"""The control plane's and the platform's routes (contract, sections 2 and 8), described.

Those that are served under `/v1/namespaces/{namespace}` and flat, are described once, by their flat path.
"""

from __future__ import annotations

from sbxcompose.api.models import MAX_MILLIS
from sbxcompose.api.sandbox_models import (
    CreateRequest,
    PatchRequest,
    SandboxInfo,
    ShortInfo,
    SnapshotInfo,
    SnapshotRequest,
)
from sbxcompose.host.openapi.operation import NUMBER, TEXT, Operation, Schema, many, maybe, record, whole, words

_PAGE: dict[str, Schema] = {"limit": whole(1, 1000), "cursor": TEXT, "direction": words("forward", "backward")}
_SHORT = {200: ShortInfo, 202: ShortInfo}
_SANDBOXES = record(sandboxes=many(SandboxInfo), prev_cursor=maybe(TEXT), next_cursor=maybe(TEXT))
_SNAPSHOTS = record(snapshots=many(SnapshotInfo))
_CHANGED = {200: SandboxInfo, 202: SandboxInfo}
_WAIT: dict[str, Schema] = {"wait_ms": whole(0, MAX_MILLIS)}
_LINE = record(
    timestamp=NUMBER,
    uuid={"type": "string", "format": "uuid"},
    namespace=TEXT,
    application=TEXT,
    sandboxId=TEXT,
    resourceAttributes=many(many(TEXT)),
    body=TEXT,
    logAttributes=TEXT,
    allocations=many(TEXT),
    functionRuns=many(TEXT),
    level=maybe(NUMBER),
    retention=maybe(NUMBER),
)
_STREAM = record(
    processId=TEXT,
    processPid=TEXT,
    processCommand=TEXT,
    processManagedId=TEXT,
    processManagedName=TEXT,
    firstSeen=NUMBER,
    lastSeen=NUMBER,
    logCount=NUMBER,
)

OPERATIONS: dict[str, Operation] = {
    "POST /sandboxes": Operation(
        summary="Create a sandbox; answered once it is running, unless `wait` is false",
        body=CreateRequest,
        answers=_SHORT,
    ),
    "GET /sandboxes": Operation(
        summary="List sandboxes in the order of creation, page by page",
        query={**_PAGE, "status": TEXT},
        answers={200: _SANDBOXES},
    ),
    "GET /sandboxes/{sandbox}": Operation(summary="Get a sandbox by id or name", answers={200: SandboxInfo}),
    "PATCH /sandboxes/{sandbox}": Operation(
        summary="Change a sandbox; fields that are not given keep their values",
        body=PatchRequest,
        answers={200: SandboxInfo},
    ),
    "DELETE /sandboxes/{sandbox}": Operation(
        summary="Terminate a sandbox; answered once all its processes have exited",
        answers={200: {"type": "object"}},
    ),
    "GET /archived-sandboxes": Operation(
        summary="List terminated sandboxes, page by page", query=_PAGE, answers={200: _SANDBOXES}
    ),
    "GET /archived-sandboxes/{sandbox}": Operation(summary="Get a terminated sandbox", answers={200: SandboxInfo}),
    "POST /sandboxes/{sandbox}/suspend": Operation(
        summary="Suspend a named sandbox; 202 while it is being suspended, 200 once it is",
        query=_WAIT,
        answers=_CHANGED,
    ),
    "POST /sandboxes/{sandbox}/resume": Operation(summary="Resume a suspended sandbox", query=_WAIT, answers=_CHANGED),
    "POST /sandboxes/{sandbox}/copy": Operation(
        summary="Create sandboxes with the files of this one",
        query={"times": whole(1, 100)},
        answers={status: record(source_sandbox_id=TEXT, sandboxes=many(ShortInfo)) for status in (200, 202)},
    ),
    "POST /sandboxes/{sandbox}/snapshot": Operation(
        summary="Start taking a snapshot of the files",
        body=SnapshotRequest,
        answers={202: record(snapshot_id=TEXT, status=TEXT, not_covered=many(TEXT))},
    ),
    "GET /sandboxes/{sandbox}/snapshots": Operation(
        summary="List the snapshots of a sandbox", answers={200: _SNAPSHOTS}
    ),
    "GET /snapshots": Operation(summary="List all snapshots", answers={200: _SNAPSHOTS}),
    "GET /snapshots/{snapshot}": Operation(summary="Get a snapshot", answers={200: SnapshotInfo}),
    "DELETE /snapshots/{snapshot}": Operation(
        summary="Delete a snapshot; answered once its files are deleted", answers={200: {"type": "object"}}
    ),
    "GET /v1/namespaces/{namespace}/sandboxes/{sandbox}/logs": Operation(
        summary="Read persisted logs, page by page",
        query={
            "level": many(whole(1, 6)),
            "processId": many(TEXT),
            "nextToken": TEXT,
            "head": whole(1),
            "tail": whole(1),
            "body": TEXT,
        },
        answers={200: record(logs=many(_LINE), nextToken=maybe(TEXT))},
    ),
    "GET /v1/namespaces/{namespace}/sandboxes/{sandbox}/processes": Operation(
        summary="List the processes that have logs",
        answers={200: record(processes=many(_STREAM))},
    ),
    "POST /platform/v1/keys/introspect": Operation(
        summary="Describe the owner of a key",
        answers={200: record(id=TEXT, organizationId=TEXT, projectId=TEXT)},
    ),
    "GET /platform/v1/organizations/{organization}/projects/{project}": Operation(
        summary="Get the only project of this host",
        answers={200: record(id=TEXT, organizationId=TEXT, name=TEXT)},
    ),
    **{
        f"{method} /sandbox-pools{rest}": Operation(summary="Refused: this host has no pools", answers={})
        for rest, methods in (("", ("GET", "POST")), ("/{rest}", ("GET", "POST", "PUT", "DELETE")))
        for method in methods
    },
}
