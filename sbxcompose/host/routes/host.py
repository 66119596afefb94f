"""The host itself: how it is, and its end. An extension, below /host/v1."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.models import Message
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.routes.common import read_message


class HostControl(Protocol):
    """What these routes need of the host."""

    def status(self) -> dict[str, Any]:
        """Return its status."""

    async def isolation(self) -> dict[str, Any]:
        """Return how sandboxes of programs are isolated, and why this machine permits none, if it does not."""

    def running_names(self) -> list[str]:
        """Return what runs, or will."""

    async def end_all(self) -> None:
        """End every process, politely."""

    async def wait_for_keeper(self) -> int:
        """Wait until a keeper is there, should another one just take the place of one that died; its process id."""

    async def finish(self) -> None:
        """End the host."""


class HostStop(Message, frozen=True, kw_only=True):
    """Body of `POST /host/v1/stop`."""

    force: bool = False


async def status(request: Request) -> Response:
    """GET /host/v1/status."""
    return JSONResponse(_host(request).status())


async def isolation(request: Request) -> Response:
    """GET /host/v1/isolation: not part of the status, since the first time an isolated sandbox is made to try it."""
    return JSONResponse(await _host(request).isolation())


async def stop(request: Request) -> Response:
    """POST /host/v1/stop {"force": bool}: refused while something runs, unless forced."""
    host = _host(request)
    force = (await read_message(HostStop, request)).force
    running = host.running_names()
    if running and not force:
        shown = ", ".join(running[:5]) + (f" and {len(running) - 5} more" if len(running) > 5 else "")
        raise Problem(409, f"still running: {shown}", "RUNNING", "stop them first, or use --force")
    await host.end_all()
    told = {"stopped": len(running), "keeper_pid": await host.wait_for_keeper()}
    return JSONResponse(told, background=BackgroundTask(host.finish))


def _host(request: Request) -> HostControl:
    host: HostControl = request.state.host
    return host


ROUTES = [
    Route("/host/v1/status", status),
    Route("/host/v1/isolation", isolation),
    Route("/host/v1/stop", stop, methods=["POST"]),
]
