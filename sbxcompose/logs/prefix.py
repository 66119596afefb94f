"""What stands before a line: the label of who wrote it, padded, in a colour of its own. Pure.

A label's colour comes from its name alone, so it is the same in every run and on every terminal; only when
two labels that are known together would share one does the later (by name) move on to the next free colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from zlib import crc32

from sbxcompose.text_width import text_width

PALETTE: Final = (32, 136, 28, 134, 30, 201, 137, 27, 126, 69, 132, 93)
"""Entries of the 256-colour table, chosen by contrast: at least 3.1:1 against black and against white, far
from each other (CIE Lab), and none near red, which means an error here."""

LABEL_LIMIT: Final = 24
"""The widest label in columns; a longer one ends in an ellipsis."""

TAB: Final = 8
"""Columns between two tab stops."""
_TAB_OR_COLOUR: Final = re.compile(r"(\t|\x1b\[[0-9;:]*m)")

_NARROWEST_LABEL: Final = 8

_KEPT: Final = 1024
"""Prefixes that are remembered: runs are counted for as long as a process crashes."""

RESET: Final = b"\x1b[0m"
RED: Final = b"\x1b[31m"

STDOUT: Final = 1
STDERR: Final = 2
SEPARATORS: Final = {STDOUT: b"|", STDERR: b"!"}
"""What stands between label and line tells the streams apart without colour, too."""


def colours(labels: Iterable[str]) -> dict[str, int]:
    """Give each label an entry of the palette, no two the same while there are enough.

    Give it the labels of the whole project, not only those to be shown, and a process keeps its colour when
    it is looked at alone.
    """
    given: dict[str, int] = {}
    taken: set[int] = set()
    for label in sorted(set(labels)):
        slot = _slot(label)
        if len(taken) == len(PALETTE):
            taken.clear()
        while slot in taken:
            slot = (slot + 1) % len(PALETTE)
        taken.add(slot)
        given[label] = PALETTE[slot]
    return given


def colour(label: str) -> int:
    """Return the palette entry of a label that nothing is known about."""
    return PALETTE[_slot(label)]


def without_tabs(text: str, column: int = 0) -> str:
    """Return a line with blanks instead of tabs, as they are on a terminal where it begins in `column`."""
    made = ""
    for piece in _TAB_OR_COLOUR.split(text):
        if piece == "\t":
            piece = " " * (TAB - column % TAB)
        made += piece
        column += 0 if piece.startswith("\x1b") else text_width(piece)
    return made


def fit(label: str, columns: int) -> str:
    """`label` in exactly `columns` columns: padded with spaces, or with an ellipsis for what is too much.

    What is left out is from the middle, because the end tells replicas and runs apart.
    """
    if text_width(label) > columns:
        tail = (columns - 1) // 3
        label = f"{_within(label, columns - 1 - tail)}…{_within(label[::-1], tail)[::-1]}"
    return label + " " * (columns - text_width(label))


def label_limit(columns: int | None) -> int:
    """Return how wide a label may be: a third of the terminal, so that narrow ones have room for the lines."""
    return LABEL_LIMIT if columns is None else min(LABEL_LIMIT, max(columns // 3, _NARROWEST_LABEL))


class Prefixes:
    """The prefixes of the labels known so far; all are as wide as the longest one, up to `limit` columns.

    `runs` shows run numbers (`web#3`). A label that was not announced widens the column for the lines after
    it. `among` are labels that are not shown here, but have colours, too: with those of the whole project a
    process keeps its colour when it is looked at alone.
    """

    def __init__(
        self,
        labels: Iterable[str] = (),
        *,
        colour: bool = False,
        runs: bool = False,
        limit: int = LABEL_LIMIT,
        among: Iterable[str] = (),
    ) -> None:
        known = list(labels)
        self._colour = colour
        self._runs = runs
        self._limit = limit
        self._colours = colours([*known, *among])
        self._width = 0
        self._made: dict[tuple[str, int, int], bytes] = {}
        for label in known:
            self._widen(self._name(label, 1))

    def of(self, label: str, stream: int, run: int) -> bytes:
        """Return what stands before the lines of one stream of one run: `web | `."""
        key = (label, stream, run if self._runs else 0)
        made = self._made.get(key)
        if made is None:
            self._widen(self._name(label, run))
            if len(self._made) >= _KEPT:
                self._made.clear()
            made = self._made[key] = self._make(label, stream, run)
        return made

    def system(self) -> bytes:
        """Return what stands before lines that are about the processes: an empty label and `* `."""
        return b" " * self._width + (b" " if self._width else b"") + b"* "

    def _make(self, label: str, stream: int, run: int) -> bytes:
        text = fit(self._name(label, run), self._width).encode("utf-8", "replace")
        separator = SEPARATORS[stream]
        if not self._colour:
            return text + b" " + separator + b" "
        paint = b"\x1b[38;5;%dm" % self._colour_of(label)
        stderr = RED if stream == STDERR else b""
        return paint + text + b" " + stderr + separator + RESET + b" "

    def _colour_of(self, label: str) -> int:
        """Return the colour of a label, also of one that was not announced: a replica that `scale` has added.

        The first replica, whose label has a number from then on, keeps the colour that it had without.
        """
        if label not in self._colours:
            own = self._colours.get(label.removesuffix(".1"))
            self._colours[label] = _free(label, set(self._colours.values())) if own is None else own
        return self._colours[label]

    def _name(self, label: str, run: int) -> str:
        return f"{label}#{run}" if self._runs else label

    def _widen(self, name: str) -> None:
        columns = min(text_width(name), self._limit)
        if columns > self._width:
            self._width = columns
            self._made.clear()


def _within(text: str, columns: int) -> str:
    """As much of the beginning of `text` as fits."""
    while text_width(text) > columns:
        text = text[:-1]
    return text


def _free(label: str, taken: set[int]) -> int:
    """Return the colour of a label, or the next one that is not taken."""
    slot = _slot(label)
    after = [PALETTE[(slot + step) % len(PALETTE)] for step in range(len(PALETTE))]
    return next((entry for entry in after if entry not in taken), PALETTE[slot])


def _slot(label: str) -> int:
    return crc32(label.encode("utf-8", "surrogatepass")) % len(PALETTE)
