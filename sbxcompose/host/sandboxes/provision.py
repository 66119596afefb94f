"""What a new sandbox begins with besides an empty directory: files, and a command (contract, section 2.2)."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from msgspec import Struct

from sbxcompose.api.models import StartRequest
from sbxcompose.host.base import trees
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.isolation import disk
from sbxcompose.host.isolation.root import IsolatedRoot
from sbxcompose.host.keeper.client import KeeperLost
from sbxcompose.host.sandboxes.sandbox import HostedSandbox

SnapshotFiles = AbstractAsyncContextManager[Path]


class ProvisionFailure(Struct, frozen=True):
    """Why a sandbox does not begin: the outcome in the contract's manner, and what there is to say."""

    outcome: str
    details: dict[str, Any]


class Provisioning:
    """Files to copy, given for as long as they are read, and the entrypoint; None is nothing.

    `has_disk`: the files are a whole disk of an isolated sandbox, and not those of a workspace.
    """

    def __init__(self, files: SnapshotFiles | None, entrypoint: list[str] | None, *, has_disk: bool = False) -> None:
        self._files = files
        self.has_disk = has_disk
        self._entrypoint = entrypoint

    async def carry_out(self, sandbox: HostedSandbox) -> ProvisionFailure | None:
        """Give the sandbox what it begins with; what kept it from that, if anything did."""
        try:
            await self._copy(sandbox)
        except OSError as error:
            problem = from_os(error, f"its files cannot be copied: {error.filename or ''}".rstrip(": "))
            return ProvisionFailure("Failure(FilesNotCopied)", problem.body())
        except Problem as problem:
            return ProvisionFailure("Failure(FilesNotCopied)", problem.body())
        try:
            await self._start(sandbox)
        except Problem as problem:
            return ProvisionFailure("Failure(EntrypointNotStarted)", problem.body())
        except KeeperLost as lost:
            return ProvisionFailure("Failure(EntrypointNotStarted)", {"error": str(lost)})
        return None

    async def _copy(self, sandbox: HostedSandbox) -> None:
        root = sandbox.workload.isolation
        if root is not None:
            await asyncio.to_thread(root.make, empty=self.has_disk)
        if self._files is not None:
            async with self._files as source:
                await asyncio.to_thread(self._copy_files, str(source), sandbox.workspace, root)

    def _copy_files(self, source: str, workspace: Path, root: IsolatedRoot | None) -> None:
        if root is None:
            trees.copy_tree(source, str(workspace))
            return
        with root.disk.opened() as place:
            if self.has_disk:
                disk.copy(source, place)
            else:
                trees.copy_tree(source, os.path.join(place, disk.ROOT, root.workspace.strip("/")))

    async def _start(self, sandbox: HostedSandbox) -> None:
        if self._entrypoint and sandbox.ending is None:
            command, *args = self._entrypoint
            await sandbox.processes.start_one(StartRequest(command=command, args=args))
