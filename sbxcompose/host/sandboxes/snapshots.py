"""Snapshots: what a sandbox's workspace was at a moment, kept until it is deleted (contract, sections 2.1 and 2.5).

A snapshot outlives its sandbox, and the server: one that was being taken when the server was killed has failed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import SandboxInfo, SnapshotInfo, SnapshotType
from sbxcompose.clock import wall_ms
from sbxcompose.host.base import damage, settings, trees
from sbxcompose.host.base.ids import new_id
from sbxcompose.host.base.json_files import read_each, write_json
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.isolation import disk
from sbxcompose.host.sandboxes.leftovers import sweep
from sbxcompose.host.sandboxes.rules import unsupported
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.tasks import TaskOwner

RECORD = "snapshot.json"
FILES = "files"
TREE_FORMAT, DISK_FORMAT = "sbxcompose-tree-1", "sbxcompose-disk-1"
"""A workspace directory, and the whole disk of an isolated sandbox."""
_NO_MEMORY = ("memory: the processes that run in it; a sandbox that begins with it has none",)


class Snapshots:
    """All snapshots of the host. `idle` is called when one has been taken, or not."""

    def __init__(self, directory: Path, tasks: TaskOwner, idle: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._tasks = tasks
        self._idle = idle
        self._known: dict[str, SnapshotInfo] = {}
        self._readers: dict[str, int] = {}
        self._deleting: set[str] = set()
        self._news = ChangeSignal()

    @property
    def busy(self) -> bool:
        """Whether one is being taken or read."""
        return bool(self._readers) or any(snapshot.status == "in_progress" for snapshot in self._known.values())

    # -- looking -------------------------------------------------------------------------------------------

    def get(self, number: str) -> SnapshotInfo:
        """Return a snapshot. Raises `Problem` (404)."""
        found = self._known.get(number)
        if found is None:
            raise Problem(404, f"snapshot {number} not found", "SNAPSHOT_NOT_FOUND")
        return found

    def list(self, namespace: str, sandbox: str | None = None) -> list[SnapshotInfo]:
        """Return the snapshots of a namespace, or of one sandbox, the newest last."""
        mine = (snapshot for snapshot in self._known.values() if sandbox in (None, snapshot.sandbox_id))
        return sorted(
            (snapshot for snapshot in mine if snapshot.namespace == namespace),
            key=lambda snapshot: snapshot.created_at or 0,
        )

    def has_disk(self, number: str) -> bool:
        """Return whether it is a known one, of the whole disk of an isolated sandbox."""
        known = self._known.get(number)
        return known is not None and known.snapshot_format_version == DISK_FORMAT

    # -- taking --------------------------------------------------------------------------------------------

    async def take(self, sandbox: HostedSandbox, kind: SnapshotType, patience: float) -> SnapshotInfo:
        """Take a snapshot and wait for it, at most `patience` seconds. Raises `Problem`."""
        number = self._begin(sandbox, kind).id
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._news.wait_until(lambda: self.get(number).status != "in_progress")
        return self.get(number)

    def _begin(self, sandbox: HostedSandbox, kind: SnapshotType) -> SnapshotInfo:
        """Take one, from the next turn of the event loop on. Raises `Problem`."""
        check_copyable(sandbox, with_memory=kind == "memory")
        info = SnapshotInfo(
            id=new_id(),
            namespace=sandbox.info.namespace,
            sandbox_id=sandbox.info.id,
            status="in_progress",
            snapshot_type=kind,
            base_image=sandbox.info.image,
            snapshot_format_version=DISK_FORMAT if sandbox.isolated else TREE_FORMAT,
            resources=sandbox.info.resources,
            created_at=wall_ms(),
            not_covered=[*not_covered(sandbox.info), *(_NO_MEMORY if kind == "memory" and sandbox.occupied else ())],
        )
        try:
            self._files(info).mkdir(mode=0o700, parents=True)
            self._save(info)
        except OSError as error:
            self._remove(info)
            raise from_os(error, "the snapshot cannot be recorded") from None
        self._tasks.start(self._take(info, sandbox))
        return info

    async def _take(self, info: SnapshotInfo, sandbox: HostedSandbox) -> None:
        target = str(self._files(info))
        copy = disk.copy if sandbox.isolated else trees.copy_tree
        try:
            async with sandbox.files() as source:
                size = await asyncio.to_thread(copy, str(source), target)
        except Problem as problem:
            self._fail(info, problem.error)
        except OSError as error:
            self._fail(info, from_os(error, f"the workspace cannot be copied: {_place(error)}").error)
        except Exception as error:
            self._fail(info, str(error))
            raise
        else:
            done = replace(info, status="completed", size_bytes=size.content, rootfs_disk_bytes=size.disk)
            self._finish(replace(done, snapshot_uri=self._files(info).as_uri()))

    def _fail(self, info: SnapshotInfo, words: str) -> None:
        self._finish(replace(info, status="failed", error=words))
        self._tasks.start(asyncio.to_thread(trees.remove_tree, str(self._files(info))))

    def _finish(self, info: SnapshotInfo) -> None:
        try:
            self._save(info)
        except OSError as error:
            self._known[info.id] = replace(info, status="failed", error=f"it cannot be recorded: {error.strerror}")
            print(f"not recorded: snapshot {info.id}: {error}", file=sys.stderr)
        self._news.notify()
        self._idle()

    # -- reading and deleting ------------------------------------------------------------------------------

    @asynccontextmanager
    async def files(self, number: str) -> AsyncIterator[Path]:
        """Open the directory of a snapshot's files, protected from deletion meanwhile. Raises `Problem`."""
        self.check_usable(number)
        self._readers[number] = self._readers.get(number, 0) + 1
        try:
            yield self._files(self._known[number])
        finally:
            self._readers[number] -= 1
            if not self._readers[number]:
                del self._readers[number]

    def check_usable(self, number: str) -> SnapshotInfo:
        """Return a snapshot that a sandbox can begin with. Raises `Problem`."""
        info = self.get(number)
        if info.status != "completed":
            words = f"snapshot {number} is {info.status}" + (f": {info.error}" if info.error else "")
            raise Problem(409 if info.status == "in_progress" else 400, words, "SNAPSHOT_NOT_READY")
        return info

    async def delete(self, number: str) -> None:
        """Delete a snapshot and its files; a second request meanwhile waits for the same end. Raises `Problem`."""
        if number in self._deleting:
            await self._news.wait_until(lambda: number not in self._deleting)
            if number not in self._known:
                return
        info = self.get(number)
        if number in self._readers or info.status == "in_progress":
            why = (
                "is being taken" if info.status == "in_progress" else "is being used by a sandbox that is being created"
            )
            raise Problem(409, f"snapshot {number} {why}", "SNAPSHOT_IN_USE")
        self._deleting.add(number)
        try:
            await self._delete(info)
        finally:
            self._deleting.remove(number)
            self._news.notify()

    async def _delete(self, info: SnapshotInfo) -> None:
        try:
            # Recorded first: if the server is killed meanwhile, its successor finishes the deletion (`_load`).
            self._save(replace(info, status="deleting"))
            await asyncio.to_thread(trees.remove_tree, str(self._directory / info.id))
        except OSError as error:
            raise from_os(error, f"snapshot {info.id} cannot be deleted: {_place(error)}") from None
        self._known.pop(info.id, None)

    # -- on disk -------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read what is recorded, and finish what the last server had begun."""
        sweep(self._directory, RECORD, self._tasks)
        for info in read_each(self._directory, RECORD, SnapshotInfo):
            self._load(info)

    def _load(self, info: SnapshotInfo) -> None:
        files = self._files(info)
        if info.status == "completed" and (files.is_symlink() or not files.is_dir()):
            damage.set_aside(files.parent, f"{FILES}: it is not a directory")
            return
        self._known[info.id] = info
        if info.status == "in_progress":
            self._fail(info, "the host ended while it was being taken")
        elif info.status == "deleting":
            self._tasks.start(self.delete(info.id))

    def _save(self, info: SnapshotInfo) -> None:
        write_json(self._directory / info.id / RECORD, info.write())
        self._known[info.id] = info

    def _remove(self, info: SnapshotInfo) -> None:
        self._known.pop(info.id, None)
        with suppress(OSError):
            trees.remove_tree(str(self._directory / info.id))

    def _files(self, info: SnapshotInfo) -> Path:
        return self._directory / info.id / FILES


