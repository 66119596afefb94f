"""What may be asked of a sandbox, and what is made of it: decided from values alone (contract, sections 2.2 to 2.7)."""

from __future__ import annotations

import os
import re
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import (
    WORKSPACE,
    CreateRequest,
    LimitsInfo,
    PatchRequest,
    ResourceResize,
    ResourcesInfo,
    SandboxInfo,
    SandboxMount,
    SnapshotInfo,
)
from sbxcompose.clock import wall_ms
from sbxcompose.host.base.ids import ID_LENGTH, is_id, new_id
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.isolation.disk_image import check_size
from sbxcompose.host.sandboxes.isolation_choice import GrantedIsolation
from sbxcompose.host.supervise import network

MAX_NAME = 63
LIFETIME = 600
"""Seconds after which a sandbox without a name ends, unless the request says otherwise (contract, section
2.2).
"""
RESERVED_PORT = 9501
PATCHED = (
    "name",
    "allow_unauthenticated_access",
    "exposed_ports",
    "network",
    "auto_resume",
    "resources",
    "resource_resize",
    "project",
    "project_directory",
    "limits",
)
"""The fields of a sandbox that a patch changes."""

_NOT_ISOLATED = GrantedIsolation()
_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_RESOURCES = ("cpus", "memory_mb", "disk_mb", "ephemeral_disk_mb")


def _checked(limits: LimitsInfo | None, isolated: bool) -> LimitsInfo | None:
    """Return limits that this sandbox can have. Raises `Problem`."""
    if limits is not None and limits.disk is not None:
        if not isolated:
            raise Problem(400, "limits.disk needs `isolation: overlay`", "UNSUPPORTED")
        check_size(limits.disk)
    return limits


def described(
    request: CreateRequest,
    namespace: str,
    snapshot: SnapshotInfo | None = None,
    *,
    granted: GrantedIsolation = _NOT_ISOLATED,
    enforced: bool = False,
) -> SandboxInfo:
    """Return the sandbox that a request asks for; what it does not say of the machine is as in the snapshot. Raises
    `Problem`. `granted` says how it is isolated; `enforced` are `resources`.
    """
    isolated = granted.isolation == "overlay"
    limits = _checked(request.limits or (_limits(request.resources) if enforced else None), isolated)
    inherited = snapshot.resources if snapshot is not None else None
    image = snapshot.base_image if snapshot is not None else None
    return SandboxInfo(
        id=new_id(),
        namespace=namespace,
        status="pending" if snapshot is not None or request.entrypoint or isolated else "running",
        name=request.name,
        image=request.image or image,
        resources=resources(request.resources, inherited),
        timeout_secs=timeout(request),
        entrypoint=request.entrypoint or None,
        network=request.network,
        exposed_ports=request.exposed_ports,
        file_systems=request.file_systems or None,
        allow_unauthenticated_access=request.allow_unauthenticated_access,
        created_at=wall_ms(),
        auto_resume=request.auto_resume,
        project_directory=_real(request.project_directory) if isolated else request.project_directory,
        project=request.project,
        isolation=granted.isolation,
        isolation_refused=granted.refused,
        mounts=_mounts(request) if isolated else [],
        workspace=(request.workspace or WORKSPACE) if isolated else None,
        limits=limits,
        enforced_network=network.policy_of(request.network),
    )


def _limits(resources: dict[str, Any] | None) -> LimitsInfo | None:
    """Return what a request's resources come to where they are enforced."""
    known = resources or {}
    memory, cpus = known.get("memory_mb"), known.get("cpus")
    return LimitsInfo(memory=memory and int(memory) << 20, cpus=cpus) if memory or cpus else None


def _mounts(request: CreateRequest) -> list[SandboxMount]:
    for mount in request.mounts or ():
        if not os.path.isabs(mount.source) or not os.path.exists(mount.source):
            raise Problem(400, f"mounts: `{mount.source}` is not an existing file or directory", "BAD_MOUNT")
        check_target("mounts", mount.target)
    check_target("workspace", request.workspace or WORKSPACE)
    return [replace(mount, source=os.path.realpath(mount.source)) for mount in request.mounts or ()]


def _real(directory: str | None) -> str | None:
    """Return a directory without symbolic links: later ones on its path may have been made by a program in a sandbox,
    and are not followed.
    """
    return None if directory is None else os.path.realpath(directory)


def check_target(field: str, path: str) -> None:
    """Refuse a place where nothing can be shown in a sandbox. Raises `Problem`."""
    if not path.startswith("/") or ".." in path.split("/") or os.path.normpath(path) in _NOT_A_TARGET:
        raise Problem(
            400, f"{field}: `{path}` cannot be a place in a sandbox; give an absolute path below `/`", "BAD_MOUNT"
        )


_NOT_A_TARGET = frozenset({"/", "//", "/proc", "/dev"})


def copied(info: SandboxInfo) -> SandboxInfo:
    """Describe a copy of a sandbox, to be made. It has no name, as names are unique."""
    return replace(
        info,
        id=new_id(),
        name=None,
        status="pending",
        created_at=wall_ms(),
        auto_resume=True,
        resource_resize=None,
        workspace_directory=None,
        project=None,
    )


