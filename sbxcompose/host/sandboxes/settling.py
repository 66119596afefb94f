"""What follows for a live sandbox from its record: where its processes run, what its root shows, what limits it."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import LimitsInfo
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.isolation import disk_image, limits
from sbxcompose.host.isolation.limits import LimitsRefused, SandboxLimits
from sbxcompose.host.sandboxes.places import workdir_of
from sbxcompose.host.sandboxes.sandbox import HostedSandbox


def apply_record(sandbox: HostedSandbox) -> None:
    """Bring everything in line with the record, after it was read, made or changed."""
    sandbox.processes.workdir = workdir_of(sandbox.info, sandbox.directory)
    if sandbox.workload.isolation is not None:
        sandbox.workload.isolation.move(sandbox.info.project_directory)
    if sandbox.info.limits is not None:
        _limit(sandbox, sandbox.info.limits)


def _limit(sandbox: HostedSandbox, wanted: LimitsInfo) -> None:
    refused = None
    try:
        found = SandboxLimits(wanted.memory, wanted.cpus, wanted.processes)
        sandbox.processes.cgroups = limits.enforce(_host_of(sandbox), sandbox.info.id, found)
    except LimitsRefused as refusal:
        sandbox.processes.cgroups, refused = [], str(refusal)
    settled = replace(wanted, refused=refused, disk_refused=_disk_refusal(sandbox, wanted))
    if settled != wanted:
        with suppress(Problem):  # a full disk: then the reason is not recorded, and told again after the next start
            sandbox.change(limits=settled)


def _disk_refusal(sandbox: HostedSandbox, wanted: LimitsInfo) -> str | None:
    """Return why a disk is not limited; of one that is made already its own image tells."""
    root = sandbox.workload.isolation
    if wanted.disk is None or (root is not None and root.disk.limited):
        return None
    return wanted.disk_refused or disk_image.refusal()


def lift_limits(sandbox: HostedSandbox) -> None:
    """Remove the control groups of a sandbox that has ended. Waits for the dead to leave them: for a thread."""
    if sandbox.info.limits is not None:
        limits.remove(_host_of(sandbox), sandbox.info.id)


def _host_of(sandbox: HostedSandbox) -> str:
    return str(sandbox.directory.parent)
