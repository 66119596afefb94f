"""The routes for images and file systems, described."""

from __future__ import annotations

from sbxcompose.api.sandbox_models import (
    ContextSealRequest,
    FileSystemDetachRequest,
    FileSystemMount,
    FileSystemRequest,
    ImageBuildRequest,
    SandboxInfo,
)
from sbxcompose.host.openapi.operation import ANY, FLAG, NUMBER, OCTETS, TEXT, Operation, Schema, many, maybe, record

_IMAGE = record(
    id=TEXT,
    name=TEXT,
    snapshot_id=TEXT,
    physical_size_bytes=NUMBER,
    logical_size_bytes=NUMBER,
    disk_mb=maybe(NUMBER),
    not_built=TEXT,
    created_at=TEXT,
    updated_at=TEXT,
)
_BUILD = record(build_id=TEXT, name=TEXT, kind=TEXT, status=TEXT, phase=TEXT, result=maybe(_IMAGE), not_built=TEXT)
_DONE: Schema = {"type": "object"}
_REPOSITORY = record(name=TEXT, full_name=TEXT, kind=TEXT, status=TEXT, default_branch=TEXT)
_FILE_SYSTEM = record(id=TEXT, name=TEXT, status=TEXT)
_PLATFORM = "/platform/v1/organizations/{organization}/projects/{project}/file-systems"
_TOKEN = record(token=TEXT, tokenType=TEXT, expiresAt=TEXT, gitUsername=TEXT, repoPattern=TEXT, scopes=many(TEXT))

OPERATIONS: dict[str, Operation] = {
    "POST /images/v4/builds": Operation(
        summary="Record an image build or import; refused unless the host accepts them",
        body=ImageBuildRequest,
        answers={200: _BUILD},
    ),
    "PUT /images/v4/uploads/{build}": Operation(
        summary="Upload the context of a build, a tar archive", query={"grant": TEXT}, body=OCTETS, answers={200: _DONE}
    ),
    "POST /images/v4/builds/{build}/context/seal": Operation(
        summary="Complete the context; the build is recorded as done", body=ContextSealRequest, answers={200: _BUILD}
    ),
    "POST /images/v4/builds/{build}/cancel": Operation(
        summary="Cancel a build that is not done", answers={200: record(outcome=TEXT, build=_BUILD)}
    ),
    "GET /images/v4/builds/{build}": Operation(summary="Get a build", answers={200: _BUILD}),
    "GET /images/v4/images": Operation(summary="List images", answers={200: record(items=many(_IMAGE))}),
    **{
        f"{method} /images/v4/images{path}": Operation(
            summary=f"{words} an image, by name or id", answers={200: answer}
        )
        for path in ("/name/{name}", "/{name}")
        for method, words, answer in (("GET", "Return", _IMAGE), ("DELETE", "Remove", _DONE))
    },
    "GET /platform/v1/sandbox-templates": Operation(
        summary="List sandbox templates (the older kind of images): there are none",
        answers={200: record(items=many(ANY))},
    ),
    **{
        f"{method} /platform/v1/sandbox-templates/{{rest}}": Operation(summary="Refused: there are none", answers={})
        for method in ("GET", "DELETE")
    },
    "POST /platform/v1/sandbox-template-builds": Operation(
        summary="Refused: the older kind of images is not built here", body=ANY, answers={}
    ),
    "POST /artifact-storage/v1/token": Operation(
        summary="Get a token for the file systems", body=ANY, answers={200: _TOKEN}
    ),
    "GET /project/{project}/repos": Operation(
        summary="List file systems",
        query={"kind": TEXT, "fresh": FLAG},
        answers={200: record(repos=many(_REPOSITORY), project=TEXT)},
    ),
    "POST /project/{project}/repos/{name}": Operation(
        summary="Create a file system", body=ANY, answers={200: _REPOSITORY}
    ),
    "DELETE /project/{project}/repos/{name}": Operation(summary="Delete a file system", answers={200: _DONE}),
    "GET /project/{project}/repos/{name}/meta": Operation(summary="Get a file system", answers={200: _REPOSITORY}),
    **{
        f"{method} /project/{{project}}/repos/{{name}}/{{rest}}": Operation(
            summary="Refused: files are read and written in sandboxes", answers={}
        )
        for method in ("GET", "POST", "PUT")
    },
    f"GET {_PLATFORM}": Operation(summary="List file systems", answers={200: record(items=many(_FILE_SYSTEM))}),
    f"POST {_PLATFORM}": Operation(summary="Create a file system", body=FileSystemRequest, answers={200: _FILE_SYSTEM}),
    f"DELETE {_PLATFORM}/{{name}}": Operation(summary="Delete a file system", answers={200: _DONE}),
    "POST /sandboxes/{sandbox}/file_systems": Operation(
        summary="Mount a file system in an isolated sandbox without running processes",
        body=FileSystemMount,
        answers={200: SandboxInfo},
    ),
    "DELETE /sandboxes/{sandbox}/file_systems": Operation(
        summary="Unmount a file system", body=FileSystemDetachRequest, answers={200: SandboxInfo}
    ),
}
