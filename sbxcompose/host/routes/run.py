"""POST /processes/run: a command, its output and its end in one answer (contract, section 3.8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from msgspec import Meta, structs
from starlette.requests import Request
from starlette.routing import Route

from sbxcompose.api.models import Message, StartRequest
from sbxcompose.host.http import validation
from sbxcompose.host.http.stream import StreamAnswer
from sbxcompose.host.http.validation import Invalid
from sbxcompose.host.logs import follow
from sbxcompose.host.routes.common import processes_of, read_body
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes

LONGEST = 10 * 365 * 24 * 3600.0
"""Seconds that a timeout may be."""
_NOT_HERE = ("name", "restart", "health_check")
_FIXED = {"stdin_mode": "closed", "stdout_mode": "capture", "stderr_mode": "capture"}


class RunOptions(Message, frozen=True, kw_only=True):
    """What the body of a run has besides a start request. `timeout` is in seconds."""

    timeout: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None


async def run(request: Request) -> StreamAnswer:
    """Start the command and stream what it does. A command that cannot be started is a plain error."""
    body = await read_body(request)
    timeout = validation.read(RunOptions, body).timeout
    wanted = validation.read(StartRequest, body)
    wrong = [name for name in _NOT_HERE if getattr(wanted, name) is not None]
    if wrong:
        raise Invalid(f"{' and '.join(wrong)}: not allowed here: a process that is run to its end has no supervisor")
    processes = processes_of(request)
    process = await processes.start_one(structs.replace(wanted, **_FIXED), attached=True)
    events = _Attached(processes, process, timeout).events()
    await anext(events)  # it has begun: now it also ends what it has started should the caller be gone already
    return StreamAnswer(events, "text/event-stream")


class _Attached:
    """A command that lives as long as its caller reads."""

    def __init__(self, processes: Processes, process: SupervisedProcess, timeout: float | None) -> None:
        self._processes = processes
        self._process = process
        self._timed_out = False
        self._timer: asyncio.TimerHandle | None = None
        process.hold()
        if timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout, self._time_over)

    def _time_over(self) -> None:
        self._timed_out = self._process.alive
        self._processes.keeper.tasks.start(self._process.kill())

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Nothing, then started, lines, end. Left early (the caller has gone), it kills what it started."""
        info = self._process.info()
        output = follow.events(self._process, self._processes.changes, event=None)
        try:
            yield b""
            yield _event({"handle": info.handle, "pid": info.pid, "started_at": info.started_at})
            async for piece in output:
                yield piece
            yield _event(self._end())
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await output.aclose()
            if self._process.alive:
                self._processes.keeper.tasks.start(self._process.kill())
            self._process.release()

    def _end(self) -> dict[str, Any]:
        info = self._process.info()
        reason = "timed_out" if self._timed_out else info.status
        memory = {
            **({"oom_killed": True} if info.oom_killed else {}),
            **({"oom_kills": info.oom_kills} if info.oom_kills else {}),
        }
        if info.signal is not None:
            return {"signal": info.signal, "reason": reason, **memory}
        # The end of a process whose keeper was killed is unknown; clients need one of the two.
        return {"exit_code": 255 if info.exit_code is None else info.exit_code, "reason": reason, **memory}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


ROUTES = [Route("/api/v1/processes/run", run, methods=["POST"])]
