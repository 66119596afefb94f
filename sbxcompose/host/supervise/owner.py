"""What a supervised process needs from the sandbox that it is in."""

from __future__ import annotations

from typing import Protocol, TypeVar

from sbxcompose.api.models import StartRequest
from sbxcompose.host.keeper.client import KeeperClient, Spawn
from sbxcompose.host.supervise.commands import Commands
from sbxcompose.host.supervise.network import Namespace
from sbxcompose.host.supervise.state import Record

Process = TypeVar("Process", contravariant=True)
"""The class of the processes that are owned."""


class ProcessOwner(Protocol[Process]):
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

    def note_start(self, process: Process, run: int, time_ms: int) -> None:
        """Remember what a run was started with, before anything that it writes is read."""

    def changed(self, process: Process, *before: int) -> bool:
        """The row has changed: record it as far as possible, and tell; whether it is on disk.

        `before` are handles that it had before.
        """

    def check_restart(self, process: Process) -> None:
        """Refuse to restart an ended row while another live run of the same instance is there. Raises `Problem`."""

    def forget(self, process: Process) -> None:
        """Remove a row whose first run could not be started."""

    def hold(self, process: Process) -> None:
        """Somebody reads the row: keep it until as many calls of `let_go`."""

    def let_go(self, process: Process) -> None:
        """The inverse of `hold`."""
