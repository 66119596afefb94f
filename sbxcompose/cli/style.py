"""Colours of what we say ourselves; without them the text reads the same."""

from __future__ import annotations


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

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text
