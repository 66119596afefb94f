"""One sample of what the processes of a sandbox use: by our extension where its daemon has it, else by a command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct

from sbxcompose.api.models import SandboxUsage, StartRequest
from sbxcompose.api.usage import SCRIPT, Usage, parse_machine, tree_usage
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.plan.observed import Instance
from sbxcompose.tasks import gather_all

COMMAND_TIMEOUT = 10.0
"""Seconds that the command may take."""


class RunUsage(Struct, frozen=True):
    """What one run uses with all its descendants; `instance` is None for what was not started from the file."""

    instance: Instance | None
    usage: Usage


class SandboxSample(Struct, frozen=True):
    """A sandbox `at` some seconds after its machine was booted, with the size of that machine. Runs are by pid."""

    sandbox: str
    at: float
    cpus: int
    memory: int
    runs: Mapping[int, RunUsage]


async def sample(connection: SandboxConnection) -> SandboxSample | None:
    """Return what is used now; None where that cannot be found out. Raises `Unreachable` or `Refused`."""
    if "stats" in connection.client.extensions:
        answer = SandboxUsage.read(await connection.client.ask("GET", "/stats", "the usage of its processes"))
        found = {
            process.pid: Usage(process.cpu_ms / 1000, process.memory_bytes, process.processes)
            for process in answer.processes
        }
        return SandboxSample(
            connection.name, answer.uptime_ms / 1000, answer.cpus, answer.memory_bytes, _runs(connection, found)
        )
    return await _by_command(connection)


async def sample_all(connections: Iterable[SandboxConnection]) -> list[SandboxSample]:
    """Return a sample of each sandbox in which something runs, and that can say so. Raises as `sample`."""
    found = await gather_all(*(sample(connection) for connection in connections if _pids(connection)))
    return [measured for measured in found if measured is not None]


def anything_runs(connections: Iterable[SandboxConnection]) -> bool:
    """Return whether there is anything to measure."""
    return any(_pids(connection) for connection in connections)


async def _by_command(connection: SandboxConnection) -> SandboxSample | None:
    lines: list[str] = []
    request = StartRequest(command="sh", args=["-c", SCRIPT])
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT):
            await connection.client.run(request, output=lambda line: lines.append(line.text))
    except TimeoutError:
        return None
    machine = parse_machine(lines)
    if machine is None:
        return None
    found = tree_usage(machine, _pids(connection))
    return SandboxSample(connection.name, machine.uptime, machine.cpus, machine.memory, _runs(connection, found))


def _pids(connection: SandboxConnection) -> Mapping[int, Instance | None]:
    seen = connection.observed()
    foreign: dict[int, Instance | None] = {process.pid: None for process in seen.foreign if process.running}
    return {**foreign, **{row.pid: row.instance for row in seen.rows if row.live and row.pid is not None}}


def _runs(connection: SandboxConnection, found: Mapping[int, Usage]) -> dict[int, RunUsage]:
    pids = _pids(connection)
    return {pid: RunUsage(pids.get(pid), usage) for pid, usage in found.items()}
