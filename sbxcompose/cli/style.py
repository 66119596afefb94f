"""Colours of what we say ourselves; without them the text reads the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct


class Colored(Struct, frozen=True):
    """A text and its colour: a method of `Style`, which rich has under the same name."""

    text: str
    color: Literal["red", "green", "yellow", "cyan", "dim", "bold"]


def text_of(part: str | Colored) -> str:
    """Return a text without its colour."""
    return part if isinstance(part, str) else part.text


class Style:
    """Wraps text in ANSI colours, or not."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def red(self, text: str) -> str:
        """Something failed."""
        return self._wrap("31", text)

    def green(self, text: str) -> str:
        """Something is as it should be."""
        return self._wrap("32", text)

    def yellow(self, text: str) -> str:
        """Something is under way, or needs a look."""
        return self._wrap("33", text)

    def cyan(self, text: str) -> str:
        """Format a name."""
        return self._wrap("36", text)

    def plain(self, text: str) -> str:
        """Nothing special."""
        return text

    def dim(self, text: str) -> str:
        """Beside the point."""
        return self._wrap("2", text)

    def bold(self, text: str) -> str:
        """Return the point."""
        return self._wrap("1", text)

    def colored(self, part: str | Colored) -> str:
        """Format a text that may have a colour."""
        if isinstance(part, str):
            return part
        format_text: Callable[[str], str] = getattr(self, part.color)
        return format_text(part.text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text
