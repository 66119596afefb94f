"""The control plane's routes for snapshots (contract, sections 2.1 and 2.5)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sbxcompose.api.sandbox_models import SnapshotInfo, SnapshotRequest
from sbxcompose.host.routes.common import read_message
from sbxcompose.host.routes.control import CHANGE_WAIT, live_sandbox, namespace_of, routes, sandboxes_of
from sbxcompose.host.sandboxes.snapshots import Snapshots


async def take(request: Request) -> Response:
    """POST P/sandboxes/{id or name}/snapshot: begun."""
    wanted = await read_message(SnapshotRequest, request)
    info = await _snapshots(request).take(live_sandbox(request), wanted.snapshot_type, CHANGE_WAIT)
    return JSONResponse({"snapshot_id": info.id, "status": info.status, "not_covered": info.not_covered}, 202)


async def list_of_sandbox(request: Request) -> Response:
    """GET P/sandboxes/{id or name}/snapshots, also of one that is terminated."""
    sandbox = sandboxes_of(request).info(request.path_params["sandbox"])
    return _list(_snapshots(request).list(sandbox.namespace, sandbox.id))


async def list_all(request: Request) -> Response:
    """GET P/snapshots."""
    return _list(_snapshots(request).list(namespace_of(request)))


async def get(request: Request) -> Response:
    """GET P/snapshots/{id}."""
    return JSONResponse(_snapshots(request).get(request.path_params["snapshot"]).write())


async def delete(request: Request) -> Response:
    """DELETE P/snapshots/{id}: returns when its files are gone."""
    await _snapshots(request).delete(request.path_params["snapshot"])
    return JSONResponse({})


def _snapshots(request: Request) -> Snapshots:
    return sandboxes_of(request).snapshots


def _list(found: list[SnapshotInfo]) -> Response:
    return JSONResponse({"snapshots": [snapshot.write() for snapshot in found]})


ROUTES = routes(
    [
        ("POST", "/sandboxes/{sandbox}/snapshot", take),
        ("GET", "/sandboxes/{sandbox}/snapshots", list_of_sandbox),
        ("GET", "/snapshots", list_all),
        ("GET", "/snapshots/{snapshot}", get),
        ("DELETE", "/snapshots/{snapshot}", delete),
    ]
)
