"""Lines of an ignore file -> what they say about one path, with git's semantics; pure.

`pathspec` translates the patterns. What it says about a path also holds for everything below it; git, which walks from
the top and never looks into what is ignored, asks about the path itself: so the expressions have to match all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

_CLASSES = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:blank:]": " \t",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:space:]": " \t\n\r\f\v",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9a-fA-F",
}
_SPECIAL = re.compile(r"[*?\[\\]")
_DIRECTORY = "(?P<ps_d>/)"


class IgnorePattern(Struct, frozen=True):
    """One pattern. `by_name`: it is held against the last part of a path, at any depth; else against the whole path."""

    text: str
    source: str
    negated: bool
    by_name: bool


class Level:
    """The patterns of one place, asked about paths relative to it; the last one that matches decides.

    Most paths match none: literal names, endings and one expression of all the others tell that quickly.
    """

    def __init__(self, patterns: Iterable[IgnorePattern]) -> None:
        self._rules = [(re.compile(pattern.source, re.DOTALL), pattern) for pattern in patterns]
        self._rules.reverse()
        self._names: set[str] = set()
        self._paths: set[str] = set()
        endings: set[str] = set()
        others: dict[bool, list[str]] = {True: [], False: []}
        for _, pattern in self._rules:
            bare = pattern.text.strip("/")
            if not _SPECIAL.search(bare):
                (self._names if pattern.by_name else self._paths).add(bare)
            elif pattern.by_name and bare[0] == "*" and not _SPECIAL.search(bare[1:]):
                endings.add(bare[1:])
            else:
                others[pattern.by_name].append(pattern.source.replace(_DIRECTORY, "/"))
        self._endings = tuple(endings)
        self._name_of_others = _any_of(others[True])
        self._path_of_others = _any_of(others[False])

    def __bool__(self) -> bool:
        return bool(self._rules)

    def verdict(self, path: str, name: str, is_dir: bool) -> bool | None:
        """Return True if ignored, False if taken in, None if no pattern matches. `name` is the last part of `path`."""
        if not path.isascii():
            path, name = bytewise(path), bytewise(name)
        if not self._may_match(path, name, is_dir):
            return None
        whole, last = (path + "/", name + "/") if is_dir else (path, name)
        for expression, pattern in self._rules:
            if expression.fullmatch(last if pattern.by_name else whole):
                return not pattern.negated
        return None

    def _may_match(self, path: str, name: str, is_dir: bool) -> bool:
        if name in self._names or path in self._paths or name.endswith(self._endings):
            return True
        slash = "/" if is_dir else ""
        return bool(
            (self._name_of_others and self._name_of_others.fullmatch(name + slash))
            or (self._path_of_others and self._path_of_others.fullmatch(path + slash))
        )


def parse(content: bytes) -> Level:
    """Return the patterns of an ignore file. What git does not understand matches nothing, as in git."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    return Level(_patterns(line.removesuffix("\r") for line in text.split("\n")))


def level(patterns: Iterable[str]) -> Level:
    """Patterns that are given one by one, as in the project's file."""
    return Level(_patterns(map(bytewise, patterns)))


def bytewise(text: str) -> str:
    """Return a character for each byte: git's patterns know bytes alone, and `?` is one of them."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _patterns(lines: Iterable[str]) -> Iterator[IgnorePattern]:
    for line in lines:
        pattern = _pattern(line)
        if pattern is not None:
            yield pattern


def _pattern(line: str) -> IgnorePattern | None:
    if not line or line[0] == "#":
        return None
    negated = line[0] == "!"
    text = _without_trailing_spaces(line[1:] if negated else line)
    inner = text[:-1] if text.endswith("/") else text
    if not inner:
        return None
    source = _translate(_normal(text, inner))
    return None if source is None else IgnorePattern(inner, source, negated, "/" not in inner)


def _without_trailing_spaces(text: str) -> str:
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    return text


def _normal(text: str, inner: str) -> str:
    """Rewrite a pattern so that the library takes it for the path itself, and not for what lies below it too."""
    slash = text[len(inner) :]
    if inner.strip("*") in ("", "/") and inner != "/*":
        return "?*" + slash  # `*`, `**`, `/**`: anything
    if inner.endswith("/**"):
        inner += "/?*"
    for name, characters in _CLASSES.items():
        inner = inner.replace(name, characters)
    # A comment or a negation has been taken care of, so these are plain characters here.
    return ("\\" if inner[0] in "#!" else "") + inner + slash


def _translate(text: str) -> str | None:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        source: str | None = GitIgnoreSpecPattern.pattern_to_regex(text)[0]
        if source is not None:
            re.compile(source)
    except (ValueError, re.error):
        return None
    return source


def _any_of(sources: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{source})" for source in sources), re.DOTALL) if sources else None
