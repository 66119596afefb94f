"""Lines of trees that are drawn on a terminal, as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from msgspec import Struct, field

from sbxcompose.cli.style import Colored


class TreeRow(Struct):
    """A line of a tree, in parts that may have colours, and what hangs from it. A line break in it stays."""

    label: Sequence[str | Colored]
    below: list[TreeRow] = field(default_factory=list)


class TreeLike(Protocol):
    """What can be drawn as a tree."""

    @property
    def label(self) -> str | Sequence[str | Colored]:
        """The line."""

    @property
    def below(self) -> Sequence[Self]:
        """What hangs from it."""
