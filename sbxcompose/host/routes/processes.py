"""The daemon's process routes but for output (contract, sections 3.1 to 3.6)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.models import MAX_MILLIS, Message, StartRequest
from sbxcompose.clock import wall_time
from sbxcompose.host.base.problems import Problem, unknown_process
from sbxcompose.host.http.validation import Invalid
from sbxcompose.host.routes.common import processes_of, query_number, read_message, sandbox_of
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.version import __version__


async def health(request: Request) -> Response:
    """GET /health, of the sandbox that is named; without one, of the host."""
    try:
        sandbox_of(request)
    except Problem as problem:
        if problem.code != "MISSING_SANDBOX_ID":
            raise
    return JSONResponse({"healthy": True})


async def info(request: Request) -> Response:
    """GET /info."""
    sandbox = sandbox_of(request)
    uptime = max(0.0, wall_time() - (sandbox.info.created_at or 0) / 1000)
    told = {
        "version": __version__,
        "uptime_secs": int(uptime),
        "running_processes": sandbox.processes.running,
    }
    return JSONResponse({**told, "total_processes": len(list(sandbox.processes.rows()))})


class SignalRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /processes/{p}/signal`; which numbers are signals depends on the system."""

    signal: int


async def start(request: Request) -> Response:
    """POST /processes."""
    processes = processes_of(request)
    wanted = await read_message(StartRequest, request)
    process = await processes.start_one(wanted)
    return JSONResponse(process.info().write(), 201)


async def list_all(request: Request) -> Response:
    """GET /processes."""
    rows = processes_of(request).rows()
    return JSONResponse({"processes": [row.info().write() for row in rows]})


async def get(request: Request) -> Response:
    """GET /processes/{p}."""
    return JSONResponse(_process(request).info().write())


async def delete(request: Request) -> Response:
    """DELETE /processes/{p}, with our query parameters `signal` and `grace_ms`."""
    process = _process(request)
    signal = query_number(request, "signal", 1, 64)
    await process.stop(signal, query_number(request, "grace_ms", 0, MAX_MILLIS))
    return Response(status_code=204)


async def signal(request: Request) -> Response:
    """POST /processes/{p}/signal."""
    process = _process(request)
    try:
        wanted = await read_message(SignalRequest, request)
    except Invalid as error:
        raise Problem(400, str(error), "INVALID_SIGNAL") from None
    await process.signal(wanted.signal)
    return JSONResponse({"success": True})


async def restart(request: Request) -> Response:
    """POST /processes/{p}/restart."""
    process = _process(request)
    await process.restart()
    return JSONResponse(process.info().write())


async def write(request: Request) -> Response:
    """POST /processes/{p}/stdin: raw bytes, passed on as they come."""
    await _process(request).write(request.stream())
    return Response(status_code=204)


async def close(request: Request) -> Response:
    """POST /processes/{p}/stdin/close."""
    await _process(request).close_input()
    return Response(status_code=204)


def _process(request: Request) -> SupervisedProcess:
    return find(processes_of(request), request.path_params["process"])


def find(processes: Processes, name: str) -> SupervisedProcess:
    """Return the row of a PID or managed name. Raises `Problem`."""
    found = processes.find(name)
    if found is None:
        raise unknown_process(name)
    return found


ROUTES = [
    Route("/api/v1/health", health),
    Route("/api/v1/info", info),
    Route("/api/v1/processes", start, methods=["POST"]),
    Route("/api/v1/processes", list_all),
    Route("/api/v1/processes/{process}", get),
    Route("/api/v1/processes/{process}", delete, methods=["DELETE"]),
    Route("/api/v1/processes/{process}/signal", signal, methods=["POST"]),
    Route("/api/v1/processes/{process}/restart", restart, methods=["POST"]),
    Route("/api/v1/processes/{process}/stdin", write, methods=["POST"]),
    Route("/api/v1/processes/{process}/stdin/close", close, methods=["POST"]),
]
