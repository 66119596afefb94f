"""The control plane's routes for sandboxes: made, found, changed, ended (contract, section 2.1)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxStatus
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import validation
from sbxcompose.host.routes.common import query_number, read_body, read_message
from sbxcompose.host.routes.control import (
    live_sandbox,
    long_form,
    namespace_of,
    routes,
    sandboxes_of,
    short_form,
)
from sbxcompose.host.sandboxes.listing import Page, PageQuery
from sbxcompose.host.sandboxes.sandbox import HostedSandbox

LARGEST_PAGE = 1000
"""Sandboxes in an answer. Who names no limit gets as many: the SDKs read the first page only, and mean all."""
CREATE_WAIT = 0.5
"""Seconds that a create is held which does not want to wait: who is told `pending` asks again only after two. To make
the disk of an isolated sandbox takes some ten milliseconds, and longer on a busy machine.
"""
LONGEST_WAIT = 300.0
"""Seconds that a create is held at most until the sandbox runs."""
_STATUSES = get_args(SandboxStatus)
_REQUEST_TIMEOUT, _GRACE = "X-Tensorlake-Request-Timeout-Ms", "X-Tensorlake-Request-Timeout-Grace-Ms"


async def create(request: Request) -> Response:
    """POST P/sandboxes: the short form (contract, sections 2.4 and 2.5), once it runs unless `wait` is false."""
    wanted = await read_message(CreateRequest, request)
    granted = await sandboxes_of(request).grant_isolation(wanted)
    sandbox = sandboxes_of(request).create(wanted, namespace_of(request), granted)
    await made([sandbox], _patience(request) if wanted.wait else CREATE_WAIT)
    return JSONResponse(short_form(request, sandbox.info), made_status([sandbox]) if wanted.wait else 202)


async def made(sandboxes: list[HostedSandbox], patience: float) -> None:
    """Wait until none of them is pending, at most `patience` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            for sandbox in sandboxes:
                await sandbox.wait_until(lambda sandbox=sandbox: sandbox.status in ("running", "terminated"))  # type: ignore[misc]


def made_status(sandboxes: list[HostedSandbox]) -> int:
    """200 if all of them run, 422 if one has failed, 202 if one is still pending: clients ask again."""
    statuses = {sandbox.status for sandbox in sandboxes}
    return 422 if "terminated" in statuses else 202 if "pending" in statuses else 200


def _patience(request: Request) -> float:
    """Return how long the client waits for an answer, less what it wants for the way."""
    given = [request.headers.get(name, "") for name in (_REQUEST_TIMEOUT, _GRACE)]
    timeout, grace = (int(text) if text.isdecimal() and len(text) < 16 else None for text in given)
    return LONGEST_WAIT if timeout is None else min(LONGEST_WAIT, max(0, timeout - (grace or 0)) / 1000)


async def list_all(request: Request) -> Response:
    """GET P/sandboxes."""
    status = request.query_params.get("status") or None
    if status is not None and status not in _STATUSES:
        raise Problem(400, f"status must be one of {', '.join(_STATUSES)}, not {status[:40]!r}", "BAD_QUERY")
    return _page(request, sandboxes_of(request).page(namespace_of(request), _query(request), status))


async def list_archived(request: Request) -> Response:
    """GET P/archived-sandboxes."""
    return _page(request, sandboxes_of(request).archive(namespace_of(request), _query(request)))


def _query(request: Request) -> PageQuery:
    direction = request.query_params.get("direction", "forward")
    if direction not in ("forward", "backward"):
        raise Problem(400, f"direction must be forward or backward, not {direction[:40]!r}", "BAD_QUERY")
    return PageQuery(
        limit=query_number(request, "limit", 1, LARGEST_PAGE) or LARGEST_PAGE,
        cursor=request.query_params.get("cursor") or None,
        backward=direction == "backward",
    )


def _page(request: Request, page: Page) -> Response:
    rows = [long_form(request, sandbox) for sandbox in page.sandboxes]
    return JSONResponse({"sandboxes": rows, "prev_cursor": page.previous, "next_cursor": page.following})


async def get(request: Request) -> Response:
    """GET P/sandboxes/{id or name}."""
    return JSONResponse(long_form(request, sandboxes_of(request).info(request.path_params["sandbox"])))


async def get_archived(request: Request) -> Response:
    """GET P/archived-sandboxes/{id}."""
    return JSONResponse(long_form(request, sandboxes_of(request).archived(request.path_params["sandbox"])))


async def patch(request: Request) -> Response:
    """PATCH P/sandboxes/{id or name} (contract, section 2.6)."""
    body = await read_body(request)
    wanted = validation.read(PatchRequest, body)
    clear_network = bytes(validation.read_object(body).get("network", b"")) == b"null"
    if wanted == PatchRequest() and not clear_network:
        live_sandbox(request)
        raise Problem(400, f"expected at least one of {', '.join(PatchRequest.__struct_fields__)}", "BAD_PATCH")
    info = sandboxes_of(request).patch(request.path_params["sandbox"], wanted, clear_network=clear_network)
    return JSONResponse(long_form(request, info))


async def delete(request: Request) -> Response:
    """DELETE P/sandboxes/{id or name}: returns when all that ran in it is gone."""
    await sandboxes_of(request).terminate(request.path_params["sandbox"])
    return JSONResponse({})


async def pools(request: Request) -> Response:
    """Everything below P/sandbox-pools: left out, as the contract lets us (section 2.9)."""
    raise Problem(404, "this host has no sandbox pools: a sandbox starts at once without one", "NOT_FOUND")


_POOLS = "/sandbox-pools"
ROUTES = routes(
    [
        ("POST", "/sandboxes", create),
        ("GET", "/sandboxes", list_all),
        ("GET", "/sandboxes/{sandbox}", get),
        ("PATCH", "/sandboxes/{sandbox}", patch),
        ("DELETE", "/sandboxes/{sandbox}", delete),
        ("GET", "/archived-sandboxes", list_archived),
        ("GET", "/archived-sandboxes/{sandbox}", get_archived),
        *[(method, _POOLS, pools) for method in ("GET", "POST")],
        *[(method, _POOLS + "/{rest:path}", pools) for method in ("GET", "POST", "PUT", "DELETE")],
    ]
)
