"""File systems: directories of the host that isolated sandboxes share by mounting them (contract, section 2.1).

Each is a directory below the host's state, whose name is its id. Sandboxes read and write the files in it; the host
serves them to no other program.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sbxcompose.api.sandbox_models import CreateRequest, Isolation
from sbxcompose.host.base import trees
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.sandboxes.places import mounts_of
from sbxcompose.host.sandboxes.rules import check_target, unsupported
from sbxcompose.host.sandboxes.sandbox import HostedSandbox

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_FIELDS = ("file_system_id", "mount_path", "read_only", "prefetch")
_REFUSED = ("snapshot_id", "owner")
Mount = dict[str, Any]


class FileSystems:
    """All file systems of the host."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """Return the names of all, sorted."""
        try:
            return sorted(name for name in os.listdir(self._directory) if _NAME.fullmatch(name))
        except FileNotFoundError:
            return []

    def create(self, name: str) -> None:
        """Make an empty one. Raises `Problem`."""
        if not _NAME.fullmatch(name):
            words = "letters, digits, dots, hyphens and underscores, no dot or hyphen first, at most 100 characters"
            raise Problem(400, f"invalid file system name {name[:80]!r}; expected {words}", "BAD_NAME")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._directory / name).mkdir()
            # Every user of a sandbox may write; the state directory above keeps others of this machine away.
            (self._directory / name).chmod(0o777)
        except FileExistsError:
            raise Problem(409, f"a file system named {name} exists already", "ALREADY_EXISTS") from None
        except OSError as error:
            raise from_os(error, "the file system cannot be made") from None

    def check_known(self, name: str) -> None:
        """Refuse the name of none. Raises `Problem`."""
        if not _NAME.fullmatch(name) or not (self._directory / name).is_dir():
            raise Problem(404, f"file system {name[:80]} not found", "FILE_SYSTEM_NOT_FOUND")

    async def delete(self, name: str, sandboxes: Iterable[HostedSandbox]) -> None:
        """Remove one with its files. Raises `Problem` while a sandbox has it mounted."""
        self.check_known(name)
        for sandbox in sandboxes:
            if any(mount["file_system_id"] == name for mount in sandbox.info.file_systems or ()):
                holder = sandbox.info.name or sandbox.info.id
                hint = "detach it first, or terminate the sandbox"
                raise Problem(409, f"file system {name} is mounted in sandbox {holder}", "IN_USE", hint)
        try:
            await asyncio.to_thread(trees.remove_tree, str(self._directory / name))
        except OSError as error:
            raise from_os(error, f"file system {name} cannot be removed") from None

    # -- in sandboxes --------------------------------------------------------------------------------------

    def check(self, request: CreateRequest, isolation: Isolation) -> None:
        """Refuse mounts that a new sandbox cannot have. Raises `Problem`."""
        mounts = request.file_systems or []
        for number, mount in enumerate(mounts):
            self._check(mount, isolation, mounts[:number])

    def _check(self, mount: Mount, isolation: Isolation, others: Iterable[Mount]) -> None:
        if isolation == "none":
            raise unsupported(
                "file_systems: this sandbox shares the files of this machine, so that nothing can be mounted for it",
                "create it with `isolation: overlay`, or start the host with `host serve --isolation overlay`",
            )
        for field in ("file_system_id", "mount_path"):
            if not isinstance(mount.get(field), str):
                raise Problem(422, f"file_systems: {field} must be a string", "INVALID")
        for field in (name for name in mount if name not in _FIELDS and mount[name] is not None):
            known = field in _REFUSED
            raise unsupported(f"file_systems: {field} is not {'supported by the local host' if known else 'known'}")
        self.check_known(mount["file_system_id"])
        check_target("file_systems", mount["mount_path"])
        if any(_place(other) == _place(mount) for other in others):
            raise Problem(409, f"file_systems: something is mounted at {mount['mount_path']} already", "ALREADY_EXISTS")

    async def attach(self, sandbox: HostedSandbox, mount: Mount) -> None:
        """Mount one in a sandbox in which nothing runs. Raises `Problem`."""
        before = sandbox.info.file_systems or []
        self._check(mount, sandbox.info.isolation, before)
        await _change(sandbox, [*before, mount])

    async def detach(self, sandbox: HostedSandbox, mount_path: str) -> None:
        """Take one away from a sandbox in which nothing runs. Raises `Problem`."""
        before = sandbox.info.file_systems or []
        after = [mount for mount in before if _place(mount) != os.path.normpath(mount_path)]
        if len(after) == len(before):
            raise Problem(404, f"no file system is mounted at {mount_path[:200]}", "NOT_MOUNTED")
        await _change(sandbox, after)


async def _change(sandbox: HostedSandbox, mounts: list[Mount]) -> None:
    root = sandbox.workload.isolation
    assert root is not None
    if sandbox.occupied:
        words = f"the file systems of sandbox {sandbox.info.name or sandbox.info.id} cannot change while it is in use"
        raise Problem(409, words, "SANDBOX_BUSY", "end what runs in it, or name them when it is created")
    sandbox.change(file_systems=mounts or None)
    await root.change_mounts(mounts_of(sandbox.info, sandbox.directory))


def _place(mount: Mount) -> str:
    return os.path.normpath(str(mount["mount_path"]))
