"""What a row needs around it: the sandbox that it is in, the clock of the records, and a way to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sbxcompose.api.models import StartRequest
from sbxcompose.host.commands import Commands
from sbxcompose.host.keeper.client import KeeperClient, Spawn
from sbxcompose.host.network import Namespace
from sbxcompose.host.state import Record

if TYPE_CHECKING:
    from sbxcompose.host.supervisor import SupervisedProcess


class ProcessOwner(Protocol):
    """The sandbox, as one of its processes sees it."""

    @property
    def keeper(self) -> KeeperClient:
        """Who starts and stops."""

    @property
    def namespace(self) -> Namespace | None:
        """The network in which it runs; None is that of the machine. Raises `Problem` if it cannot be made."""

    @property
    def paused(self) -> bool:
        """Whether the sandbox is held still: nothing begins in it, and no time passes."""

    @property
    def free_handle(self) -> int:
        """The handle that `next_handle` would return."""

    def next_handle(self) -> int:
        """Take a handle that no run has had."""

    def unit(self, handle: int) -> str:
        """The keeper's name for the run of that handle."""

    def spawn(self, request: StartRequest) -> Spawn:
        """How the request is to be spawned: who, where, with which environment. Raises `Problem`."""

    @property
    def commands(self) -> Commands:
        """Who runs commands beside the process, as it is run."""

    def save(self, record: Record) -> None:
        """Put the record on disk. Raises `OSError`."""

    def note_start(self, process: SupervisedProcess, run: int, time_ms: int) -> None:
        """Remember what a run was started with, before anything that it writes is read."""

    def changed(self, process: SupervisedProcess, *before: int) -> bool:
        """The row has changed: record it as far as possible, and tell; whether it is on disk.

        `before` are handles that it had before.
        """

    def check_restart(self, process: SupervisedProcess) -> None:
        """Refuse to restart an ended row while another live run of the same instance is there. Raises `Problem`."""

    def forget(self, process: SupervisedProcess) -> None:
        """Remove a row whose first run could not be started."""

    def hold(self, process: SupervisedProcess) -> None:
        """Somebody reads the row: keep it until as many calls of `let_go`."""

    def let_go(self, process: SupervisedProcess) -> None:
        """The inverse of `hold`."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class News:
    """Lets many wait until something is true; whoever changes anything says so, and they look again."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`."""
        while not true():
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    def tell(self) -> None:
        """Something has changed."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
