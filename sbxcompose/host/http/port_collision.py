"""Ports that collide: sandboxes without a network of their own share those of this machine."""

from __future__ import annotations

import os

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.census import marked_unit
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.linux.listeners import held_by, listeners_at

_HINT = (
    "let one of them listen on another port, or create it with a network of its own (`allow_internet_access: false`)"
)


class PortHolders:
    """Who listens on which port, remembered as long as it is so: to find it out means to look at every process."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def holder(self, port: int, sockets: set[str]) -> int | None:
        """Return a process that has one of these sockets of a port; None where that cannot be seen."""
        known = self._known.get(port)
        if known is not None and held_by(known, sockets):
            return known
        pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
        found = next((pid for pid in pids if held_by(pid, sockets)), None)
        if found is None:
            self._known.pop(port, None)
        else:
            self._known[port] = found
        return found


_holders = PortHolders()


def check_port(sandboxes: Sandboxes, sandbox: HostedSandbox, port: int) -> None:
    """Refuse to connect a client with another sandbox, which has the same port. Raises `Problem`."""
    if sandbox.processes.namespace is not None:
        return
    sockets = listeners_at(port, "127.0.0.1")
    holder = _holders.holder(port, sockets) if sockets else None
    if holder is None:
        return
    name = sandbox.info.name or sandbox.info.id
    other = (marked_unit(holder) or "").partition(".")[0]
    if other and other != sandbox.info.id and sandboxes.processes(other) is not None:
        theirs = sandboxes.info(other)
        words = (
            f"port {port} of this machine, which sandbox {name} shares, is in use by sandbox {theirs.name or other}"
            f" (pid {holder})"
        )
        raise Problem(409, words, "PORT_COLLISION", _HINT)
