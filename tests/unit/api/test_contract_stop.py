"""How a process is stopped at a daemon with our extension, and at one that has only the contract."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from sbxcompose.api.models import ProcessInfo, StartRequest, StopCommand
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire import Answer, HttpRequest

ROW = ProcessInfo(pid=7, status="running", command="web", started_at=1).write()


class Daemon:
    """Notes what it is asked. Its process ends by a signal, or by the daemon's own stop unless it is `stubborn`."""

    local = True

    def __init__(self, stubborn: bool) -> None:
        self.stop_command: list[str] = []
        self._over = asyncio.Event()
        self._stubborn = stubborn

    async def request(self, request: HttpRequest) -> Answer:
        method, path = request.method, request.path
        signal = f" {request.body['signal']}" if path.endswith("/signal") else ""
        self.stop_command.append(f"{method} {path.removeprefix('/api/v1/processes/')}{signal}")
        if signal or (method == "DELETE" and not self._stubborn):
            self._over.set()
        if method == "DELETE":
            await self._over.wait()
        return Answer(200, json.dumps({**ROW, "status": "exited" if self._over.is_set() else "running"}).encode())


def stopped(
    extensions: tuple[str, ...],
    signal: int,
    grace: float,
    stop_command: StopCommand | None = None,
    *,
    stubborn: bool = False,
) -> list[str]:
    """Return what the daemon was asked."""

    async def main() -> list[str]:
        daemon = Daemon(stubborn)
        client = SandboxClient(cast(Any, daemon), "box", extensions)
        await client.stop("web", signal=signal, grace=grace, stop_command=stop_command)
        return daemon.stop_command

    return asyncio.run(main())


def test_our_extension_carries_signal_and_grace() -> None:
    assert stopped(("stop",), 2, 3.0) == ["DELETE web?signal=2&grace_ms=3000"]


@pytest.mark.parametrize(
    "signal,grace,stop_command",
    [
        pytest.param(15, 10.0, ["DELETE web"], id="as-the-contract-does"),
        pytest.param(15, 30.0, ["GET web", "POST web/signal 15", "GET web", "DELETE web"], id="a-longer-grace"),
        pytest.param(2, 3.0, ["GET web", "POST web/signal 2", "GET web", "DELETE web"], id="another-signal"),
    ],
)
def test_the_contract_alone_is_asked_step_by_step(signal: int, grace: float, stop_command: list[str]) -> None:
    assert stopped((), signal, grace) == stop_command


@pytest.mark.parametrize("signal", [9, 15])
def test_without_grace_a_process_is_killed(signal: int) -> None:
    assert stopped((), signal, 0.0, stubborn=True) == ["DELETE web", "POST web/signal 9"]


def test_a_command_that_may_take_no_time_is_not_run() -> None:
    stop_command = StopCommand(StartRequest(command="quit"), {})
    assert stopped((), 15, 0.0, stop_command, stubborn=True) == ["DELETE web", "POST web/signal 9"]
