"""What the sandboxes of this machine may use of it: what the file wants, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import LimitsInfo, SandboxInfo
from sbxcompose.plan.observed import FullDisk
from sbxcompose.spec.machine import Resources
from sbxcompose.spec.project import Sandbox
from sbxcompose.spec.units import short_size

_FULL = 0.01
"""The part of a disk below which it counts as full: a program may give up before the last block is written."""
_MACHINE_FULL = 1 << 20
"""Bytes below which the disk of the machine counts as full: its size says nothing of what a sandbox needs."""


def limits_of(sandbox: Sandbox) -> LimitsInfo | None:
    """Return the limits of a sandbox on this machine; None if it has none."""
    known = sandbox.resources or Resources()
    disk = known.disk if sandbox.isolation != "none" else None
    limits = LimitsInfo(memory=known.memory, cpus=known.cpus, processes=known.processes, disk=disk)
    return None if limits == LimitsInfo() else limits


def changeable(limits: LimitsInfo | None) -> LimitsInfo | None:
    """Return those that an existing sandbox can be given: all but that of its disk."""
    found = LimitsInfo() if limits is None else replace(limits, disk=None, refused=None, disk_refused=None)
    return None if found == LimitsInfo() else found


def disk_of(limits: LimitsInfo | None) -> int | None:
    """Return the size of a disk; None if it is not limited."""
    return None if limits is None else limits.disk


def unenforced(limits: LimitsInfo | None) -> Iterator[str]:
    """Yield what a user is told of limits that this machine does not enforce."""
    if limits is not None and limits.refused is not None:
        yield f"`resources` are not enforced: {limits.refused}"
    if limits is not None and limits.disk_refused is not None:
        yield f"`resources.disk` is not enforced: {limits.disk_refused}"


def full_disk(info: SandboxInfo) -> FullDisk | None:
    """Return how little is left for an isolated sandbox, of its limit or of the machine; None if enough is."""
    size, free = disk_of(info.limits), info.disk_free
    left = "" if info.machine_free is None else f"{short_size(info.machine_free)} are free"
    if info.disk_read_only:
        return FullDisk(left, read_only=True)
    if info.machine_free is not None and info.machine_free < _MACHINE_FULL:
        return FullDisk(left, of_machine=True)
    if size is None or free is None or free >= size * _FULL:
        return None
    return FullDisk(f"{short_size(free)} of {short_size(size)} are free")
