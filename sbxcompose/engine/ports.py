"""Ports that a process of ours is about to need, and that somebody else has.

A health check that a stranger answers is worse than one that fails: it says that all is well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from sbxcompose.host.keeper.ports import by_whom, listeners
from sbxcompose.plan.steps import Note, Plan, Start, Stop
from sbxcompose.spec.project import Project


def taken_ports(plan: Plan, apart: Collection[str] = ()) -> list[str]:
    """A line for each port of a health check that is taken before the process that it belongs to is started.

    What is replaced is passed over: the port is its own; and so are sandboxes with a network `apart` from ours. Looks
    at this machine, so only for the provider `local`.
    """
    replaced = {
        (step.action.row.instance.sandbox, step.action.row.instance.process)
        for step in plan
        if isinstance(step.action, Stop)
    }
    wanted: dict[int, str] = {}
    for step in plan:
        if isinstance(step.action, Start) and step.action.process.health_check is not None:
            process = step.action.process
            passed_over = process.sandbox in apart or (process.sandbox, process.name) in replaced
            if not passed_over and process.health_check is not None:
                wanted.setdefault(process.health_check.port, step.subject)
    if not wanted:
        return []
    busy = listeners()
    return [
        f"port {port} is taken{by_whom(port)}: the health check of {name} would ask that"
        for port, name in wanted.items()
        if port in busy
    ]


def with_taken_ports(plan: Plan, project: Project) -> Plan:
    """The plan with a note for each port that is taken."""
    apart = [each.name for each in project.sandboxes if each.network is not None and each.network.restrictive]
    notes = tuple(Note("port", text, "") for text in taken_ports(plan, apart))
    return replace(plan, notes=(*plan.notes, *notes)) if notes else plan


def whose_port(lines: Sequence[str], ports: Iterable[int]) -> list[str]:
    """If last words speak of a port in use: who has it, for each of `ports` that is taken."""
    if not any("address already in use" in line.lower() or "eaddrinuse" in line.lower() for line in lines):
        return []
    busy = listeners()
    return [f"port {port} is taken{by_whom(port)}" for port in ports if port in busy]
