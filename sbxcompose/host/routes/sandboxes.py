"""The control plane's routes, namespaced and flat (contract, sections 1.2 and 2.1)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.models import CreateRequest, SandboxInfo
from sbxcompose.host import messages
from sbxcompose.host.problems import Problem
from sbxcompose.host.routes.common import query_number, read_json
from sbxcompose.host.sandboxes import EXTENSIONS, Sandboxes

PAGE = 100
LARGEST_PAGE = 1000


async def create(request: Request) -> Response:
    """POST P/sandboxes: the short form (contract, section 2.4)."""
    wanted = messages.read(CreateRequest, await read_json(request))
    info = _sandboxes(request).create(wanted, _namespace(request))
    short = {
        "sandbox_id": info.id,
        "status": info.status,
        "name": info.name,
        "sandbox_url": request.state.url,
    }
    return JSONResponse(short)


async def list_all(request: Request) -> Response:
    """GET P/sandboxes."""
    query = request.query_params
    direction = query.get("direction", "forward")
    if direction not in ("forward", "backward"):
        raise Problem(400, f"direction must be forward or backward, not {direction[:40]!r}", "BAD_QUERY")
    found, previous, following = _sandboxes(request).page(
        namespace=_namespace(request),
        limit=query_number(request, "limit", 1, LARGEST_PAGE) or PAGE,
        cursor=query.get("cursor") or None,
        backward=direction == "backward",
        status=query.get("status") or None,
    )
    rows = [_long(request, each) for each in found]
    return JSONResponse({"sandboxes": rows, "prev_cursor": previous, "next_cursor": following})


async def get(request: Request) -> Response:
    """GET P/sandboxes/{id or name}."""
    return JSONResponse(_long(request, _sandboxes(request).info(request.path_params["sandbox"])))


async def delete(request: Request) -> Response:
    """DELETE P/sandboxes/{id or name}: returns when all that ran in it is gone."""
    await _sandboxes(request).terminate(request.path_params["sandbox"])
    return JSONResponse({})


def _sandboxes(request: Request) -> Sandboxes:
    sandboxes: Sandboxes = request.state.sandboxes
    return sandboxes


def _namespace(request: Request) -> str:
    return str(request.path_params.get("namespace", "default"))


def _long(request: Request, info: SandboxInfo) -> dict[str, Any]:
    """The long form, as one sees it who has come this way."""
    live = info.status == "running"
    return {
        **info.write(),
        "sandbox_url": request.state.url if live else None,
        "extensions": EXTENSIONS if live else [],
    }


ROUTES = [
    route
    for prefix in ("/v1/namespaces/{namespace}", "")
    for route in (
        Route(prefix + "/sandboxes", create, methods=["POST"]),
        Route(prefix + "/sandboxes", list_all),
        Route(prefix + "/sandboxes/{sandbox}", get),
        Route(prefix + "/sandboxes/{sandbox}", delete, methods=["DELETE"]),
    )
]
