"""How the health of a run is looked at: its port or its command, and whose the port is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sbxcompose.host.supervise import port_owner
from sbxcompose.host.supervise.commands import CommandResult
from sbxcompose.host.supervise.health import CheckResult, check_by_command, check_port
from sbxcompose.host.supervise.health_task import Probes
from sbxcompose.host.supervise.owner import ProcessOwner
from sbxcompose.host.supervise.state import ProcessRecord

RunCommand = Callable[[list[str]], Awaitable[CommandResult]]
"""Runs a command as the process is run. Cancelled, it kills it."""


def probes_of(owner: ProcessOwner[Any], record: ProcessRecord, run_command: RunCommand) -> Probes:
    """Return what checks the latest run once, and what names a stranger that answers on its port."""
    config, run = record.request.health_check, record.run
    assert config is not None
    assert run is not None
    namespace, keeper = owner.namespace, owner.keeper
    sandbox = owner.unit(run.handle).rpartition(".")[0]

    def foreign_listener(port: int, host: str) -> str | None:
        if namespace is not None:  # a network of its own has only processes of the sandbox
            return None
        return port_owner.foreign_listener_on(port, host, run.pid, keeper.tags(sandbox), keeper.pid)

    async def failure_of_command() -> str | None:
        return (await run_command(config.command or [])).failure

    def look() -> Awaitable[CheckResult]:
        if config.type == "exec":
            return check_by_command(config, failure_of_command)
        return check_port(config, namespace)

    return Probes(look, foreign_listener)
