"""How a sandbox is watched: by our extension where its daemon speaks it, else by the contract's own routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from sbxcompose.api import follow
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient

if TYPE_CHECKING:
    from sbxcompose.engine.contract.turns import FollowTurns


class StateStream(Protocol):
    """Rows and output as one ordered stream that survives broken connections."""

    def events(self) -> AsyncGenerator[follow.FollowEvent, None]:
        """Return what happens, in order. Raises `Refused`, or `Unreachable` when it stays broken."""

    def attention(self) -> AbstractContextManager[None]:
        """Mark that a caller waits for a change of a row."""

    async def started(self, info: ProcessInfo) -> bool:
        """Take note of the answer to a start; True if its row is to be told by the watch alone, after its output."""

    async def catch_up(self) -> bool:
        """Wait until all that has happened up to now has been told; False where only a list can say that."""


def open_stream(
    client: SandboxClient,
    selection: follow.WatchSelection,
    *,
    lazy: bool = False,
    eager: bool = True,
    patient: bool = False,
    turns: Callable[[], FollowTurns] | None = None,
) -> StateStream:
    """Open a stream of what is selected, see `follow.Watch`. Only our own host keeps notes.

    `eager`: changes of rows are wanted even while no caller holds `attention`. `patient`: our own host is waited for as
    long as it takes. `turns`: those that followed processes of all sandboxes take, where each needs a stream.
    """
    if "watch" in client.extensions:
        from sbxcompose.api.follow import Watch

        return Watch(client, selection, lazy=lazy, patient=patient)
    from sbxcompose.api.contract_follow import watching
    from sbxcompose.engine.contract.watch import PlainWatch

    shared = turns() if turns is not None and selection.logs is not None else None
    return PlainWatch(watching(client), selection, eager=eager, turns=shared)