def check_name(name: str) -> None:
    """Check a name by the contract's rule (section 2.7). Raises `Problem`."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or is_id(name):
        raise Problem(
            400,
            f"{name[:80]!r} cannot be a sandbox's name: lower-case letters, digits and hyphens, a letter"
            f" first, no hyphen last, at most {MAX_NAME} characters, and not {ID_LENGTH} letters and digits",
            "BAD_NAME",
        )


def refuse_unsupported(request: CreateRequest) -> None:
    """Refuse what this host cannot keep its word on. Raises `Problem`.

    `image` and `resources` describe a machine in the cloud; they are recorded, shown, and have no effect
    here.
    """
    network.check(request.network)
    for field, value in (
        ("template_id", request.template_id),
        ("secret_names", request.secret_names),
    ):
        if value:
            raise unsupported(f"{field} is not supported by the local host")
    _refuse_gpus(request.resources)
    if request.snapshot_id and request.project_directory is not None and request.isolation != "overlay":
        raise unsupported("snapshot_id: a sandbox that works in a project directory has the files that are there")
    if request.name is None and not request.auto_resume:
        raise _needs_name("auto_resume")
    check_ports(request.exposed_ports)


def unsupported(words: str, hint: str | None = None) -> Problem:
    """400 for what the contract has and this host has not."""
    return Problem(400, words, "UNSUPPORTED", hint)


def check_ports(ports: list[int] | None) -> None:
    """Refuse a port that is the daemon's. Raises `Problem`."""
    if RESERVED_PORT in (ports or ()):
        raise Problem(400, f"port {RESERVED_PORT} is reserved", "BAD_PORT")


def timeout(request: CreateRequest) -> int:
    """Seconds of lifetime, or for a named sandbox of idleness; 0 is without end.

    A named sandbox that says nothing stays: its users reach it by ports of this machine, which the host does not see.
    """
    if request.timeout_secs is not None:
        return request.timeout_secs
    return LIFETIME if request.name is None else 0


def resources(wanted: dict[str, Any] | None, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the resources as the newest clients insist on seeing them (contract, section 2.3); what is not wanted is
    as in `known`. Raises `Problem`.
    """
    given = {}
    for name, value in (wanted or {}).items():
        if name in _RESOURCES and value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
                raise Problem(422, f"resources.{name} must be a positive number", "INVALID")
            given[name] = value if name == "cpus" else int(value)
    base = {**ResourcesInfo().write(), **(known or {})}
    disk = given.get("disk_mb", given.get("ephemeral_disk_mb", base["disk_mb"]))
    return {**base, **given, "disk_mb": disk, "ephemeral_disk_mb": disk}


def patched(info: SandboxInfo, patch: PatchRequest, *, clear_network: bool = False) -> SandboxInfo:
    """Return the sandbox as a patch wants it (contract, section 2.6); null means unchanged, but for the network. Raises
    `Problem`.
    """
    if patch.resources is not None:
        return _resized(info, patch, clear_network=clear_network)
    if patch.name is not None:
        check_name(patch.name)
    name = info.name if patch.name is None else patch.name
    if patch.auto_resume is False and name is None:
        raise _needs_name("auto_resume")
    check_ports(patch.exposed_ports)
    ports = info.exposed_ports if patch.exposed_ports is None else sorted(set(patch.exposed_ports))
    given = {
        "allow_unauthenticated_access": patch.allow_unauthenticated_access,
        "auto_resume": patch.auto_resume,
    }
    kept: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    policy = None if clear_network else info.network if patch.network is None else patch.network
    network.check_change(info.network, policy)
    if patch.limits is not None:
        kept["limits"] = _limits_after(info, patch.limits)
    if patch.project is not None:
        kept["project"] = patch.project
        if info.project_directory is not None:
            directory = _checked_directory(patch.project.directory)
            kept["project_directory"] = directory if info.isolation == "none" else _real(directory)
    return replace(info, name=name, exposed_ports=ports, network=policy, **kept)


def _limits_after(info: SandboxInfo, patch: LimitsInfo) -> LimitsInfo:
    known = info.limits or LimitsInfo()
    if patch.disk not in (None, known.disk):
        raise Problem(400, "limits.disk is fixed when a sandbox is created", "BAD_PATCH")
    return replace(patch, refused=None, disk=known.disk, disk_refused=known.disk_refused)


def _checked_directory(directory: str) -> str:
    """Return the directory that a project's sandbox moves to: without one its processes could not start."""
    if not os.path.isabs(directory) or not os.path.isdir(directory):
        raise Problem(400, f"project.directory must be an existing directory, not `{directory}`", "BAD_PATCH")
    return directory


def _resized(info: SandboxInfo, patch: PatchRequest, *, clear_network: bool) -> SandboxInfo:
    """Other resources. As at a create they are recorded and shown, and limit nothing: so the resize is done at once."""
    if clear_network or replace(patch, resources=None) != PatchRequest():
        raise Problem(400, "resources cannot be combined with other changes", "BAD_PATCH")
    _refuse_gpus(patch.resources)
    if info.status != "running":
        words = f"sandbox {info.name or info.id} is {info.status}: only a running one can be resized"
        raise Problem(409, words, "SANDBOX_NOT_RUNNING")
    wanted = resources(patch.resources, info.resources)
    if wanted["disk_mb"] < info.resources.get("disk_mb", 0):
        raise Problem(400, f"disk_mb cannot shrink: it is {info.resources['disk_mb']}", "BAD_RESIZE")
    if wanted == info.resources:
        return info
    generation = (info.resource_resize.generation if info.resource_resize is not None else 0) + 1
    return replace(info, resources=wanted, resource_resize=ResourceResize(generation=generation, requested=wanted))


def _refuse_gpus(resources: dict[str, Any] | None) -> None:
    if (resources or {}).get("gpus"):
        raise unsupported("resources.gpus is not supported by the local host")


def _needs_name(field: str) -> Problem:
    return Problem(400, f"{field} needs a named sandbox: one without a name cannot be suspended", "EPHEMERAL")
