"""The names in `connect`, resolved to sandboxes; what cannot be so is a mistake."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sbxcompose.errors import Mistake
from sbxcompose.similar import did_you_mean
from sbxcompose.spec.connectors import conflicts
from sbxcompose.spec.locations import Places
from sbxcompose.spec.machine import PortConnection
from sbxcompose.spec.models import SandboxModel
from sbxcompose.spec.needs import Address
from sbxcompose.spec.project import Project


class ConnectionNames:
    """Resolves `connect` of every sandbox; mistakes are added to `mistakes`."""

    def __init__(
        self, sandboxes: Collection[str], processes: Iterable[Address], places: Places, mistakes: list[Mistake]
    ) -> None:
        self._sandboxes = sandboxes
        self._processes = list(processes)
        self._places = places
        self._mistakes = mistakes

    def of(self, sandbox: str, model: SandboxModel) -> tuple[PortConnection, ...]:
        """Return the connections of a sandbox, those that are right."""
        found: dict[int, PortConnection] = {}
        for name, ports in model.connect.items():
            target = self._target(sandbox, name)
            for port in ports if target is not None else ():
                listen = port.listen or port.port
                if listen in found:
                    message = f"port {listen} already leads to {found[listen].name}"
                    self._wrong((sandbox, name), message, f"name another one: `{{port: {port.port}, listen: …}}`")
                found[listen] = PortConnection(name, target or "", port.port, listen)
        return tuple(found.values())

    def _target(self, sandbox: str, name: str) -> str | None:
        holder, slash, process = name.rpartition("/")
        places = {own for own, known in self._processes if known == process and holder in ("", own)}
        if not slash and name in self._sandboxes:
            places.add(name)
        others = sorted(places - {sandbox})
        if len(others) == 1:
            return others[0]
        if others:
            self._wrong(
                (sandbox, name), f"`{name}` is in several sandboxes", f"say which one: {_listed(others, process)}"
            )
        elif places:
            self._wrong(
                (sandbox, name), f"`{name}` is in this sandbox", "it is reachable at 127.0.0.1: remove the line"
            )
        else:
            known = [*self._sandboxes, *dict.fromkeys(process for _, process in self._processes)]
            listed = f"known here: {', '.join(f'`{word}`' for word in known[:12])}"
            self._wrong(
                (sandbox, name), f"no process or sandbox is named `{name}`", did_you_mean(name, known[:1000], listed)
            )
        return None

    def check(self, project: Project) -> None:
        """Add a mistake for each port that something else has in the same network."""
        for sandbox, connection, message in conflicts(project):
            hint = f"name another one: `{{port: {connection.port}, listen: …}}`"
            self._wrong((sandbox, connection.name), message, hint)

    def _wrong(self, at: tuple[str, str], message: str, hint: str | None) -> None:
        path = ("sandboxes", at[0], "connect", at[1])
        self._mistakes.append(self._places.mistake(path, message, hint, on_key=True))


def _listed(sandboxes: Sequence[str], process: str) -> str:
    return " or ".join(f"`{sandbox}/{process}`" for sandbox in sandboxes)
