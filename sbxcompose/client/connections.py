"""What `connect` makes reachable where, for `port` without arguments."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from sbxcompose.client.process_status import process_status
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.spec.connect import connected, connector_of
from sbxcompose.spec.project import Project


class ConnectedPort(Struct, frozen=True, kw_only=True):
    """127.0.0.1:`listen` in `sandbox` leads to `port` of `target`.

    `connector` is the process that carries connections, and `status` its state; without one, both sandboxes use this
    machine's network.
    """

    sandbox: str
    listen: int
    target: str
    port: int
    connector: str | None
    status: str


def connected_ports(project: Project, listed: Iterable[ListedInstance]) -> list[ConnectedPort]:
    """Return all connections of the file, in its order."""
    states = {entry.instance.process: str(process_status(entry, str).state) for entry in listed}
    found = []
    for sandbox in project.sandboxes:
        carried = {connection for connection, _ in connected(project, sandbox.name)}
        for connection in sandbox.connect:
            name = connector_of(project, sandbox.name) if connection in carried else None
            found.append(
                ConnectedPort(
                    sandbox=sandbox.name,
                    listen=connection.listen,
                    target=connection.sandbox,
                    port=connection.port,
                    connector=name,
                    status="direct" if name is None else states.get(name, "not started"),
                )
            )
    return found
