"""A stop with signal and grace, at a daemon that has only the contract's own (section 3.6): SIGTERM and ten seconds."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec.structs import replace

from sbxcompose.api.models import Env, ProcessInfo, StartRequest, StopCommand
from sbxcompose.clock import monotonic
from sbxcompose.errors import NotFound, Refused
from sbxcompose.tasks import Tasks

SIGTERM, SIGKILL = 15, 9
GRACE = 10.0
"""Seconds that the daemon itself gives."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
"""Seconds between two looks at a process that was asked to end by a signal of its own."""


class CommandExit(Protocol):
    """How a command ended."""

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None if it was killed."""


class ContractProcesses(Protocol):
    """What the contract itself offers for ending a process; errors as `SandboxClient`."""

    async def get(self, process: str) -> ProcessInfo:
        """Return the row of a process."""

    async def delete(self, process: str) -> None:
        """Stop it the contract's own way."""

    async def signal(self, process: str, signal: int) -> None:
        """Send a signal to its group."""

    async def run(self, request: StartRequest, base_env: Env | None = None) -> CommandExit:
        """Run a command to its end."""


async def stop(
    client: ContractProcesses, process: str, signal: int, grace: float, stop_command: StopCommand | None = None
) -> None:
    """End the process and its supervision. Raises as `SandboxClient`.

    `stop_command`: first by that command, within the grace.
    Another signal than SIGTERM is sent first, and so is SIGTERM where the grace is longer than the daemon's; the run
    then has `grace` seconds to end before supervision is ended, which comes before a next run where the backoff is
    not shorter than a look. A shorter grace is kept from here, by a SIGKILL.
    """
    if stop_command is not None and grace > 0:
        began = monotonic()
        if await _by_command(client, process, stop_command, grace):
            signal, grace = SIGKILL, 0.0
        else:
            grace = max(grace - (monotonic() - began), 0.0)
    if signal != SIGKILL and grace > 0 and (signal != SIGTERM or grace > GRACE):
        await _ask(client, process, signal, grace)
        grace = 0.0
    if grace >= GRACE and signal == SIGTERM:
        await client.delete(process)
        return
    # The DELETE ends supervision, so that no run follows the SIGKILL; by itself it would kill after ten seconds only.
    async with Tasks() as tasks:
        deleting = tasks.start(client.delete(process))
        await asyncio.wait({deleting}, timeout=grace if signal == SIGTERM else 0)
        if not deleting.done():
            await _signal(client, process, SIGKILL)
        await deleting


async def _by_command(client: ContractProcesses, process: str, stop_command: StopCommand, grace: float) -> bool:
    """Run the command, and wait until the run has ended or the grace is over; False if the command has failed."""
    try:
        before = await client.get(process)
        request = replace(stop_command.request, env={**stop_command.request.env, "SBXCOMPOSE_PID": str(before.pid)})
        async with asyncio.timeout(grace):
            if before.status == "running" and (await client.run(request, stop_command.base)).exit_code != 0:
                return False
            await _until_over(client, process, before)
    except (TimeoutError, NotFound):
        return True
    return True


async def _ask(client: ContractProcesses, process: str, signal: int, grace: float) -> None:
    """Send the signal, and wait until the run has ended or the grace is over."""
    try:
        before = await client.get(process)
    except NotFound:
        return
    if before.status != "running" or not await _signal(client, process, signal):
        return
    try:
        async with asyncio.timeout(grace):
            await _until_over(client, process, before)
    except (TimeoutError, NotFound):
        return


async def _until_over(client: ContractProcesses, process: str, before: ProcessInfo) -> None:
    pause = FIRST_PAUSE
    while not _finished(before, await client.get(process)):
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _finished(before: ProcessInfo, now: ProcessInfo) -> bool:
    return now.status != "running" or (now.pid, now.handle) != (before.pid, before.handle)


async def _signal(client: ContractProcesses, process: str, signal: int) -> bool:
    """Send a signal; False if there is nothing that runs."""
    try:
        await client.signal(process, signal)
    except Refused:
        return False
    return True
