"""What a status block shows: how far a command is, what it waits for, and copies under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from sbxcompose.plan.waits import Wait

if TYPE_CHECKING:
    from sbxcompose.files.transfer import TransferProgress


class Live(Struct, frozen=True):
    """The content of a status block; false if there is nothing to show. Waits have their seconds so far."""

    header: str | None = None
    rows: tuple[tuple[Wait, float], ...] = ()
    copies: tuple[tuple[str, TransferProgress], ...] = ()
    """How far the copies into sandboxes are, by their names."""

    def __bool__(self) -> bool:
        return bool(self.rows or self.copies)


class LiveBlock(Protocol):
    """Where it is shown: below the lines of a command, on a terminal."""

    def draw(self, live: Live) -> None:
        """Show it in place of what was shown; an empty one takes that away."""

    def make_room(self) -> None:
        """Take everything away that is not final, because another writer uses the terminal."""
