"""One isolated sandbox as the server sees it: its disk, its plan, and its init process, which the keeper starts."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose import paths
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.isolation import disk as disks
from sbxcompose.host.isolation import disk_image
from sbxcompose.host.isolation import facts as machine
from sbxcompose.host.isolation.accounts import SandboxAccounts
from sbxcompose.host.isolation.disk_image import OpenDisk
from sbxcompose.host.isolation.plan import PathMount, layer_of, mount_plan
from sbxcompose.host.keeper.client import KeeperClient, KeeperLost, SpawnFailed
from sbxcompose.host.keeper.inits import TIMED_OUT
from sbxcompose.tasks import SharedWork

BUSY = (
    TIMED_OUT,
    *(os.strerror(number).lower() for number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)),
)
"""How a refusal reads that tells of the machine at that moment, and not of what it permits."""
LINGER = 10.0
"""Seconds after the last use until the init process is ended: its next start takes some 25 ms."""


class RootSettings(Struct, frozen=True, kw_only=True):
    """What a root is like: the size of its disk (`limit`, in bytes), and what a sandbox sees of machine and network.

    `project`: the directory of this machine that is its workspace. `closed`: it has no network.
    """

    hostname: str
    workspace: str
    project: str | None = None
    mounts: tuple[PathMount, ...] = ()
    limit: int | None = None
    closed: bool = False


class IsolatedRoot:
    """The root of a sandbox. `directory` is the sandbox's own among the host's state."""

    def __init__(self, sandbox: str, directory: Path, keeper: KeeperClient, settings: RootSettings) -> None:
        self.sandbox = sandbox
        self._directory = str(directory / disks.DISK)
        self._settings = settings
        self.disk = OpenDisk(self._directory)
        self._keeper = keeper
        self._timer: asyncio.TimerHandle | None = None
        self._visits = 0
        facts = machine.machine_facts()
        self.accounts = SandboxAccounts(self._etc, privileged=facts.privileged)
        self._keeper.isolate(self.sandbox, self._plan())

    @property
    def workspace(self) -> str:
        """Where its processes run, as they see it."""
        return self._settings.workspace

    def move(self, project: str | None) -> None:
        """Work in another project directory; what runs stays in the old one until the sandbox is quiet."""
        self._settings = replace(self._settings, project=project)
        self._keeper.isolate(self.sandbox, self._plan())

    async def change_mounts(self, mounts: Sequence[PathMount]) -> None:
        """Show other files of this machine, from the next start of something on; nothing may run meanwhile."""
        self._settings = replace(self._settings, mounts=tuple(mounts))
        self._keeper.isolate(self.sandbox, self._plan())
        await self._leave(forget=False)

    def _plan(self) -> dict[str, Any]:
        settings = self._settings
        project = settings.project
        return mount_plan(
            machine.machine_facts(),
            disk=self._directory,
            hostname=settings.hostname,
            workspace=None if project is None else PathMount(project, settings.workspace, read_only=False),
            mounts=settings.mounts,
            closed=settings.closed,
        )

    def _etc(self) -> Path:
        return Path(self.disk.path, layer_of("etc"), "upper")

    def make(self, *, empty: bool = False) -> None:
        """Make its disk, of limited size where it is to be and this machine can. Raises `OSError`.

        `empty`: all that is on it is still to come.
        """
        os.mkdir(self._directory, 0o700)
        limit = self._settings.limit
        if limit is not None and disk_image.refusal() is None:
            disk_image.make(self._directory, limit)
        if not empty:
            with self.disk.opened() as place:
                disks.make(place, machine.machine_facts(), workspace=self.workspace, hostname=self._settings.hostname)

    @asynccontextmanager
    async def entered(self, busy: Callable[[], bool]) -> AsyncIterator[int]:
        """Open its root directory, to open files below (see `inside`), as a descriptor. Raises `Problem`."""
        self._visits += 1
        try:
            root = await self._open()
            try:
                yield root
            finally:
                os.close(root)
        finally:
            self._visits -= 1
            self.used(busy)

    async def _open(self) -> int:
        try:
            pid = await self._keeper.enter(self.sandbox)
            # By way of the init process: only in its mount namespace are the sandbox's mounts.
            return os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except SpawnFailed as failure:
            raise refused(failure) from None
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise Problem(500, f"the sandbox's root cannot be opened: {words}", "ISOLATION") from None

    def used(self, busy: Callable[[], bool]) -> None:
        """Note a use: when nothing runs in the sandbox for a while, and `busy` says so, its init process is ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(LINGER, self._on_idle, busy)

    def _on_idle(self, busy: Callable[[], bool]) -> None:
        self._timer = None
        self._keeper.tasks.start(self._leave_if_idle(busy))

    async def _leave_if_idle(self, busy: Callable[[], bool]) -> None:
        """End the init process; looked at and asked for in one turn, so that nothing is started in between."""
        if not busy() and not self._visits:
            await self._leave(forget=False)

    async def end(self) -> None:
        """Kill whatever is left in it; it is over."""
        if self._timer is not None:
            self._timer.cancel()
        await self._leave(forget=True)

    async def _leave(self, *, forget: bool) -> None:
        self.disk.close()
        with suppress(KeeperLost):
            await self._keeper.end_sandbox(self.sandbox, forget=forget)


def refused(failure: SpawnFailed) -> Problem:
    """Return what a client is told where this machine does not permit an isolated sandbox."""
    state = str(paths.state_path())
    return Problem(400, failure.message, "ISOLATION", machine.hint(failure.message, state))


def is_transient(refusal: Problem) -> bool:
    """Return whether a refusal tells of the machine at that moment alone."""
    return any(words in refusal.error for words in BUSY)


class IsolationProbe:
    """Finds out whether this machine permits isolated sandboxes: by making one that is thrown away, once.

    A machine that was too busy is asked again the next time.
    """

    def __init__(self, directory: Path, keeper: KeeperClient) -> None:
        self._directory = directory
        self._keeper = keeper
        self._work: SharedWork[Problem | None] | None = None
        self._tried = False
        self._refusal: Problem | None = None

    async def refusal(self) -> Problem | None:
        """Return why it does not, also the next time; None if it does."""
        if not self._tried:
            if self._work is None or self._work.done:
                self._work = SharedWork(self._outcome())
            self._refusal = await self._work.wait()
            self._tried = self._refusal is None or not is_transient(self._refusal)
        return self._refusal

    async def _outcome(self) -> Problem | None:
        try:
            await self._try()
        except Problem as refusal:
            return refusal
        return None

    async def _try(self) -> None:
        # What a killed host left of an earlier try.
        await asyncio.to_thread(_clear, self._directory)
        root = IsolatedRoot(
            "probe", self._directory, self._keeper, RootSettings(hostname="probe", workspace="/workspace")
        )
        try:
            self._directory.mkdir(mode=0o700)
            await asyncio.to_thread(root.make)
            async with root.entered(lambda: False):
                pass
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            problem = f"the sandbox cannot be isolated: making its disk: {words}"
            raise Problem(400, problem, "ISOLATION", machine.hint(problem, str(self._directory))) from None
        finally:
            await root.end()
            await asyncio.to_thread(_clear, self._directory)


def _clear(directory: Path) -> None:
    with suppress(OSError):
        disks.remove(str(directory))
