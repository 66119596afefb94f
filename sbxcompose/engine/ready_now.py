"""Whether what runs is ready at this moment, as far as that can be found out without waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from sbxcompose.engine.session import Session
from sbxcompose.errors import SbxError
from sbxcompose.plan.instances import instances_of
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.spec.project import Process, ReadyCommand, ReadyLine
from sbxcompose.tasks import gather_all

PATIENCE = 5.0
"""Seconds that finding it out may take. By the contract alone it takes several requests, on a busy machine seconds."""


async def probe_readiness(
    session: Session, wanted: Callable[[Instance], bool] = lambda instance: True, *, commands: bool = False
) -> Mapping[Instance, bool | None]:
    """Return for each running instance with a `ready_when` whether that is fulfilled; None if it is unknown.

    Lines are looked for in the log of the current run. With `commands` readiness commands are run, once each; without,
    it counts whether an earlier command has found the current run ready.
    """
    looks = {
        instance: _check_ready(session, process, row, commands)
        for instance, process in instances_of(session.project.every_process()).items()
        if process.ready_when is not None and wanted(instance) and (row := _running(session, process, instance))
    }
    return dict(zip(looks, await gather_all(*looks.values()), strict=True))


def _running(session: Session, process: Process, instance: Instance) -> ObservedRow | None:
    connection = session.connections.get(instance.sandbox)
    row = connection.row(instance, process.digest) if connection is not None else None
    return row if row is not None and row.phase is Phase.RUNNING else None


async def _check_ready(session: Session, process: Process, row: ObservedRow, commands: bool) -> bool | None:
    connection = session.connections[row.instance.sandbox]
    try:
        async with asyncio.timeout(PATIENCE):
            match process.ready_when:
                case ReadyLine(pattern):
                    from sbxcompose.engine.ready_lines import line_so_far

                    return await line_so_far(connection, row.instance, row.run, pattern)
                case ReadyCommand(command) if commands:
                    request, base = session.command_request(process, row.instance, command)
                    request = replace(request, beside=None)  # no one-off command, which `down` would stop
                    end = await connection.client.run(request, base, output=lambda line: None)
                    return end.exit_code == 0
                case ReadyCommand():
                    return True if _was_ready(session, row) else None
    except (TimeoutError, SbxError):
        pass
    return None


def _was_ready(session: Session, row: ObservedRow) -> bool:
    """Return whether an earlier command found the current run ready; a sandbox made anew counts its runs anew."""
    run, when = session.became_ready().get(row.instance, (None, 0.0))
    return run == row.run and row.started_at is not None and when >= row.started_at
