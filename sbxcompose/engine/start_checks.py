"""What must be so where a process is started, and is only looked at then."""

from __future__ import annotations

from sbxcompose.api.models import StartRequest
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.errors import Unsupported
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Process, Project


async def check_start(project: Project, process: Process, instance: Instance, connection: SandboxConnection) -> None:
    """Raise an `SbxError` if the instance cannot be started the way the file says."""
    if process.port is not None and project.provider_of(process.sandbox) == "local":
        from sbxcompose.engine.ports import refuse_taken_port

        refuse_taken_port(project, process, instance, connection.rows(instance))
    if process.tty and project.provider_of(process.sandbox) != "local":
        await _check_script(process, connection)


async def _check_script(process: Process, connection: SandboxConnection) -> None:
    """Wrap a command in `script`, which makes a terminal: the contract has none for supervised processes."""
    found = await connection.client.run(StartRequest(command="sh", args=["-c", "command -v script"]))
    if found.exit_code != 0:
        raise Unsupported(
            f"the program `script`, which `tty` needs, is missing in sandbox {process.sandbox}",
            hint="install it in `setup` (Debian: bsdutils, Alpine: util-linux-misc), or leave out `tty`",
        )
