"""Which lines are shown: those that match a pattern, as grep has it. Pure."""

from __future__ import annotations

import re

from sbxcompose.logs.sanitize import without_colours


class LineFilter:
    """Keeps the lines that match a regular expression; with `invert` the others. Raises `re.error`."""

    def __init__(self, pattern: str, *, ignore_case: bool = False, invert: bool = False) -> None:
        self._pattern = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        self._invert = invert

    def keeps(self, line: str) -> bool:
        """Return whether a line, given without colours and line end, is shown."""
        return (self._pattern.search(line) is None) is self._invert

    def matching(self, lines: bytes) -> bytes:
        """Return the whole lines that are shown, as they are."""
        whole = lines[:-1].split(b"\n")
        kept = [line for line in whole if self.keeps(_readable(line))]
        if len(kept) == len(whole):
            return lines
        return b"\n".join(kept) + b"\n" if kept else b""


def _readable(line: bytes) -> str:
    return without_colours(line).removesuffix(b"\r").decode("utf-8", "replace")
