"""GET /stats, our extension: CPU time and memory of each process of a sandbox, with all its descendants."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sbxcompose.api.models import ProcessUsage, SandboxUsage
from sbxcompose.api.usage import Usage
from sbxcompose.host.routes.common import processes_of
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.usage import MachineReader, unit_usage

_reader = MachineReader()


async def stats(request: Request) -> Response:
    """Look at the machine once, in a thread, and answer for all that runs in the sandbox."""
    processes = processes_of(request)
    rows = {row.unit: row for row in processes.rows() if row.unit is not None and row.record.run is not None}
    units = {unit: row.record.run.pid for unit, row in rows.items() if row.record.run is not None}
    machine = await asyncio.to_thread(_reader.machine, units.values())
    found = await asyncio.to_thread(unit_usage, machine, units, processes.keeper.pid)
    answer = SandboxUsage(
        uptime_ms=round(machine.uptime * 1000),
        cpus=machine.cpus,
        memory_bytes=machine.memory,
        processes=[_described(rows[unit], usage) for unit, usage in found.items()],
    )
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _described(row: SupervisedProcess, usage: Usage) -> ProcessUsage:
    info = row.info()
    return ProcessUsage(
        name=info.managed.name if info.managed is not None else None,
        pid=info.pid,
        cpu_ms=round(usage.cpu * 1000),
        memory_bytes=usage.memory,
        processes=usage.processes,
    )


ROUTES = [Route("/api/v1/stats", stats)]
