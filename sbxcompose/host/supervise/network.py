"""The network of a sandbox: what its policy allows, how that is enforced here, and how the host itself gets in
(contract, section 2.10).

A machine as it is knows two policies: everything, and nothing but the sandbox itself (a network namespace with a
loopback device). What lies between would need a firewall of this host, and is refused.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import cache
from typing import Any, Literal

from sbxcompose.host.base import settings
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper import namespaces
from sbxcompose.host.keeper.client import KeeperClient

NetworkPolicy = Literal["open", "closed"]

EVERYWHERE = frozenset({"0.0.0.0/0", "0/0"})
"""What a list of forbidden places says to forbid them all."""


class Namespace:
    """A sandbox's own network. Its descriptor is the keeper client's, and good as long as the sandbox lives."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd


def policy_of(network: dict[str, Any] | None) -> NetworkPolicy:
    """Return what a policy comes to. Raises `Problem`: 422 for what is none, 400 for what cannot be enforced here."""
    network = network or {}
    flag = network.get("allow_internet_access", True)
    if not isinstance(flag, bool):
        raise Problem(422, "network.allow_internet_access must be true or false", "INVALID")
    allowed, denied = _places(network, "allow_out"), _places(network, "deny_out")
    if not allowed and (not flag or EVERYWHERE.intersection(denied)):
        return "closed"
    if not allowed and not denied:
        return "open"
    if settings.accepts("network"):
        return "open"
    which = "allow_out" if allowed else "deny_out"
    raise Problem(
        400,
        f"network.{which} cannot be enforced on this machine: it can let a sandbox reach everything or nothing",
        "UNSUPPORTED",
        "use `allow_internet_access: false` without lists, or a sandbox in the cloud; `host serve --accept network`"
        " records what is not enforced",
    )


def _places(network: dict[str, Any], name: str) -> list[str]:
    value = network.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise Problem(422, f"network.{name} must be a list, each entry a string", "INVALID")
    return value or []


def check(network: dict[str, Any] | None) -> None:
    """Refuse a policy that cannot be enforced here. Raises `Problem`."""
    if policy_of(network) == "open":
        return
    try:
        _try()
    except OSError as error:
        words = "network namespaces need root" if error.errno == errno.EPERM else os.strerror(error.errno or 0).lower()
        raise Problem(
            400,
            f"a network policy cannot be enforced on this machine: {words}",
            "UNSUPPORTED",
            "run the host as root (or with CAP_SYS_ADMIN), or remove `network`",
        ) from None


def check_change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    """Refuse to change the network under a sandbox that lives. Raises `Problem`; another way of saying the same
    is fine.
    """
    if policy_of(after) != policy_of(before) and not settings.accepts("network"):
        raise Problem(
            400,
            "the network of a sandbox cannot be changed while it lives: its processes stay in the one they began in",
            "UNSUPPORTED",
            "terminate the sandbox, and create it with the other `network`",
        )


def begun_with(network: dict[str, Any] | None, enforced: NetworkPolicy | None) -> dict[str, Any] | None:
    """Return the policy that a sandbox has: the one it began with, whatever was recorded later."""
    if enforced is None:
        return network
    return {"allow_internet_access": False} if enforced == "closed" else None


def not_enforced(network: dict[str, Any] | None, enforced: NetworkPolicy | None) -> list[str]:
    """Return what of a recorded policy a sandbox is not held to."""
    network = network or {}
    lists = [name for name in ("allow_out", "deny_out") if network.get(name)]
    closed = not network.get("allow_internet_access", True) or EVERYWHERE.intersection(network.get("deny_out") or ())
    wanted: NetworkPolicy = "closed" if closed and not network.get("allow_out") else "open"
    told = [] if wanted == "closed" else [f"network.{name}: recorded, and not enforced" for name in lists]
    if enforced is not None and wanted != enforced:
        told.append(f"network: recorded, and not enforced; the sandbox keeps the {enforced} network that it began with")
    return told


@cache
def _try() -> None:
    """Make a network, to see that we can: once. Raises `OSError`."""
    os.close(namespaces.make())


def namespace_of(sandbox: str, network: dict[str, Any] | None, keeper: KeeperClient) -> Namespace | None:
    """Return the network of a sandbox, made when it is first needed; None for that of the machine. Raises `Problem`.

    The keeper holds it while servers come and go; it has the sandbox's id for a name.
    """
    if network is None or policy_of(network) == "open":
        return None
    fd = keeper.kept(sandbox)
    if fd is None:
        try:
            fd = namespaces.make()
        except OSError as error:
            words = os.strerror(error.errno or 0).lower()
            raise Problem(500, f"the sandbox's network cannot be made: {words}", "NETWORK") from None
        keeper.keep(sandbox, fd)
    return Namespace(fd)


def socket_in(namespace: Namespace | None, family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Open a socket in a sandbox's network, where it stays; None is the network of the machine. Raises `OSError`."""
    with namespaces.Inside(None if namespace is None else namespace.fd):
        return socket.socket(family, kind)
