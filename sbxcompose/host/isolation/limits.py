"""What a sandbox may use of this machine: control groups in which all its processes begin, of version 2 or 1.

`settings` is pure; the rest makes the groups, changes and removes them. Processes are not moved out of them later: so a
limited unit is frozen by signals where there is one hierarchy for everything (see `keeper.freezer`).
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress

from msgspec import Struct

from sbxcompose.host.keeper.cgroups import places
from sbxcompose.linux.kernel import read_text

PERIOD = 100_000
"""Microseconds in which processors are shared out."""
PATIENCE = 2.0
"""Seconds for which the dead may stay in a group."""


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
    made: list[str] = []
    for controller in settings(limits, modern=True):
        group = _group(controller, directory, sandbox, limits)
        if group not in made:
            made.append(group)
    return made


def _group(controller: str, directory: str, sandbox: str, limits: SandboxLimits) -> str:
    refusal = f"there is no control group of `{controller}` here"
    for place in places(controller):
        modern = os.path.exists(f"{place}/cgroup.controllers")
        if modern and controller not in read_text(f"{place}/cgroup.controllers").split():
            continue
        base = f"{place}/{_name(directory)}"
        try:
            if modern:
                _write(f"{place}/cgroup.subtree_control", f"+{controller}")
            os.makedirs(f"{base}/{sandbox}", exist_ok=True)
            if modern:
                _write(f"{base}/cgroup.subtree_control", f"+{controller}")
                os.makedirs(f"{base}/{sandbox}", exist_ok=True)
            for name, value in settings(limits, modern=modern)[controller].items():
                _set(f"{base}/{sandbox}", name, value)
        except OSError as error:
            refusal = f"the control group {base}: {(error.strerror or str(error)).lower()}"
            continue
        return f"{base}/{sandbox}"
    raise LimitsRefused(refusal)


def _set(group: str, name: str, value: str) -> None:
    optional = name.startswith("[")
    path = f"{group}/{name.strip('[]')}"
    if not optional or os.path.exists(path):
        _write(path, value)


def remove(directory: str, sandbox: str) -> None:
    """Remove the groups of a sandbox in which nothing runs any longer."""
    for base in _bases(directory):
        deadline = time.monotonic() + PATIENCE
        while os.path.isdir(f"{base}/{sandbox}"):
            with suppress(OSError):
                os.rmdir(f"{base}/{sandbox}")
                break
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        with suppress(OSError):
            os.rmdir(base)


def _bases(directory: str) -> Iterator[str]:
    found = {place for controller in ("memory", "cpu", "pids") for place in places(controller)}
    return (f"{place}/{_name(directory)}" for place in sorted(found))


def _name(directory: str) -> str:
    return f"sbxcompose-limits-{os.getuid()}-{zlib.crc32(os.fsencode(directory)):08x}"


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
