"""From which address of this machine to which port of which sandbox connections are forwarded."""

from __future__ import annotations

import re

from msgspec import Struct

from sbxcompose.client.default_port import default_port
from sbxcompose.engine.ports import listening
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import Target
from sbxcompose.plan.targets import resolve_place
from sbxcompose.spec.project import Project

LOOPBACK = "127.0.0.1"
LAST_PORT = 65535


class ForwardedPort(Struct, frozen=True, kw_only=True):
    """`address`:`port` of this machine leads to `target_port` in `sandbox`, while the block of `port` lasts."""

    address: str
    port: int
    sandbox: str
    target_port: int


def port_route(project: Project, name: str, port: int | None, listen: str | int | None) -> ForwardedPort:
    """Return what leads where: to a port of a process or sandbox, by default the only one that the file names.

    `listen` is a port, or an address and a port; by default it is the same port of 127.0.0.1. Port 0 stands for any
    free one, also if the default is in use. Raises `UnknownName`, and `UsageError` for what cannot be a port.
    """
    if port is not None and not 1 <= port <= LAST_PORT:
        raise UsageError(f"invalid port {port}; expected 1 to {LAST_PORT}")
    if isinstance(listen, int) and not 0 <= listen <= LAST_PORT:
        raise UsageError(f"invalid port {listen} for `listen`; expected 0 to {LAST_PORT}")
    place = resolve_place(project, name)
    port = port or default_port(project, place, name)
    sandbox = place.sandbox if isinstance(place, Target) else place.name
    if listen is None:
        address, local = LOOPBACK, 0 if port in listening() else port
    else:
        address, local = parse_listen(listen) if isinstance(listen, str) else (LOOPBACK, listen)
    return ForwardedPort(address=address, port=local, sandbox=sandbox, target_port=port)


def parse_listen(text: str) -> tuple[str, int]:
    """`9090` or `0.0.0.0:9090` or `[::]:9090` -> address and port. Raises `UsageError`."""
    found = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[^:\[\]]+):)?([0-9]{1,5})", text)
    if found is None or int(found[2]) > LAST_PORT:
        raise UsageError(
            f"invalid address `{text}` for `--listen`", hint="expected PORT or ADDRESS:PORT, with a PORT up to 65535"
        )
    return (found[1] or LOOPBACK).strip("[]"), int(found[2])
