"""Ports that a process is about to need and that another program uses.

A health check that a stranger answers is worse than one that fails: it reports that all is well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from sbxcompose.engine.local_host.supported import is_linux
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.plan.steps import Plan, PlanNote, Start, Stop
from sbxcompose.spec.project import Process, Project

TAKEN_HINT = "stop it, or choose another `port`"


def holder_of(port: int) -> str:
    """Who listens on a port of this machine, as " by node server.js (pid 12)"; empty where that cannot be seen."""
    if not is_linux():
        return ""
    from sbxcompose.linux.listeners import by_whom

    return by_whom(port)


def listening() -> Collection[int]:
    """Return the listening ports of this machine; none where /proc does not show them."""
    if not is_linux():
        return ()
    from sbxcompose.linux.listeners import listeners

    return listeners().keys()


def refuse_taken_port(project: Project, process: Process, instance: Instance, rows: Iterable[ObservedRow]) -> None:
    """Raise `ProcessFailed` if another program listens on the instance's `port`, see `taken_port`."""
    if (taken := taken_port(project, process, instance, rows)) is not None:
        raise ProcessFailed(taken, hint=TAKEN_HINT)


def taken_port(project: Project, process: Process, instance: Instance, rows: Iterable[ObservedRow]) -> str | None:
    """Return which program listens on the instance's `port` of this machine, if another one does.

    Not where one of its `rows` lives: a run that is still to be replaced may hold it.
    """
    port = process.port_of(instance.replica)
    if port is None or process.sandbox in project.apart() or any(row.live for row in rows) or not _is_taken(port):
        return None
    return f"port {port} is in use{holder_of(port)}"


def taken_ports(plan: Plan, apart: Collection[str] = ()) -> list[str]:
    """Warn of each port of a health check that is taken before its process is started.

    What is replaced is passed over: the port is its own; and so are sandboxes with a network `apart` from this one, and
    a `port`, without which the process is not started at all. Looks at this machine, so only for the provider `local`.
    """
    replaced = {
        (step.action.row.instance.sandbox, step.action.row.instance.process)
        for step in plan
        if isinstance(step.action, Stop)
    }
    wanted: dict[int, str] = {}
    for step in plan:
        if isinstance(step.action, Start):
            process = step.action.process
            check = process.check_of(step.action.instance.replica)
            port = check.port if check is not None else 0
            passed_over = process.sandbox in apart or (process.sandbox, process.name) in replaced
            if port and port != process.port_of(step.action.instance.replica) and not passed_over:
                wanted.setdefault(port, step.subject)
    return [
        f"port {port} is in use{holder_of(port)}: the health check of {name} would reach that instead"
        for port, name in wanted.items()
        if _is_taken(port)
    ]


def _is_taken(port: int) -> bool:
    """Return whether a port of this machine's loopback addresses accepts connections."""
    from sbxcompose.linux.listeners import listeners_at

    return any(listeners_at(port, host) for host in ("127.0.0.1", "::1"))


def with_taken_ports(plan: Plan, project: Project) -> Plan:
    """Return the plan with a note for each port that is taken."""
    notes = tuple(PlanNote("port", text, "") for text in taken_ports(plan, project.apart() | _elsewhere(project)))
    return replace(plan, notes=(*plan.notes, *notes)) if notes else plan


def _elsewhere(project: Project) -> frozenset[str]:
    """Return the sandboxes that are not on this machine."""
    return frozenset(sandbox.name for sandbox in project.sandboxes if project.provider_of(sandbox) != "local")


def whose_port(lines: Sequence[str], ports: Iterable[int]) -> list[str]:
    """If last words speak of a port in use: who has it, for each of `ports` that is taken."""
    if not any("address already in use" in line.lower() or "eaddrinuse" in line.lower() for line in lines):
        return []
    busy = listening()
    return [f"port {port} is in use{holder_of(port)}" for port in ports if port in busy]
