"""Facts for people: a name, what is known, and a remedy; lists of them on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from sbxcompose.cli.style import Colored


class Fact(Struct, frozen=True):
    """`hint` is what to do about it, `mark` says how it is judged."""

    name: str
    text: str
    hint: str | None = None
    mark: Colored | None = None


class FactList(Struct, frozen=True):
    """Facts under a title."""

    facts: Sequence[Fact]
    title: str | None = None
