r"""Files of variables: `.env` and what `env_file` names; pure.

A line is `NAME=value`, with `export` before it if one likes, a comment (`#`), or empty; `NAME` alone takes
the caller's value. `'…'` is literal; `"…"` knows `\n`, `\t`, `\r`, `\"`, `\\` and `\$`; both may go
over several lines. Outside of single quotes `${VAR}` is replaced: by the environment, or else by a line
above. Behind a bare value, ` #` begins a comment.
"""

from __future__ import annotations

import re

from sbxcompose.errors import Mistake
from sbxcompose.spec.interpolate import Lookup, interpolate
from sbxcompose.spec.nodes import Document

_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?P<equals>=[ \t]*)?")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_dotenv(document: Document, lookup: Lookup, mistakes: list[Mistake]) -> dict[str, str]:
    """The variables of a file; mistakes are added to `mistakes`. `lookup` is the caller's environment."""
    return _Parser(document, lookup, mistakes).parse()


class _Parser:
    def __init__(self, document: Document, lookup: Lookup, mistakes: list[Mistake]) -> None:
        self._document = document
        self._environment = lookup
        self._mistakes = mistakes
        self._text = document.text.replace("\r\n", "\n").replace("\r", "\n")
        self._at = 0
        self._counted = (0, 1)
        self.values: dict[str, str] = {}

    def parse(self) -> dict[str, str]:
        while self._at < len(self._text):
            start = self._at
            end = self._line_end(start)
            line = self._text[start:end].strip()
            if not line or line.startswith("#"):
                self._at = end + 1
                continue
            self._assignment(start, end)
        return self.values

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _assignment(self, start: int, end: int) -> None:
        found = _START.match(self._text, start, end)
        if found is None or (not found["equals"] and not _REST.match(self._text, found.end())):
            self._wrong(start, "a line must be `NAME=value`", None)
            self._at = end + 1
        elif not found["equals"]:
            self._at = end + 1
            value = self._environment(found["name"])
            if value is not None:
                self.values[found["name"]] = value
        else:
            self._value(found["name"], found.end(), end)

    def _value(self, name: str, start: int, end: int) -> None:
        quote = self._text[start : start + 1]
        if quote not in ("'", '"'):
            self._at = end + 1
            bare = _COMMENT.sub("", self._text[start:end]).strip()
            self.values[name] = self._interpolated(bare, start)
            return
        found = (_SINGLE if quote == "'" else _DOUBLE).match(self._text, start)
        if found is None:
            self._wrong(start, f"the quote is never closed ({quote})", None)
            self._at = len(self._text)
            return
        rest = _REST.match(self._text, found.end())
        self._at = self._line_end(found.end()) + 1
        if rest is None:
            self._wrong(found.end(), "something follows the closing quote", "quote all of the value, or nothing")
        self.values[name] = found[1] if quote == "'" else self._double(found[1], start)

    def _double(self, inner: str, start: int) -> str:
        r"""Escapes first become themselves; `\$` becomes `$$`, which interpolation turns into `$`."""
        text = re.sub(r"\\(.)", _unescape, inner, flags=re.DOTALL)
        return self._interpolated(text, start)

    def _interpolated(self, text: str, start: int) -> str:
        value, problems = interpolate(text, self._lookup)
        for problem in problems:
            found = self._text.find(problem.expression, start)
            hint = f"{problem.hint}; in single quotes a dollar sign means itself"
            self._wrong(found if found >= 0 else start, problem.message, hint)
        return value

    def _lookup(self, name: str) -> str | None:
        value = self._environment(name)
        return self.values.get(name) if value is None else value

    def _wrong(self, position: int, message: str, hint: str | None) -> None:
        begin, line = self._counted if self._counted[0] <= position else (0, 1)
        line += self._text.count("\n", begin, position)
        self._counted = (position, line)
        column = position - (self._text.rfind("\n", 0, position) + 1) + 1
        self._mistakes.append(self._document.mistake(message, line, column, hint))


def _unescape(found: re.Match[str]) -> str:
    character = found[1]
    if character == "$":
        return "$$"
    return _ESCAPES.get(character) or (character if character in '"\\' else found[0])
