"""Quotes of a shell command that are never closed, where every shell refuses the command because of that; pure.

Only what POSIX shells agree on is followed. At the first construct in which quotes mean something else, or different
things to different shells (here-documents, command substitution, arithmetic, `$'...'`), nothing is said at all.
"""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""
    (?P<escaped>\\(?:\n|.|\Z))
    | (?P<single>'[^']*'?)
    | (?P<double>"(?:[^"\\`$]|\\.|\$(?![({])|\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-=+?][^"'\\`${}]*)?\})*)
    | (?P<unclear>`|\$['({]|<<|\#)
    | (?P<separator>[\s;&|()<>])
    | (?P<other>[^\s;&|()<>\\'"`$\#]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SIMPLE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ENDS_THE_SHELL = re.compile(r"\b(exec|exit|return)\b")


def unclosed_quote(text: str) -> int | None:
    """Return where the quote opens, from 0, for which a shell refuses the text; None if it may well accept it."""
    at = 0
    line = 0  # where the current line of commands begins: what is before it is carried out before this is read
    is_word_start = True
    while found := _PIECE.match(text, at):
        kind, start = found.lastgroup, found.start()
        at = found.end()
        if kind == "single" and (len(found[0]) == 1 or not found[0].endswith("'")):
            return _certain(text, line, start)
        if kind == "double":
            if at == len(text):
                return _certain(text, line, start)
            if text[at] != '"':
                return None
            at += 1
        if kind == "unclear":
            if found[0] == "#" and not is_word_start:
                continue
            if found[0] == "#":
                at = text.find("\n", start) if "\n" in text[start:] else len(text)
                continue
            simple = _SIMPLE_VARIABLE.match(text, start)
            if simple is None:
                return None
            at = simple.end()
        if kind == "separator" and "\n" in found[0]:
            line = at
        if found[0] != "\\\n":
            is_word_start = kind == "separator"
    return None


def _certain(text: str, line: int, start: int) -> int | None:
    """Return `start`, unless a command before its line may have ended the shell before it comes there."""
    return None if _ENDS_THE_SHELL.search(text, 0, line) else start
