"""File systems: made, listed, removed as the vendor's clients do it, and mounted in sandboxes (contract, section 2.1).

There are two forms of the first three: the platform's, and that of the artifact storage, for which a token is fetched.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.sandbox_models import FileSystemDetachRequest, FileSystemMount, FileSystemRequest
from sbxcompose.clock import wall_time
from sbxcompose.host.http.grants import FILE_SYSTEMS, credential
from sbxcompose.host.routes.common import read_message
from sbxcompose.host.routes.control import live_sandbox, long_form, routes, sandboxes_of
from sbxcompose.host.routes.platform import PROJECT, project
from sbxcompose.host.sandboxes.rules import unsupported

LIFETIME = 3600
"""Seconds for which a client keeps a token."""


async def token(request: Request) -> Response:
    """POST /artifact-storage/v1/token: what lets a client make and list file systems, and do nothing else."""
    expires = int(wall_time()) + LIFETIME
    return JSONResponse(
        {
            "token": credential(request.state.key, PROJECT, expires),
            "tokenType": "Bearer",
            "expiresAt": datetime.fromtimestamp(expires, UTC).isoformat(),
            "gitUsername": "git",
            "repoPattern": f"{PROJECT}/*",
            "repoPatterns": [f"{PROJECT}/*"],
            "scopes": [],
        }
    )


def _repository(name: str) -> dict[str, object]:
    kind = {"kind": "filesystem", "status": "ready", "default_branch": "main"}
    return {"name": name, "full_name": f"{PROJECT}/{name}", **kind}


async def create(request: Request) -> Response:
    """POST /project/{project}/repos/{name}."""
    name = request.path_params["name"]
    sandboxes_of(request).file_systems.create(name)
    return JSONResponse(_repository(name))


async def list_all(request: Request) -> Response:
    """GET /project/{project}/repos: all on one page."""
    names = sandboxes_of(request).file_systems.names()
    return JSONResponse({"project": PROJECT, "repos": [_repository(name) for name in names]})


async def get(request: Request) -> Response:
    """GET /project/{project}/repos/{name}/meta."""
    name = request.path_params["name"]
    sandboxes_of(request).file_systems.check_known(name)
    return JSONResponse(_repository(name))


async def delete(request: Request) -> Response:
    """DELETE /project/{project}/repos/{name}, and the platform's form of it."""
    sandboxes = sandboxes_of(request)
    await sandboxes.file_systems.delete(request.path_params["name"], sandboxes)
    return JSONResponse({})


async def no_content(request: Request) -> Response:
    """Refuse whatever reads or writes files from outside of a sandbox."""
    sandboxes_of(request).file_systems.check_known(request.path_params["name"])
    words = "the files of a file system are not served by the local host"
    raise unsupported(words, "read and write them in a sandbox that has it mounted")


def _platform_form(name: str) -> dict[str, str]:
    return {"id": name, "name": name, "status": "ready"}


async def platform_create(request: Request) -> Response:
    """POST /platform/v1/organizations/{org}/projects/{proj}/file-systems."""
    await project(request)
    name = (await read_message(FileSystemRequest, request)).name
    sandboxes_of(request).file_systems.create(name)
    return JSONResponse(_platform_form(name))


async def platform_list(request: Request) -> Response:
    """GET of the same: all on one page."""
    await project(request)
    return JSONResponse({"items": [_platform_form(name) for name in sandboxes_of(request).file_systems.names()]})


async def attach(request: Request) -> Response:
    """POST P/sandboxes/{id or name}/file_systems."""
    sandbox = live_sandbox(request)
    wanted = await read_message(FileSystemMount, request)
    mount = {name: value for name, value in wanted.write().items() if value is not None}
    await sandboxes_of(request).file_systems.attach(sandbox, mount)
    return JSONResponse(long_form(request, sandbox.info))


async def detach(request: Request) -> Response:
    """DELETE P/sandboxes/{id or name}/file_systems."""
    sandbox = live_sandbox(request)
    wanted = await read_message(FileSystemDetachRequest, request)
    await sandboxes_of(request).file_systems.detach(sandbox, wanted.mount_path)
    return JSONResponse(long_form(request, sandbox.info))


_REPOSITORIES = FILE_SYSTEMS + "{project}/repos"
_PLATFORM = "/platform/v1/organizations/{organization}/projects/{project}/file-systems"
ROUTES = [
    Route("/artifact-storage/v1/token", token, methods=["POST"]),
    Route(_REPOSITORIES, list_all, methods=["GET"]),
    Route(_REPOSITORIES + "/{name}", create, methods=["POST"]),
    Route(_REPOSITORIES + "/{name}", delete, methods=["DELETE"]),
    Route(_REPOSITORIES + "/{name}/meta", get, methods=["GET"]),
    *[Route(_REPOSITORIES + "/{name}/{rest:path}", no_content, methods=[method]) for method in ("GET", "POST", "PUT")],
    Route(_PLATFORM, platform_list, methods=["GET"]),
    Route(_PLATFORM, platform_create, methods=["POST"]),
    Route(_PLATFORM + "/{name}", delete, methods=["DELETE"]),
    *routes(
        [
            ("POST", "/sandboxes/{sandbox}/file_systems", attach),
            ("DELETE", "/sandboxes/{sandbox}/file_systems", detach),
        ]
    ),
]