def not_covered(info: SandboxInfo) -> list[str]:
    """Return what of the files that a sandbox sees is not in a snapshot of it."""
    if info.isolation == "none":
        return [f"everything outside of {info.workspace_directory}: this sandbox shares the files of this machine"]
    project = [f"{info.workspace}: the project directory {info.project_directory}"] if info.project_directory else []
    shared = [f"{mount['mount_path']}: file system {mount['file_system_id']}" for mount in info.file_systems or ()]
    return [*project, *shared, *(f"{mount.target}: {mount.source} of this machine" for mount in info.mounts)]


def check_restorable(snapshot: SnapshotInfo, info: SandboxInfo) -> None:
    """Refuse a whole disk where there is none. Raises `Problem`."""
    if snapshot.snapshot_format_version == DISK_FORMAT and info.isolation == "none":
        words = f"snapshot {snapshot.id} is of a whole disk, and this sandbox would share the files of this machine"
        raise Problem(400, words, "UNSUPPORTED", "create it with `isolation: overlay`")


def check_copyable(sandbox: HostedSandbox, *, with_memory: bool) -> None:
    """Refuse what cannot be copied exactly: a project's directory, and memory. Raises `Problem`."""
    project = sandbox.info.project_directory
    if project is not None and not sandbox.isolated:
        raise unsupported(
            f"sandbox {sandbox.info.name or sandbox.info.id} works in the project directory {project} in place,"
            " which is not its own to be copied or kept"
        )
    if with_memory and sandbox.occupied and not settings.accepts("memory"):
        words = "the memory of running processes cannot be copied on this machine"
        hint = (
            "end what runs in the sandbox first; a filesystem snapshot is taken while it runs;"
            " `host serve --accept memory` takes the disk alone"
        )
        raise Problem(400, words, "UNSUPPORTED", hint)


def _place(error: OSError) -> str:
    return str(error.filename or "")
