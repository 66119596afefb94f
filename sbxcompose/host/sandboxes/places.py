"""Where things of a sandbox are: below its own directory, and where its processes run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from sbxcompose.api.sandbox_models import WORKSPACE as DEFAULT_WORKSPACE
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base import trees
from sbxcompose.host.isolation.disk import DISK, ROOT
from sbxcompose.host.isolation.plan import PathMount
from sbxcompose.host.isolation.root import IsolatedRoot, RootSettings
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.supervise.network import begun_with, policy_of
from sbxcompose.host.supervise.spawn_request import Workdir

RECORD = "sandbox.json"
WORKSPACE = "workspace"
FILE_SYSTEMS = "file-systems"
"""The directory of all file systems, beside that of all sandboxes."""
FILES = (WORKSPACE, DISK)
"""What is removed of a terminated one: its records and logs stay as long as it is remembered."""


def workspace_in(info: SandboxInfo) -> str:
    """Return where, below a sandbox's directory, the directory is that it works in if it has no project's."""
    if info.isolation == "none":
        return WORKSPACE
    return f"{DISK}/{ROOT}/{(info.workspace or DEFAULT_WORKSPACE).strip('/')}"


def workdir_of(info: SandboxInfo, directory: Path) -> Workdir:
    """Return where the processes of a sandbox run, as they see it."""
    if info.isolation != "none":
        return Workdir(info.workspace or DEFAULT_WORKSPACE, private=False)
    return Workdir(info.project_directory or str(directory / WORKSPACE), info.project_directory is None)


def root_of(info: SandboxInfo, directory: Path, keeper: KeeperClient) -> IsolatedRoot | None:
    """Return the root of an isolated sandbox; None if it has that of the machine."""
    if info.isolation == "none":
        return None
    settings = RootSettings(
        hostname=info.name or info.id,
        workspace=info.workspace or DEFAULT_WORKSPACE,
        project=info.project_directory,
        mounts=tuple(mounts_of(info, directory)),
        limit=None if info.limits is None else info.limits.disk,
        closed=policy_of(begun_with(info.network, info.enforced_network)) == "closed",
    )
    return IsolatedRoot(info.id, directory, keeper, settings)


def mounts_of(info: SandboxInfo, directory: Path) -> list[PathMount]:
    """Return what an isolated sandbox sees of this machine, and of the host's file systems."""
    shared = directory.parent.parent.resolve() / FILE_SYSTEMS
    return [
        *(PathMount(mount.source, mount.target, mount.read_only) for mount in info.mounts),
        *(
            PathMount(str(shared / mount["file_system_id"]), mount["mount_path"], bool(mount.get("read_only")))
            for mount in info.file_systems or ()
        ),
    ]


async def remove_directory(directory: Path) -> None:
    """Remove a directory: in a thread if there is anything in it."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        with suppress(OSError):
            await asyncio.to_thread(trees.remove_tree, str(directory))
