"""The control plane's routes that take a sandbox from one state to another, or make more of it (contract, sections 2.1,
2.5 and 2.11).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sbxcompose.api.models import MAX_MILLIS
from sbxcompose.api.sandbox_models import SandboxStatus
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.routes.common import query_number
from sbxcompose.host.routes.control import CHANGE_WAIT, live_sandbox, long_form, routes, sandboxes_of, short_form
from sbxcompose.host.routes.sandboxes import LONGEST_WAIT, made, made_status
from sbxcompose.host.sandboxes.sandbox import HostedSandbox

MAX_COPIES = 100


async def suspend(request: Request) -> Response:
    """POST P/sandboxes/{id or name}/suspend?wait_ms=N."""
    sandbox = live_sandbox(request)
    return await _change(request, sandbox, "suspended")


async def resume(request: Request) -> Response:
    """POST P/sandboxes/{id or name}/resume?wait_ms=N."""
    sandbox = live_sandbox(request)
    return await _change(request, sandbox, "running")


async def _change(request: Request, sandbox: HostedSandbox, wanted: SandboxStatus) -> Response:
    """202 if it has begun, and 200 if it was so before, or is so within `wait_ms`."""
    wait_ms = query_number(request, "wait_ms", 0, MAX_MILLIS)
    await sandbox.wait_until(lambda: not sandbox.being_taken_over)
    if sandbox.status == wanted and not sandbox.in_transition:
        return _answer(request, sandbox, 200)
    begin = sandbox.begin_to_suspend if wanted == "suspended" else sandbox.begin_to_resume
    begin()
    with suppress(TimeoutError):
        async with asyncio.timeout((CHANGE_WAIT * 1000 if wait_ms is None else wait_ms) / 1000):
            await sandbox.wait_until(lambda: not sandbox.in_transition or sandbox.ending is not None)
    if sandbox.ending is not None:
        raise Problem(409, f"sandbox {sandbox.info.id} is being terminated", "SANDBOX_TERMINATED")
    reached = sandbox.status == wanted and not sandbox.in_transition
    return _answer(request, sandbox, 200 if reached and wait_ms is not None else 202)


def _answer(request: Request, sandbox: HostedSandbox, status: int) -> Response:
    return JSONResponse(long_form(request, sandbox.info), status)


async def copy(request: Request) -> Response:
    """POST P/sandboxes/{id or name}/copy?times=N: answered when the copies run."""
    source = live_sandbox(request)
    times = query_number(request, "times", 1, MAX_COPIES) or 1
    copies = sandboxes_of(request).copy(source, times)
    await made(copies, LONGEST_WAIT)
    told = [short_form(request, copy.info) for copy in copies]
    errors = [answer["error"] for answer in told if "error" in answer]
    body = {"source_sandbox_id": source.info.id, "sandboxes": told, **({"error": errors[0]} if errors else {})}
    return JSONResponse(body, made_status(copies))


ROUTES = routes(
    [
        ("POST", "/sandboxes/{sandbox}/suspend", suspend),
        ("POST", "/sandboxes/{sandbox}/resume", resume),
        ("POST", "/sandboxes/{sandbox}/copy", copy),
    ]
)
