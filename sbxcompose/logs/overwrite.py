r"""The final state of a line that a process writes over again, as progress bars do. Pure.

Understood are what stays within a line: `\r`, `\b`, and the sequences CSI G and ` (to a column), C and D (right and
left), K (erase), X (erase characters), P (delete characters). Colours are kept with the text that they were written
with. Everything else is left for `sanitize` to drop, as if the terminal had not moved.
"""

from __future__ import annotations

import re
from typing import Final

from sbxcompose.text_width import text_width

_MOVES_BACK: Final = re.compile(r"\x1b\[[0-9]{0,4}[D`G]")
"""To erase (CSI K) without having gone back changes nothing."""
_BLANKS = r"(?:\r|\x1b\[1?[G`])\x1b\[[02]?K|\x1b\[2K(?:\r|\x1b\[1?[G`])"
_BLANK: Final = re.compile(_BLANKS)
"""The line is empty after it, and the cursor is at its beginning."""
_BLANKED: Final = re.compile(rf"^[^\n\x1b\r\x08]*(?:{_BLANKS})", re.MULTILINE)
_TOKEN: Final = re.compile(
    r"\x1b\[([0-9;:?]*)([ -/]*)([@-~])"  # control sequences
    r"|\x1b[\]P_^X][^\x00-\x1f]*(?:\x07|\x1b\\)?"  # strings
    r"|\x1b.?|\x08|[^\x1b\x08]+"
)
_CONTROL: Final = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-ln-~]")
"""A control sequence other than a colour."""
_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_UNWRITTEN: Final = (" ", "")
"""A cell that nothing stands in, told from a written blank by identity."""
_MAX_COLUMNS: Final = 4096
"""A cursor that is sent further right stays there."""


def is_overwritten(text: str) -> bool:
    r"""Whether the cursor goes back anywhere in it. `\r` before a line end does not count: remove it first."""
    return "\r" in text or "\x08" in text or ("\x1b" in text and _MOVES_BACK.search(text) is not None)


def final_states(text: str) -> str:
    """Lines as they are in the end."""
    text = _BLANKED.sub("", text)
    if not is_overwritten(text):
        return text
    return "\n".join([final_state(line) if is_overwritten(line) else line for line in text.split("\n")])


def final_state(line: str) -> str:
    """Return what stands on a line, given without its end, after all that was written to it."""
    begin = max((found.end() for found in _BLANK.finditer(line)), default=0)
    colours, line = _colours(line[:begin]), line[begin:]
    still = "\x08" not in line and ("\x1b" not in line or _CONTROL.search(line) is None)
    parts = line.split("\r")
    if still and len(parts) == 1 and not colours:
        return line
    if still:
        parts = _visible(parts)
    screen = _Line()
    screen.write(colours)
    for part in parts:
        screen.column = 0
        screen.write(part)
    return screen.text()


def shortened(held: str) -> str:
    r"""Shorten an unfinished line to characters that come to the same state, up to its last `\r`."""
    at = held.rfind("\r")
    return final_state(held[:at]) + _colours(held[:at]) + held[at:] if at > 0 else held


def _colours(text: str) -> str:
    """Return the colours in effect after the text, as far as one has to look for that."""
    return "".join(_SGR.findall(text)[-4:]) if "\x1b" in text else ""


def _visible(parts: list[str]) -> list[str]:
    """Of states, each written from the first column on, those of which something is left, and the others' colours."""
    kept: list[str] = []
    covered = 0
    for part in reversed(parts):
        columns = text_width(_SGR.sub("", part)) if len(part) * 2 > covered else 0
        kept.append(part if columns > covered else _colours(part))
        covered = max(covered, columns)
    return kept[::-1]


class _Line:
    """Cells of one character each, with the colours that they were written in."""

    def __init__(self) -> None:
        self.column = 0
        self._style = ""
        self._cells: list[tuple[str, str]] = []

    def write(self, text: str) -> None:
        """Write at the cursor what has no carriage return in it."""
        for token in _TOKEN.finditer(text):
            piece = token[0]
            if piece == "\x08":
                self.column = max(self.column - 1, 0)
            elif not piece.startswith("\x1b"):
                self._put(piece)
            elif token[3] == "m" and not token[2]:
                self._colour(piece)
            elif token[3] and not token[2]:
                self._move(token[1], token[3])

    def text(self) -> str:
        """Return the line, up to the last cell that was written to."""
        made: list[str] = []
        before = ""
        cells = self._cells
        while cells and cells[-1] is _UNWRITTEN:
            cells.pop()
        for char, style in cells:
            if style != before:
                made.append(("\x1b[0m" if before else "") + style)
                before = style
            made.append(char)
        return "".join(made) + ("\x1b[0m" if before else "")

    def _put(self, text: str) -> None:
        for char in text:
            if char < " " and char != "\t":
                continue
            columns = 1 if char < "\u0300" else text_width(char)
            if columns == 0:  # combines with the character before it
                if 0 < self.column <= len(self._cells):
                    base, style = self._cells[self.column - 1]
                    self._cells[self.column - 1] = (base + char, style)
                continue
            end = self.column + columns
            self._cells.extend([_UNWRITTEN] * (end - len(self._cells)))
            self._split(self.column)
            self._split(end)
            self._cells[self.column : end] = [(char, self._style), ("", self._style)][:columns]
            self.column = end

    def _split(self, at: int) -> None:
        """Blank both halves of a wide character of which one is about to be overwritten."""
        if 0 < at < len(self._cells) and self._cells[at][0] == "":
            self._cells[at - 1 : at + 1] = [_UNWRITTEN, _UNWRITTEN]

    def _colour(self, sequence: str) -> None:
        parameters = sequence[2:-1]
        if parameters in ("", "0"):
            self._style = ""
        elif parameters.startswith("0;"):
            self._style = sequence
        else:
            self._style = (self._style + sequence)[-128:] if len(self._style) < 64 else sequence

    def _move(self, parameters: str, final: str) -> None:
        count = int(parameters) if parameters.isdecimal() and len(parameters) < 5 else 0
        match final:
            case "G" | "`":
                self.column = min(max(count, 1) - 1, _MAX_COLUMNS)
            case "C":
                self.column = min(self.column + max(count, 1), _MAX_COLUMNS)
            case "D":
                self.column = max(self.column - max(count, 1), 0)
            case "K":
                self._erase(count)
            case "X":
                for at in range(self.column, min(self.column + max(count, 1), len(self._cells))):
                    self._cells[at] = _UNWRITTEN
            case "P":
                del self._cells[self.column : self.column + max(count, 1)]

    def _erase(self, how: int) -> None:
        """CSI K: 0 to the end, 1 from the beginning, 2 all of it."""
        if how in (0, 2):
            del self._cells[0 if how == 2 else self.column :]
        if how == 1:
            for at in range(min(self.column + 1, len(self._cells))):
                self._cells[at] = _UNWRITTEN
