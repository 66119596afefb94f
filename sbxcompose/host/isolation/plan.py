"""The root of an isolated sandbox as a list of mounts, decided from values alone.

Below the root everything is the sandbox's own, and empty, but for the directories of the operating system: those are
overlays, with the machine's as the lower layer and a layer of the sandbox on top. So homes, their data, other
sandboxes and the host's state are not there at all. `keeper.sandbox_init` carries the plan out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from sbxcompose.api.sandbox_models import WORKSPACE

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "nix", "gnu")
"""What of the machine's root is the operating system's."""
STATE = ("var/lib/dpkg", "var/lib/apt", "var/lib/rpm", "var/lib/pacman", "var/lib/apk")
"""What package managers must find to install more."""
OWN = (
    *("dev", "home", "home/tl-user", "media", "mnt", "proc", "root", "run", "run/lock", "srv", "sys", "tmp"),
    *("var", "var/cache", "var/cache/apt", "var/cache/apt/archives", "var/cache/apt/archives/partial", "var/lib"),
    *("var/log", "var/log/apt", "var/mail", "var/opt", "var/spool", "var/tmp"),
)
"""Directories of the sandbox's own."""
OPEN = frozenset({"tmp", "var/tmp", "run/lock"})
"""Those of them that every user may write to."""
LINKS = {"var/run": "/run", "var/lock": "/run/lock"}
USER, USER_ID, USER_HOME = "tl-user", 1000, "/home/tl-user"
PYTHON = "opt/python"
"""Where the host's own Python is shown if the operating system has none."""


class PathMount(Struct, frozen=True):
    """A file or directory of the machine that a sandbox sees, at `target`."""

    source: str
    target: str
    read_only: bool = True


class MachineFacts(Struct, frozen=True, kw_only=True):
    """What is to be known of this machine.

    `directories` are those of `SYSTEM` and `STATE` that exist; `mounted` are mount points that are not virtual;
    `hidden` are the directories that are shown in no sandbox: homes, and what is the host's. `resolver` is where
    /etc/resolv.conf really is, if it is a symbolic link. `python` is the prefix of an interpreter for machines that
    have none.
    """

    privileged: bool
    directories: tuple[str, ...]
    mounted: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    resolver: str | None = None
    python: str | None = None


def cloud_hint(text: str) -> str | None:
    """Return what helps where a path or command is missing that a machine in the cloud has."""
    if re.search(rf"(^|\s)({WORKSPACE}|{USER_HOME})(/|:|$)|^command not found: python$", text) is None:
        return None
    return "an isolated sandbox has it: `isolation: overlay` in the file, or `host serve --isolation overlay`"


def path_hint(text: str, *, isolated: bool, exists: Callable[[str], bool] = os.path.lexists) -> str | None:
    """Return what helps where something names a path that is not there, and is in a sandbox of the other kind."""
    if not isolated:
        return cloud_hint(text)
    named = re.search(r"(?:^|[\s`'])(/[^\s:`']+)", text)
    if named is None or not exists(named[1]):
        return None
    return (
        "this machine has it, but an isolated sandbox sees only the operating system: copy it into the sandbox, show it"
        " by `mounts`, or create the sandbox with `isolation: none`"
    )


def layer_of(path: str) -> str:
    """Return the directory, on the sandbox's disk, of the layer above a directory of the machine."""
    return "layers/" + path.replace("/", "-")


def overlays(facts: MachineFacts) -> list[str]:
    """Return the directories of the machine that get a layer above them.

    Without root the kernel shows no directory in an overlay that has other mounts below it: such ones are read-only.
    """
    return [path for path in facts.directories if facts.privileged or not _below(facts.mounted, path)]


def mount_plan(
    facts: MachineFacts,
    *,
    disk: str,
    hostname: str,
    workspace: PathMount | None,
    mounts: Iterable[PathMount] = (),
    closed: bool = False,
) -> dict[str, Any]:
    """Return what the init process carries out, in order. `workspace` is the project's directory.

    `closed`: the sandbox must not reach a network. Its processes begin in one of its own, which the init process is not
    in: it gets another, since its processes may read below /proc/1/net what goes through that network.
    """
    wanted = [*([workspace] if workspace is not None else []), *mounts]
    return {
        "disk": disk,
        # A label of a host name has 63 characters at most (hostname(7)).
        "hostname": hostname[:63] or "sandbox",
        "user": None if facts.privileged else {"uid": USER_ID, "gid": USER_ID},
        "closed": closed,
        "steps": [
            *_system(facts),
            ["dev", "dev"],
            ["memory", "dev/shm"],
            ["proc", "proc"],
            *(step for mount in wanted for step in _shown(facts, mount)),
        ],
    }


def _system(facts: MachineFacts) -> Iterator[list[str]]:
    layered = overlays(facts)
    for path in facts.directories:
        if path not in layered:
            yield ["bind", path, f"/{path}", "ro"]
        else:
            yield ["overlay", path, layer_of(path)]
            # The lower layer has what is below these mounts, not what is in them.
            yield from (["bind", point.lstrip("/"), point, "ro"] for point in _below(facts.mounted, path))
        yield from _hidden(facts, PathMount(f"/{path}", f"/{path}"))
    if facts.resolver is not None:
        yield ["bind", facts.resolver.lstrip("/"), facts.resolver, "ro"]
    if facts.python is not None:
        yield from _shown(facts, PathMount(facts.python, f"/{PYTHON}"))


def _shown(facts: MachineFacts, mount: PathMount) -> Iterator[list[str]]:
    yield ["bind", mount.target.strip("/"), mount.source, _mode(mount)]
    yield from _hidden(facts, mount)


def _hidden(facts: MachineFacts, mount: PathMount) -> Iterator[list[str]]:
    """Yield what covers the directories below a visible one that must not be seen."""
    for secret in facts.hidden:
        inner = os.path.relpath(secret, mount.source)
        if secret != mount.source and not inner.startswith(".."):
            yield ["hide", os.path.join(mount.target, inner).strip("/")]


def _mode(mount: PathMount) -> str:
    return "ro" if mount.read_only else "rw"


def _below(points: Iterable[str], path: str) -> list[str]:
    return [point for point in points if point.startswith(f"/{path}/")]
