"""The control plane: sandboxes are made, changed and ended, and kept over restarts (contract, section 2).

A local sandbox is a group of supervised processes on this machine, with a directory for its records and logs, and for
its files unless it works in a project's directory. What a request wants beyond that, and what would be a promise, is
refused.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxInfo, SnapshotInfo
from sbxcompose.clock import wall_ms
from sbxcompose.host.base import settings
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.base.json_files import read_each, write_json
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.isolation.root import IsolationProbe, is_transient
from sbxcompose.host.keeper.client import Adopted, Claim, Exited, KeeperClient
from sbxcompose.host.sandboxes import rules
from sbxcompose.host.sandboxes.file_systems import FileSystems
from sbxcompose.host.sandboxes.images import Images
from sbxcompose.host.sandboxes.isolation_choice import GrantedIsolation, granted_isolation, wanted_isolation
from sbxcompose.host.sandboxes.known import KnownSandboxes
from sbxcompose.host.sandboxes.leftovers import sweep
from sbxcompose.host.sandboxes.places import (
    FILE_SYSTEMS,
    FILES,
    RECORD,
    remove_directory,
    root_of,
    workdir_of,
    workspace_in,
)
from sbxcompose.host.sandboxes.provision import Provisioning
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.sandboxes.sandbox_record import SandboxRecord, not_found
from sbxcompose.host.sandboxes.settling import apply_record, lift_limits
from sbxcompose.host.sandboxes.snapshots import DISK_FORMAT, Snapshots, check_copyable, check_restorable
from sbxcompose.host.sandboxes.workload import Workload
from sbxcompose.host.supervise.network import begun_with
from sbxcompose.tasks import finish_all

INTERRUPTED = "Failure(CreationInterrupted)"
"""Why a sandbox is terminated that was being made when the server was killed."""
_NOT_ISOLATED = GrantedIsolation()


class Sandboxes(KnownSandboxes):
    """All sandboxes of the host, the live ones with their processes. `idle` is called when something has ended."""

    def __init__(self, directory: Path, keeper: KeeperClient, idle: Callable[[], None] = lambda: None) -> None:
        super().__init__(directory)
        self._keeper = keeper
        self._idle = idle
        self.isolation_probe = IsolationProbe(directory.parent / "isolation-probe", keeper)
        self.isolation_mode = settings.isolation()
        self._told = False
        self.snapshots = Snapshots(directory.parent / "snapshots", keeper.tasks, idle)
        self.images = Images(directory.parent / "images")
        self.file_systems = FileSystems(directory.parent / FILE_SYSTEMS)

    @property
    def busy(self) -> bool:
        """Whether any process runs, or will, or is suspended; or something is being made, copied or ended."""
        return self.snapshots.busy or any(sandbox.busy for sandbox in self._live.values())

    # -- creating ------------------------------------------------------------------------------------------

    def create(
        self, request: CreateRequest, namespace: str = "default", granted: GrantedIsolation = _NOT_ISOLATED
    ) -> HostedSandbox:
        """Make a sandbox; `pending` until what it begins with is there, if it begins with anything. Raises
        `Problem`.
        """
        rules.refuse_unsupported(request)
        self.file_systems.check(request, granted.isolation)
        self._check_name(request.name, request.project_directory)
        if request.snapshot_id is None:
            info = self._described(request, namespace, granted)
            return self._make(info, Provisioning(None, request.entrypoint))
        known = self.snapshots.check_usable(request.snapshot_id)
        files = self.snapshots.files(known.id)
        info = self._described(request, namespace, granted, known)
        check_restorable(known, info)
        has_disk = known.snapshot_format_version == DISK_FORMAT
        return self._make(info, Provisioning(files, request.entrypoint, has_disk=has_disk))

    def _described(
        self, request: CreateRequest, namespace: str, granted: GrantedIsolation, known: SnapshotInfo | None = None
    ) -> SandboxInfo:
        enforced = settings.enforces_resources()
        return rules.described(request, namespace, known, granted=granted, enforced=enforced)

    async def grant_isolation(self, request: CreateRequest) -> GrantedIsolation:
        """Return how a new sandbox is isolated. Raises `Problem` if it must be, and this machine does not permit it."""
        whole_disk = request.snapshot_id is not None and self.snapshots.has_disk(request.snapshot_id)
        wanted = wanted_isolation(request, self.isolation_mode, whole_disk=whole_disk)
        refusal = None if wanted == "none" else await self.isolation_probe.refusal()
        transient = refusal is not None and is_transient(refusal)
        granted = granted_isolation(wanted, refusal, transient=transient)
        if granted.refused is not None and not self._told:
            self._told = True
            print(f"sandboxes that programs create are not isolated: {granted.refused}", file=sys.stderr)
        return granted

    def copy(self, source: HostedSandbox, times: int) -> list[HostedSandbox]:
        """Create `times` sandboxes with the files of another; each is `pending` until it has them. Raises `Problem`.

        Running processes cannot be copied on one machine, so a sandbox in which something runs is refused.
        """
        check_copyable(source, with_memory=True)
        if source.status not in ("running", "snapshotting"):
            raise Problem(409, f"sandbox {source.info.id} is {source.status}, not running", "SANDBOX_NOT_RUNNING")
        copies = [rules.copied(source.info) for _ in range(times)]
        return [self._make(copy, Provisioning(source.files(), None, has_disk=source.isolated)) for copy in copies]

    def _check_name(self, name: str | None, project: str | None) -> None:
        if name is None:
            return
        rules.check_name(name)
        holder = self._names.get(name)
        if holder is None:
            return
        other = holder.info.project_directory
        if project is not None and other is not None and other != project:
            hint = "give this project another name, with `-p NAME` or `name:` in its file"
            raise Problem(409, f"sandbox {name} belongs to the project in {other}", "PROJECT_DIRECTORY", hint)
        raise Problem(409, f"a sandbox named {name} exists already", "ALREADY_EXISTS")

    def _make(self, info: SandboxInfo, beginning: Provisioning) -> HostedSandbox:
        directory = self._directory / info.id
        info = self._placed(info)
        try:
            directory.mkdir(mode=0o700, parents=True)
            if info.isolation == "none" and info.workspace_directory is not None:
                os.mkdir(info.workspace_directory, 0o700)
            write_json(directory / RECORD, info.write())
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise from_os(error, "the sandbox cannot be recorded") from None
        sandbox = self._add(info)
        if info.status == "pending":
            self._keeper.tasks.start(self._begin(sandbox, beginning))
        return sandbox

    async def _begin(self, sandbox: HostedSandbox, beginning: Provisioning) -> None:
        failure = await beginning.carry_out(sandbox)
        sandbox.made(failed=failure is not None)
        if failure is not None:
            await self._terminate(sandbox, failure.outcome, error_details=failure.details)

    def _end_later(self, sandbox: HostedSandbox, outcome: str) -> None:
        self._keeper.tasks.start(self._terminate(sandbox, outcome))

    def _add(self, info: SandboxInfo, ending: str | None = None) -> HostedSandbox:
        directory, keeper = self._directory / info.id, self._keeper
        workload = Workload(
            info.id,
            directory,
            workdir=workdir_of(info, directory),
            keeper=keeper,
            policy=begun_with(info.network, info.enforced_network),
            isolation=root_of(info, directory, keeper),
        )
        workload.idle = self._idle
        sandbox = HostedSandbox(info, directory, workload, ending)
        sandbox.idle = self._idle
        sandbox.expired = lambda: self._end_later(sandbox, "Success(Timeout)")
        self._live[info.id] = sandbox
        if info.name is not None:
            self._names[info.name] = sandbox
        if info.timeout_secs:
            sandbox.arm_timeout()
        apply_record(sandbox)
        return sandbox

    def _placed(self, info: SandboxInfo) -> SandboxInfo:
        """Say where its own workspace is, if it has one: also after the state directory was moved or copied."""
        own = str(self._directory / info.id / workspace_in(info))
        return info if info.project_directory is not None else replace(info, workspace_directory=own)

    # -- changing ------------------------------------------------------------------------------------------

    def patch(self, identifier: str, patch: PatchRequest, *, clear_network: bool = False) -> SandboxInfo:
        """Change a sandbox (contract, section 2.6). Raises `Problem`, and nothing is changed then."""
        sandbox = self.live(identifier)
        before = sandbox.info.name
        after = rules.patched(sandbox.info, patch, clear_network=clear_network)
        if after.name != before:
            self._check_name(after.name, None)
        sandbox.change(**{name: getattr(after, name) for name in rules.PATCHED})
        apply_record(sandbox)
        if after.name is not None and after.name != before:
            self._names[after.name] = sandbox
            if before is not None:
                del self._names[before]
        return sandbox.info

    # -- terminating ---------------------------------------------------------------------------------------

    async def terminate(self, identifier: str, reason: str = "Success(UserTerminated)") -> None:
        """End a sandbox and all that runs in it. Again on a terminated one is fine. Raises `Problem`."""
        sandbox = self._names.get(identifier) or self._live.get(identifier)
        if sandbox is not None:
            await self._terminate(sandbox, reason)
        elif not any(identifier in (info.id, info.name) for info in self._terminated.values()):
            raise not_found(identifier)

    async def _terminate(self, sandbox: HostedSandbox, reason: str, error_details: Any = None) -> None:
        sandbox.begin_to_end(reason)
        await sandbox.end()
        if sandbox.info.id not in self._live:
            return  # another request for the same was faster
        outcome = sandbox.ending
        self._forget_live(sandbox)
        told = {"outcome": outcome, "termination_reason": outcome, "error_details": error_details}
        # Recorded before its files are removed: if this server is killed, its successor removes the rest (`_load`).
        sandbox.ended(terminated_at=wall_ms(), **told)
        self._terminated[sandbox.info.id] = sandbox.info
        sandbox.workload.closed()
        if sandbox.workload.isolation is not None:
            await sandbox.workload.isolation.end()
        await asyncio.to_thread(lift_limits, sandbox)
        await self._clear(sandbox.info)
        self._prune()
        self._idle()

    async def _clear(self, info: SandboxInfo) -> None:
        """Remove the files of a terminated sandbox; its records and logs stay as long as it is remembered."""
        for name in FILES:
            await remove_directory(self._directory / info.id / name)

    async def end_all(self) -> None:
        """End every process, politely; the sandboxes stay."""
        await finish_all(sandbox.end_processes() for sandbox in self)

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self) -> None:
        """Read what is recorded, and remove what is not."""
        self.snapshots.load()
        self.images.load()
        sweep(self._directory, RECORD, self._keeper.tasks)
        for record in read_each(self._directory, RECORD, SandboxRecord):
            values = {name: getattr(record, name) for name in SandboxInfo.__struct_fields__}
            self._load(SandboxInfo(**values), record.ending)

    def _load(self, info: SandboxInfo, ending: str | None) -> None:
        if info.status == "terminated":
            self._terminated[info.id] = info
            if any((self._directory / info.id / name).exists() for name in FILES):
                self._keeper.tasks.start(self._clear(info))
            return
        info = self._placed(info)
        sandbox = self._add(info, INTERRUPTED if ending is None and info.status == "pending" else ending)
        sandbox.load()

    def adopt(self, adopted: Adopted) -> bool:
        """Take over a run; False if it belongs to no sandbox."""
        sandbox = self._live.get(adopted.unit.partition(".")[0])
        return sandbox is not None and sandbox.workload.adopt(adopted)

    def claims(self, known: set[str]) -> list[Claim]:
        """Return the units recorded as running, or as being started, that are not among the `known` ones."""
        return [claim for sandbox in self for claim in sandbox.workload.claims(known)]

    def recover(self, known: set[str], interruption: Interruption = Interruption.HOST_KILLED) -> None:
        """Continue with all that is not among the `known` units, and with what was being done to sandboxes."""
        for sandbox in self:
            sandbox.workload.recover(known, interruption)
        for sandbox in self:
            sandbox.finish()
            if sandbox.ending is not None:
                self._end_later(sandbox, sandbox.ending)

    def exited(self, exited: Exited) -> bool:
        """Take note that a run has ended; False if it belongs to no sandbox."""
        sandbox = self._live.get(exited.unit.partition(".")[0])
        return sandbox is not None and sandbox.workload.exited(exited)
