"""`${VAR:-default}` in a text; pure. The caller says how a variable is looked up, and so learns which
were.

The forms are those of Docker Compose: `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR-default}`,
`${VAR:?message}`, `${VAR?message}`, `${VAR:+alternative}`, `${VAR+alternative}`; with the colon an empty
variable counts as unset. What follows the operator may hold substitutions of its own and pairs of braces
(`${X:-{"a": 1}}`), and ends at the first `}` that closes none of them. `$$` is a dollar sign, and a `$` that
no name or brace follows (`$1`, `$?`, `$(`) stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]
"""The value of a variable, or None if it is not set."""

_DOLLAR = re.compile(r"\$(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<open>\{)|(?P<escaped>\$))")
_BRACED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<op>:?[-?+])|(?=\}))")
_BRACES = re.compile(r"[{}]")
_DEEPEST = 50
"""Braces within braces; more is a mistake, or an attack."""


class InterpolationProblem:
    """One expression that has no value. `expression` is the text as written, to be found in the file.

    `unset`: the name of the variable, if all that is wrong is that it has no value.
    """

    __slots__ = ("expression", "hint", "message", "unset")

    def __init__(self, expression: str, message: str, hint: str, unset: str | None = None) -> None:
        self.expression = expression
        self.message = message
        self.hint = hint
        self.unset = unset


def interpolate(text: str, lookup: Lookup) -> tuple[str, list[InterpolationProblem]]:
    """Return the text with every substitution made, and what could not be made.

    Only the branch that is taken is looked up: in `${A:-${B}}` a missing `B` is not a problem while `A` is set.
    """
    if "$" not in text:
        return text, []
    reader = _ReferenceReader(lookup)
    return reader.read(text), reader.problems


class _ReferenceReader:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.problems: list[InterpolationProblem] = []

    def read(self, text: str) -> str:
        out: list[str] = []
        at = 0
        while (found := _DOLLAR.search(text, at)) is not None:
            out.append(text[at : found.start()])
            at = found.end()
            if found["escaped"]:
                out.append("$")
            elif found["name"]:
                out.append(self._plain(found["name"], found[0]))
            else:
                value, at = self._braced(text, at)
                out.append(value)
        out.append(text[at:])
        return "".join(out)

    def _plain(self, name: str, expression: str) -> str:
        value = self._lookup(name)
        if value is None:
            optional = f"write `${{{name}:-}}` if it may be missing"
            hint = f"set it, {optional}, or `${expression}` to leave it to the shell"
            self.problems.append(InterpolationProblem(expression, f"the variable `{name}` is not set", hint, name))
            return ""
        return value

    def _braced(self, text: str, start: int) -> tuple[str, int]:
        """Read from behind `${`; the value, and where the text continues."""
        end = _closing(text, start)
        found = _BRACED.match(text, start)
        if end is None or found is None:
            whole = text[start - 2 : len(text) if end is None else end + 1]
            hint = "a dollar sign for the shell is written `$$`"
            problem = "is not a substitution"
            if end is None:
                problem = "has no closing `}`, or is nested too deeply"
                hint = f"every `{{` in a default needs its `}}`; {hint}"
            self._problem(whole, f"`{_short(whole)}` {problem}", hint)
            return "", len(text) if end is None else end + 1
        name, op = found["name"], found["op"]
        expression = text[start - 2 : end + 1]
        if op is None:
            return self._plain(name, expression), end + 1
        return self._choose(name, op, text[found.end() : end], expression), end + 1

    def _choose(self, name: str, op: str, rest: str, expression: str) -> str:
        value = self._lookup(name)
        given = value is not None and (value != "" or not op.startswith(":"))
        if op.endswith("+"):
            return self.read(rest) if given else ""
        if given:
            return value or ""
        if op.endswith("-"):
            return self.read(rest)
        said = self.read(rest)
        state = "is empty" if value == "" else "is not set"
        message = f"the variable `{name}` {state}" + (f": {said}" if said else "")
        self._problem(expression, message, f"set `{name}`", name)
        return ""

    def _problem(self, expression: str, message: str, hint: str, unset: str | None = None) -> None:
        self.problems.append(InterpolationProblem(expression, message, hint, unset))


def _closing(text: str, start: int) -> int | None:
    """Where the `}` is that closes the `${` before `start`; also None if it is too deep to be looked for."""
    depth = 1
    for found in _BRACES.finditer(text, start):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.start()
        if depth > _DEEPEST:
            return None
    return None


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
