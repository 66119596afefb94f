"""A sandbox of the file as the contract has it, and what of an existing one differs from that; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sbxcompose.api.sandbox_models import CreateRequest, SandboxInfo
from sbxcompose.engine.network import is_enforced, policy_of
from sbxcompose.spec.machine import FileSystem, Resources
from sbxcompose.spec.project import Sandbox

MIB = 1024 * 1024
Mount = dict[str, Any]


def create_request(sandbox: Sandbox, start_from: str | None = None) -> CreateRequest:
    """Return the sandbox as the contract's create has it (section 2.2); what the file leaves out stays the provider's
    own.

    The answer is not waited for: so the reasons can be shown for which a sandbox is pending. `start_from`: the snapshot
    of a sandbox that was made as the file says, and of which it inherits the rest.
    """
    snapshot = start_from or sandbox.snapshot
    return CreateRequest(
        name=sandbox.full_name,
        image=None if start_from else sandbox.image,
        snapshot_id=snapshot,
        resources=_resources(sandbox.resources, inherited=snapshot is not None),
        timeout_secs=sandbox.timeout,
        network=policy_of(sandbox.network),
        exposed_ports=list(sandbox.ports) or None,
        file_systems=[mount_of(file_system) for file_system in sandbox.file_systems] or None,
        wait=False,
    )


def _resources(wanted: Resources | None, *, inherited: bool) -> dict[str, Any] | None:
    """Return the resources to ask for: a snapshot brings its own, else both that the vendor's clients always send."""
    if wanted is None:
        return None if inherited else {"cpus": 1.0, "memory_mb": 1024}
    found: dict[str, Any] = {} if inherited else {"cpus": 1.0, "memory_mb": 1024}
    found |= sizes(wanted)
    if wanted.gpus:
        found["gpus"] = [{"count": gpu.count, "model": gpu.model} for gpu in wanted.gpus]
    return found


def sizes(wanted: Resources) -> dict[str, Any]:
    """Return what of resources can be changed in a sandbox (contract, section 2.6), as far as the file names it."""
    found: dict[str, Any] = {}
    if wanted.cpus is not None:
        found["cpus"] = wanted.cpus
    if wanted.memory is not None:
        found["memory_mb"] = -(-wanted.memory // MIB)
    if wanted.disk is not None:
        found["disk_mb"] = -(-wanted.disk // MIB)
    return found


def resized(sandbox: Sandbox, info: SandboxInfo) -> dict[str, Any]:
    """Return the sizes that are others in the file than in the sandbox; empty if none is."""
    wanted = {} if sandbox.resources is None else sizes(sandbox.resources)
    return {key: size for key, size in wanted.items() if info.resources.get(key) not in (None, size)}


def mount_of(file_system: FileSystem) -> Mount:
    """Return a mount as the contract has it: flags are sent only when true."""
    mount: Mount = {"file_system_id": file_system.id, "mount_path": file_system.mount_path}
    more = {
        "read_only": file_system.read_only,
        "prefetch": file_system.prefetch,
        "snapshot_id": file_system.snapshot,
        "owner": file_system.owner,
    }
    return {**mount, **{key: value for key, value in more.items() if value}}


def remounted(sandbox: Sandbox, info: SandboxInfo) -> tuple[list[str], list[Mount]]:
    """Return the mount paths to be detached, and the mounts to be attached; both empty if the server tells none."""
    if info.file_systems is None:
        return [], []
    wanted = [mount_of(file_system) for file_system in sandbox.file_systems]
    there, here = _places(info.file_systems), _places(wanted)
    detached = [str(mount["mount_path"]) for mount in info.file_systems if _place(mount) not in here]
    return detached, [mount for mount in wanted if _place(mount) not in there]


def _places(mounts: Iterable[Mount]) -> set[tuple[Any, ...]]:
    return {_place(mount) for mount in mounts}


def _place(mount: Mount) -> tuple[Any, ...]:
    identity = (mount.get("file_system_id"), mount.get("mount_path"), mount.get("snapshot_id"))
    return (*map(str, identity), bool(mount.get("read_only")))


def differences(sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
    """Return the keys of the file from which a sandbox differs so that only a new one would fit.

    Only what the file says and the sandbox tells is compared: a snapshot can no longer be seen once it is restored.
    """
    found = []
    if sandbox.image is not None and info.image is not None and sandbox.image != info.image:
        found.append("image")
    if _needs_others(sandbox, info):
        found.append("resources")
    if sandbox.timeout and info.timeout_secs is not None and sandbox.timeout != info.timeout_secs:
        found.append("timeout")
    return tuple(found)


def _needs_others(sandbox: Sandbox, info: SandboxInfo) -> bool:
    """Return whether no resize leads to the resources of the file: other GPUs, or a smaller disk."""
    if sandbox.resources is None:
        return False
    if resized(sandbox, info).get("disk_mb", info.resources.get("disk_mb", 0)) < info.resources.get("disk_mb", 0):
        return True
    has = info.resources.get("gpus") or info.resources.get("gpu_configs")
    wanted = sorted((gpu.model, gpu.count) for gpu in sandbox.resources.gpus)
    if has is None or not wanted:
        return False
    return sorted((str(gpu.get("model")), int(gpu.get("count", 1))) for gpu in has) != wanted


def updates(sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
    """Return the keys of the file from which a sandbox differs and that it can be given as it is (contract, sections
    2.1 and 2.6).

    Keys that the file does not have are not compared.
    """
    found = []
    if sandbox.ports and set(sandbox.ports) != set(info.exposed_ports or ()):
        found.append("ports")
    if sandbox.network is not None and not is_enforced(sandbox.network, info.network):
        found.append("network")
    if resized(sandbox, info) and not _needs_others(sandbox, info):
        found.append("resources")
    if any(remounted(sandbox, info)):
        found.append("file_systems")
    return tuple(found)
