"""The port that is meant where none is named: the only one that the file gives a process or a sandbox; pure."""

from __future__ import annotations

from collections.abc import Iterator

from sbxcompose.errors import UsageError
from sbxcompose.plan.names import Target
from sbxcompose.spec.project import Process, Project, Sandbox


def default_port(project: Project, place: Target | Sandbox, name: str) -> int:
    """Return the only port of a process, or else of its sandbox. Raises `UsageError` for none and for several."""
    found = list(dict.fromkeys(_ports(project, place)))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"the file names no port of {name}", hint=f"`sbxcompose port {name} PORT`")
    known = ", ".join(map(str, found))
    raise UsageError(f"{name} has several ports: {known}", hint=f"say which one: `sbxcompose port {name} {found[0]}`")


def _ports(project: Project, place: Target | Sandbox) -> Iterator[int]:
    """Yield the ports that the file names, those of the process itself first."""
    if isinstance(place, Sandbox):
        yield from place.ports
        for process in place.processes:
            yield from _ports_of(process, None)
        return
    process_named = project.process(place.sandbox, place.process)
    own = list(_ports_of(process_named, place.replica)) if process_named is not None else []
    yield from own
    if not own:
        yield from next((sandbox.ports for sandbox in project.sandboxes if sandbox.name == place.sandbox), ())


def _ports_of(process: Process, replica: int | None) -> Iterator[int]:
    """Yield the ports of one replica, or of all; for one without a port that of its health check."""
    for number in (replica,) if replica is not None else range(1, process.replicas + 1):
        port = process.port_of(number)
        check = process.check_of(number)
        if port is not None:
            yield port
        elif check is not None and check.port:
            yield check.port
