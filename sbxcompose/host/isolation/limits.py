"""What a sandbox may use of this machine: control groups in which all its processes begin, of version 2 or 1.

`settings` is pure; the rest makes the groups, changes and removes them. Processes are not moved out of them later: so a
limited unit is frozen by signals where there is one hierarchy for everything (see `keeper.freezer`).
"""

from __future__ import annotations

import errno
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock

from msgspec import Struct

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.cgroups import hold, places, unified
from sbxcompose.linux.kernel import read_text

PERIOD = 100_000
"""Microseconds in which processors are shared out."""
PATIENCE = 2.0
"""Seconds for which the dead may stay in a group."""


_held: dict[str, int] = {}
"""The directories of groups of this host's sandboxes, and the descriptors by which they are held."""
_lock = Lock()
"""Groups are made in the server's main thread and removed in others: the directory of all must not go meanwhile."""


class SandboxLimits(Struct, frozen=True):
    """Bytes of memory, number of processors, and how many processes and threads there may be."""

    memory: int | None = None
    cpus: float | None = None
    processes: int | None = None


class LimitsRefused(Exception):
    """They cannot be enforced on this machine; the message says why."""


def settings(limits: SandboxLimits, *, modern: bool) -> dict[str, dict[str, str]]:
    """Return what is written into which files of the group of each controller. Files in brackets may be missing."""
    found: dict[str, dict[str, str]] = {}
    if limits.memory is not None:
        limit = str(limits.memory)
        new = {"memory.max": limit, "[memory.swap.max]": "0"}
        found["memory"] = new if modern else {"memory.limit_in_bytes": limit, "[memory.memsw.limit_in_bytes]": limit}
    if limits.cpus is not None:
        quota = str(max(1000, round(limits.cpus * PERIOD)))
        old = {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": quota}
        found["cpu"] = {"cpu.max": f"{quota} {PERIOD}"} if modern else old
    if limits.processes is not None:
        found["pids"] = {"pids.max": str(limits.processes)}
    return found


def enforce(directory: str, sandbox: str, limits: SandboxLimits) -> list[str]:
    """Make the groups of a sandbox, or change them; their directories. `directory` tells hosts apart. Raises
    `LimitsRefused`.
    """
    wanted = list(settings(limits, modern=True))
    shared = [controller for controller in wanted if any(_has(place, controller) for place in unified(controller))]
    name = f"{_name(directory)}/{sandbox}"
    # A process is in one group of version 2, whatever controllers it has, and in one of each hierarchy of version 1.
    with _lock:
        groups = [_unified_group(shared, name, limits)] if shared else []
        return groups + [_separate_group(controller, name, limits) for controller in wanted if controller not in shared]


def _has(place: str, controller: str) -> bool:
    return controller in read_text(f"{place}/cgroup.controllers").split()


def _unified_group(controllers: list[str], name: str, limits: SandboxLimits) -> str:
    """Make a group below the nearest one that permits it."""
    refusal = None
    for place in unified(controllers[0]):
        if not all(_has(place, controller) for controller in controllers):
            continue
        try:
            return _make_below(place, controllers, name, limits)
        except OSError as error:
            refusal = refusal or LimitsRefused(_refusal(place, name, error))
    raise refusal or LimitsRefused(_absent(controllers[0]))


def _make_below(place: str, controllers: list[str], name: str, limits: SandboxLimits) -> str:
    # To move a process takes the right to write to the group that is above both (cgroup-v2.rst, "Delegation").
    if not os.access(f"{place}/cgroup.procs", os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    base = os.path.dirname(f"{place}/{name}")
    _hand_on(place, controllers)
    _make(base)
    _hand_on(base, controllers)
    return _fill(f"{place}/{name}", controllers, limits, modern=True)


def _hand_on(group: str, controllers: list[str]) -> None:
    """Let groups below this one have controllers."""
    enabled = read_text(f"{group}/cgroup.subtree_control").split()
    for controller in controllers:
        if controller not in enabled:
            _write(f"{group}/cgroup.subtree_control", f"+{controller}")


def _separate_group(controller: str, name: str, limits: SandboxLimits) -> str:
    refusal = _absent(controller)
    for place in places(controller):
        if os.path.exists(f"{place}/cgroup.controllers"):
            continue
        try:
            return _fill(f"{place}/{name}", [controller], limits, modern=False)
        except OSError as error:
            refusal = _refusal(place, name, error)
    raise LimitsRefused(refusal)


def _fill(group: str, controllers: list[str], limits: SandboxLimits, *, modern: bool) -> str:
    _make(os.path.dirname(group), group)
    known = settings(limits, modern=modern)
    for controller in controllers:
        for file, value in known[controller].items():
            _set(group, file, value)
    return group


def _make(base: str, group: str | None = None) -> None:
    """Make the directory of this host's groups, which is held from then on, and one of them."""
    if base not in _held:
        _held[base] = hold(base)
    if group is not None:
        os.makedirs(group, exist_ok=True)


def _absent(controller: str) -> str:
    return f"the control group controller `{controller}` is not available"


def _refusal(place: str, name: str, error: OSError) -> str:
    words = f"the control group {place}/{os.path.dirname(name)}: {(error.strerror or str(error)).lower()}"
    if isinstance(error, PermissionError) and os.geteuid() and os.path.exists(f"{place}/cgroup.controllers"):
        words += "; start the host with `systemd-run --user --scope sbxcompose host serve -d`, or as root"
    return words


def _set(group: str, name: str, value: str) -> None:
    optional = name.startswith("[")
    path = f"{group}/{name.strip('[]')}"
    if not optional or os.path.exists(path):
        _write(path, value)


def remove(directory: str, sandbox: str) -> None:
    """Remove the groups of a sandbox in which nothing runs any longer."""
    for base in _bases(directory):
        deadline = monotonic() + PATIENCE
        while os.path.isdir(f"{base}/{sandbox}"):
            with suppress(OSError):
                os.rmdir(f"{base}/{sandbox}")
                break
            if monotonic() > deadline:
                break
            time.sleep(0.01)
        with _lock, suppress(OSError):
            os.rmdir(base)
            if base in _held:
                os.close(_held.pop(base))


def _bases(directory: str) -> Iterator[str]:
    controllers = ("memory", "cpu", "pids")
    found = {place for controller in controllers for place in (*places(controller), *unified(controller))}
    return (f"{place}/{_name(directory)}" for place in sorted(found))


def _name(directory: str) -> str:
    return f"sbxcompose-limits-{os.getuid()}-{zlib.crc32(os.fsencode(directory)):08x}"


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
