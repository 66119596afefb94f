"""The processes that carry the connections of `connect`, the connectors; pure.

Each place with listeners (this machine, or a sandbox with a network of its own) has one, in the sandbox `@connect` of
this machine. So that the plan knows a single kind of work, what runs in a consumer depends on its connector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from msgspec.structs import replace

from sbxcompose.spec.connect import MODULE, READY, connected, connector_of, place_of
from sbxcompose.spec.digest import digest
from sbxcompose.spec.machine import PortConnection
from sbxcompose.spec.project import CONNECTORS, Condition, Dependency, Process, Project, ReadyLine, Restart, Sandbox


def with_connectors(project: Project, name_of: Callable[[str, str], str]) -> Project:
    """Return the project with its connectors, in a sandbox of this machine whose name is made by `name_of`."""
    names = {sandbox.name: connector_of(project, sandbox.name) for sandbox in project.sandboxes if sandbox.connect}
    names = {sandbox: name for sandbox, name in names.items() if name is not None}
    if not names:
        return project
    made: dict[str, Process] = {}
    for name in dict.fromkeys(filter(None, names.values())):
        made[name] = _connector(project, name, [sandbox for sandbox, own in names.items() if own == name])
    wanted = {names[process.sandbox] for process in project.processes() if process.sandbox in names and _needs(process)}
    asleep = [process for name, process in made.items() if name not in wanted]
    sandboxes = tuple(
        replace(sandbox, processes=tuple(_after(sandbox.processes, names.get(sandbox.name))))
        for sandbox in project.sandboxes
    )
    taken = {sandbox.full_name for sandbox in project.sandboxes}
    free = (full for number in count() if (full := name_of(project.name, "connect" + "-x" * number)) not in taken)
    running = tuple(process for name, process in made.items() if name in wanted)
    holder = Sandbox(CONNECTORS, next(free), running, workspace="/", provider="local")
    inactive = (one for process in project.inactive for one in _after([process], names.get(process.sandbox)))
    return replace(
        project,
        sandboxes=(*sandboxes, holder),
        inactive=(*inactive, *asleep),
        disabled=(*project.disabled, *(process.address for process in asleep)),
    )


def _needs(process: Process) -> bool:
    """Return whether a process waits for its connector; `setup` runs before, as it may install what that needs."""
    return not process.name.startswith("@")


def _after(processes: Iterable[Process], connector: str | None) -> Iterator[Process]:
    """Yield the processes of one sandbox, waiting for its connector."""
    for process in processes:
        if connector is None or not _needs(process):
            yield process
        else:
            need = Dependency(CONNECTORS, connector, Condition.READY)
            yield replace(process, depends_on=(*process.depends_on, need))


def _connector(project: Project, name: str, consumers: list[str]) -> Process:
    links = dict.fromkeys(link for consumer in consumers for _, link in connected(project, consumer))
    first = next(sandbox for sandbox in project.sandboxes if sandbox.name == consumers[0])
    where = place_of(project, first)
    words = ("here" if where.here else str(where), *map(str, links))
    setup = [process.name for process in first.processes if process.name.startswith("@")]
    last = [] if where.here else setup[-1:]
    return Process(
        sandbox=CONNECTORS,
        name=name,
        command=("python3", "-m", MODULE, *words),
        digest=digest(Process(CONNECTORS, name, words, digest="")),
        workdir="/",
        restart=Restart(),
        ready_when=ReadyLine(f"^{READY}$"),
        depends_on=tuple(Dependency(first.name, step, Condition.COMPLETED) for step in last),
        description="carries the connections of `connect`",
    )


def conflicts(project: Project) -> Iterator[tuple[str, PortConnection, str]]:
    """Yield the connections whose port is taken by another one, or by a process: whose, which, and what is wrong."""
    held: dict[tuple[str, int], tuple[str, str]] = {}
    for sandbox in project.sandboxes:
        network = "" if place_of(project, sandbox).here else sandbox.name
        for process in project.every_process():
            if process.sandbox == sandbox.name and process.port is not None:
                for replica in range(1, process.replicas + 1):
                    held[network, process.port + replica - 1] = ("", f"`{process.name}` has that `port`")
    for sandbox in project.sandboxes:
        network = "" if place_of(project, sandbox).here else sandbox.name
        for connection, link in connected(project, sandbox.name):
            other, words = held.setdefault((network, link.listen), (f"{link.target}:{link.port}", ""))
            if other != f"{link.target}:{link.port}":
                text = words or f"that port already leads to {other.partition(':')[0]}:{other.rpartition(':')[2]}"
                yield sandbox.name, connection, f"port {link.listen} is taken: {text}"
