"""The control plane's and the platform's routes (contract, sections 2 and 8), described.

Those that are served under `/v1/namespaces/{namespace}` and flat, are described once, by their flat path.
"""

from __future__ import annotations

from sbxcompose.api.models import CreateRequest, SandboxInfo
from sbxcompose.host.openapi.operation import NUMBER, TEXT, Operation, Schema, many, maybe, record, whole, words

_PAGE: dict[str, Schema] = {"limit": whole(1, 1000), "cursor": TEXT, "direction": words("forward", "backward")}
_SHORT: Schema = {
    "type": "object",
    "properties": {"sandbox_id": TEXT, "status": TEXT, "name": maybe(TEXT), "sandbox_url": maybe(TEXT)},
    "required": ["sandbox_id", "status"],
}
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
    "POST /sandboxes": Operation(summary="Make a sandbox", body=CreateRequest, answers={200: _SHORT}),
    "GET /sandboxes": Operation(
        summary="Sandboxes in the order of creation, page by page",
        query={**_PAGE, "status": TEXT},
        answers={200: record(sandboxes=many(SandboxInfo), prev_cursor=maybe(TEXT), next_cursor=maybe(TEXT))},
    ),
    "GET /sandboxes/{sandbox}": Operation(summary="One sandbox, by id or name", answers={200: SandboxInfo}),
    "DELETE /sandboxes/{sandbox}": Operation(
        summary="Terminate a sandbox; answered when all that ran in it is gone",
        answers={200: {"type": "object"}},
    ),
    "GET /v1/namespaces/{namespace}/sandboxes/{sandbox}/logs": Operation(
        summary="Persisted logs, page by page",
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
        summary="The logs that there are",
        answers={200: record(processes=many(_STREAM))},
    ),
    "POST /platform/v1/keys/introspect": Operation(
        summary="Whose key it is",
        answers={200: record(id=TEXT, organizationId=TEXT, projectId=TEXT)},
    ),
    "GET /platform/v1/organizations/{organization}/projects/{project}": Operation(
        summary="The one project of this host",
        answers={200: record(id=TEXT, organizationId=TEXT, name=TEXT)},
    ),
}
