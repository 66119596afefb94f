r"""Files of variables: `.env` and what `env_file` names; pure.

A line is `NAME=value`, with `export` before it if one likes, a comment (`#`), or empty; `NAME` alone takes
the caller's value. `'…'` is literal; `"…"` knows `\n`, `\t`, `\r`, `\"`, `\\` and `\$`; both may go
over several lines. Outside of single quotes `${VAR}` is replaced: by the environment, or else by a line
above, or else by an earlier file. Behind a bare value, a `#` after a blank begins a comment. Where bash,
Docker Compose and python-dotenv agree on a value, it is that value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from sbxcompose.errors import Mistake
from sbxcompose.spec.interpolate import Lookup, interpolate
from sbxcompose.spec.nodes import Document

_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?P<equals>=)?")
_SINGLE = re.compile(r"'([^']*)'")
_ESCAPED_SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"[ \t]+#.*")
_COLON = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*:\s*(.*?)\s*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


def parse_dotenv(
    document: Document,
    environment: Lookup,
    mistakes: list[Mistake],
    *,
    earlier: Mapping[str, str] = _NOTHING,
    literal: bool = False,
) -> dict[str, str]:
    """Read the variables of a file; mistakes are added to `mistakes`.

    `environment` is the caller's, `earlier` has the variables of the files before this one. `literal`: a dollar
    sign means itself, as in the `.env` of a Procfile.
    """
    return _Parser(document, environment, mistakes, earlier, literal).parse()


class _Parser:
    def __init__(
        self,
        document: Document,
        environment: Lookup,
        mistakes: list[Mistake],
        earlier: Mapping[str, str],
        literal: bool,
    ) -> None:
        self._document = document
        self._environment = environment
        self._mistakes = mistakes
        self._earlier = earlier
        self._literal = literal
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
            self._wrong(start, "a line must be `NAME=value`", _line_hint(self._text[start:end]))
            self._at = end + 1
        elif not found["equals"]:
            self._at = end + 1
            value = self._environment(found["name"])
            if value is not None:
                self.values[found["name"]] = value
        else:
            self._value(found["name"], found.end(), end)

    def _value(self, name: str, after_equals: int, end: int) -> None:
        text = self._text[after_equals:end]
        start = after_equals + len(text) - len(text.lstrip(" \t"))
        quote = self._text[start : start + 1]
        if quote == "'":
            self._quoted(name, start, self._single(start))
        elif quote == '"':
            self._quoted(name, start, _DOUBLE.match(self._text, start))
        else:
            self._at = end + 1
            if quote == "`" and not self._literal:
                self._wrong(start, "a backtick does not quote here", "write '...' or \"...\"")
            # A comment needs a blank before it: `CHANNEL=#alerts` is a value.
            self.values[name] = self._interpolated(_COMMENT.sub("", text).strip(), start)

    def _single(self, start: int) -> re.Match[str] | None:
        r"""Find the end of `'…'`. `'It\'s'`, which no shell can read, is read as other tools do."""
        found = _SINGLE.match(self._text, start)
        if found is not None and found[1].endswith("\\") and not _REST.match(self._text, found.end()):
            escaped = _ESCAPED_SINGLE.match(self._text, start)
            if escaped is not None and _REST.match(self._text, escaped.end()):
                return escaped
        return found

    def _quoted(self, name: str, start: int, found: re.Match[str] | None) -> None:
        if found is None:
            self._wrong(start, f"the quote is never closed ({self._text[start]})", None)
            self._at = len(self._text)
            return
        rest = _REST.match(self._text, found.end())
        self._at = self._line_end(found.end()) + 1
        if rest is None:
            self._wrong(found.end(), "something follows the closing quote", "quote all of the value, or nothing")
        if found.re is _DOUBLE:
            self.values[name] = self._double(found[1], start)
        else:
            self.values[name] = found[1].replace("\\'", "'") if found.re is _ESCAPED_SINGLE else found[1]

    def _double(self, inner: str, start: int) -> str:
        r"""Escapes first become themselves; `\$` becomes `$$`, which interpolation turns into `$`."""
        dollar = "$" if self._literal else "$$"
        text = re.sub(r"\\(.)", lambda found: dollar if found[1] == "$" else _unescape(found), inner, flags=re.DOTALL)
        return self._interpolated(text, start)

    def _interpolated(self, text: str, start: int) -> str:
        if self._literal:
            return text
        value, problems = interpolate(text, self._lookup)
        for problem in problems:
            found = self._text.find(problem.expression, start)
            hint = f"{problem.hint}; in single quotes a dollar sign means itself"
            self._wrong(found if found >= 0 else start, problem.message, hint)
        return value

    def _lookup(self, name: str) -> str | None:
        value = self._environment(name)
        if value is None:
            value = self.values.get(name)
        return self._earlier.get(name) if value is None else value

    def _wrong(self, position: int, message: str, hint: str | None) -> None:
        begin, line = self._counted if self._counted[0] <= position else (0, 1)
        line += self._text.count("\n", begin, position)
        self._counted = (position, line)
        column = position - (self._text.rfind("\n", 0, position) + 1) + 1
        self._mistakes.append(self._document.mistake(message, line, column, hint))


def _line_hint(line: str) -> str | None:
    """Return the hint for a line that is not an assignment."""
    if (found := _COLON.fullmatch(line)) is not None:
        return f"write `{found[1]}={found[2]}`"
    name, equals, _ = line.partition("=")
    if equals and name.strip():
        return f"`{name.strip()}` cannot be a name: letters, digits and `_`, and no digit first"
    return None


def _unescape(found: re.Match[str]) -> str:
    character = found[1]
    return _ESCAPES.get(character) or (character if character in '"\\' else found[0])
