"""What a supervised process needs from the sandbox that it is in."""

from __future__ import annotations

from typing import Protocol, TypeVar

from sbxcompose.api.models import StartRequest
from sbxcompose.host.keeper.client import KeeperClient, Spawn
from sbxcompose.host.supervise.commands import ProcessCommands
from sbxcompose.host.supervise.network import Namespace
from sbxcompose.host.supervise.state import ProcessRecord

OwnedProcess = TypeVar("OwnedProcess", contravariant=True)
"""The class of the processes that are owned."""


class ProcessOwner(Protocol[OwnedProcess]):
    """The sandbox, as one of its processes sees it."""

    @property
    def keeper(self) -> KeeperClient:
        """Who starts and stops."""

    @property
    def namespace(self) -> Namespace | None:
        """The network in which it runs; None is that of the machine. Raises `Problem` if it cannot be made."""

    @property
    def paused(self) -> bool:
        """Whether the sandbox is suspended: nothing begins in it, and no time passes."""

    @property
    def free_handle(self) -> int:
        """The handle that `next_handle` would return."""

    def next_handle(self) -> int:
        """Take a handle that no run has had."""

    def unit(self, handle: int) -> str:
        """Return the keeper's name for the run of that handle."""

    def spawn(self, request: StartRequest) -> Spawn:
        """Return how the request is to be spawned: who, where, with which environment. Raises `Problem`."""

    @property
    def commands(self) -> ProcessCommands:
        """Who runs commands beside the process, as it is run."""

    def save(self, record: ProcessRecord) -> None:
        """Put the record on disk. Raises `OSError`."""

    def note_start(self, process: OwnedProcess, run: int, time_ms: int) -> None:
        """Remember what a run was started with, before anything that it writes is read."""

    def changed(self, process: OwnedProcess, *before: int) -> bool:
        """Record that the row has changed as soon as possible, and tell. Return whether it is on disk.

        `before` are handles that it had before.
        """

    def shows_change(self, process: OwnedProcess) -> None:
        """Tell those who watch that the row is shown differently; nothing recorded has changed."""

    def check_restart(self, process: OwnedProcess) -> None:
        """Refuse to restart an ended row while another live run of the same instance is there. Raises `Problem`."""

    def check_room(self, count: int = 1) -> None:
        """Refuse to end what runs for as many successors that could not be recorded. Raises `Problem`."""

    def forget(self, process: OwnedProcess) -> None:
        """Remove a row whose first run could not be started."""

    def hold(self, process: OwnedProcess) -> None:
        """Mark the row as read: it is kept until as many calls of `release`."""

    def release(self, process: OwnedProcess) -> None:
        """Undo one `hold`."""
