"""`connect`: which ports of other sandboxes are reachable in one, and where from; pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from sbxcompose.spec.machine import PortConnection
from sbxcompose.spec.project import CONNECTORS, Project, Sandbox

READY = "ready"
"""The line that a connector prints once its listeners are there."""
MODULE = "sbxcompose.client.connect"


class SandboxPlace(Struct, frozen=True):
    """Where a sandbox is: its name in the file, its provider, its name there. `here`: it shares this machine's network.

    As a word of a command: `here`, or `name:provider:full-name`.
    """

    name: str
    provider: str
    full_name: str
    here: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{'here' if self.here else self.provider}:{self.full_name}"

    @classmethod
    def parse(cls, word: str) -> SandboxPlace:
        """Read what `str` wrote."""
        name, provider, full_name = word.split(":")
        return cls(name, "local" if provider == "here" else provider, full_name, provider == "here")


class PortLink(Struct, frozen=True):
    """`listen` in the consumer leads to `port` of `target`; as a word `5432=name:provider:full-name:5432`."""

    listen: int
    target: SandboxPlace
    port: int

    def __str__(self) -> str:
        return f"{self.listen}={self.target}:{self.port}"

    @classmethod
    def parse(cls, word: str) -> PortLink:
        """Read what `str` wrote."""
        listen, _, rest = word.partition("=")
        place, _, port = rest.rpartition(":")
        return cls(int(listen), SandboxPlace.parse(place), int(port))


def place_of(project: Project, sandbox: Sandbox) -> SandboxPlace:
    """Return where a sandbox is."""
    provider = project.provider_of(sandbox)
    apart = sandbox.network is not None and sandbox.network.restrictive
    return SandboxPlace(sandbox.name, provider, sandbox.full_name, provider == "local" and not apart)


def connected(project: Project, sandbox: str) -> Iterator[tuple[PortConnection, PortLink]]:
    """Yield what a sandbox reaches by a connector: not what is on this machine's network at that port anyway."""
    known = {own.name: own for own in project.sandboxes}
    consumer = place_of(project, known[sandbox])
    for connection in known[sandbox].connect:
        target = place_of(project, known[connection.sandbox])
        if not (consumer.here and target.here and connection.listen == connection.port):
            yield connection, PortLink(connection.listen, target, connection.port)


def connector_of(project: Project, sandbox: str) -> str | None:
    """Return the name of the process that carries the connections of a sandbox; None if it needs none."""
    if not any(True for _ in connected(project, sandbox)):
        return None
    own = next(own for own in project.sandboxes if own.name == sandbox)
    return CONNECTORS if place_of(project, own).here else f"{CONNECTORS}-{sandbox}"
