"""A tree of nodes -> plain values for the models, with `${VAR}` replaced.

Where the models want text (a command, a variable's value), a scalar counts as it is written: `VERSION:
1.10` is `1.10` and the command `true` is a word. Names with an empty value count as not given, and so do keys of
a model, which says itself whether it has them (`base_models.Strict`); `x-` keys are for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sbxcompose.errors import Mistake
from sbxcompose.spec.interpolate import InterpolationProblem, Lookup, interpolate
from sbxcompose.spec.keys import keys_of
from sbxcompose.spec.merge import as_mapping
from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence
from sbxcompose.spec.project import Pairs, Process
from sbxcompose.spec.scalars import resolve

Path = tuple[str | int, ...]
"""Where a value stands: keys and list indexes from the root."""

_MOST = 200_000
"""How many values may come from writing out aliases; what is written out already counts for itself."""
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Shape:
    """What the conversion must know of a place in the spec: see the module."""

    keys: dict[str, Shape] = field(default_factory=dict)
    entry: Shape | None = None
    """The shape of every value of a mapping whose keys are names."""
    text: bool = False
    nulls: Literal["drop", "keep", "empty"] = "keep"
    """What becomes of a key without a value: a model looks at its own keys, a mapping of names does not."""
    extensible: bool = False
    """Whether `x-` keys are allowed."""


TEXT = Shape(text=True)
_WORDS = Shape(text=True, nulls="drop")
_COMMON = {"env": TEXT}
_PROCESS = Shape(
    {
        **_COMMON,
        "command": TEXT,
        "user": TEXT,
        "health_check": Shape({"exec": TEXT}),
        "ready_when": Shape({"exec": TEXT}),
        "stop": Shape({"command": TEXT}),
        "watch": Shape({"run": TEXT}),
        **{name: _WORDS for name, (kind, _) in keys_of(Process).items() if kind in (str, str | None, Pairs)},
    },
    extensible=True,
)
_PROCESSES = Shape(entry=_PROCESS, nulls="empty")
_SANDBOX = Shape({**_COMMON, "setup": TEXT, "processes": _PROCESSES, "connect": Shape(nulls="drop")}, extensible=True)
ROOT = Shape({**_COMMON, "sandboxes": Shape(entry=_SANDBOX, nulls="empty"), "processes": _PROCESSES}, extensible=True)
"""The whole file."""
_ANY = Shape()


@dataclass(frozen=True, slots=True)
class InterpolatedValue:
    """A value that was made from variables."""

    path: Path
    names: frozenset[str]
    node: Scalar


class Converter:
    """Converts one tree; `mistakes` and `uses` (which values came from which variables) grow as it goes.

    `unset` has the places of values whose variables have no value, each with its mistake.

    `size` is the number of characters in all files: no file has more values than that without aliases.
    `exhausted`: there are more still, or they are nested too deeply, and the result is of no use.
    """

    def __init__(self, lookup: Lookup, size: int = 0) -> None:
        self._lookup = lookup
        self._most = _MOST + size
        self.exhausted = False
        self._path: list[str | int] = []
        self._environments: list[Node] = []
        """The `env` of each level around the current value, from the file to the process."""
        self._count = 0
        self.mistakes: list[Mistake] = []
        self.unset: list[tuple[Path, Mistake]] = []
        self.uses: list[InterpolatedValue] = []
        self.broken: set[tuple[str, int, int]] = set()
        """The places (file, line, column) of values that could not be made: nothing else is to be said of them."""

    def convert(self, node: Node, shape: Shape = ROOT) -> Any:
        """Return the plain value: None, bool, int, float, str, tuple or dict."""
        self._count += 1
        if isinstance(node, Scalar):
            return self._scalar(node, shape)
        if self._count > self._most or len(self._path) > _DEEPEST:
            self._refuse(node)
            return None
        if isinstance(node, Sequence):
            return self._sequence(node, shape)
        assert isinstance(node, Mapping)
        env = node.get("env") if "env" in shape.keys else None
        if env is not None:
            self._environments.append(as_mapping(env))
        values = self._mapping(node, shape)
        if env is not None:
            self._environments.pop()
        return values

    def _sequence(self, node: Sequence, shape: Shape) -> tuple[Any, ...]:
        items = []
        for index, item in enumerate(node.items):
            self._path.append(index)
            items.append(self.convert(item, shape))
            self._path.pop()
        return tuple(items)

    def _mapping(self, node: Mapping, shape: Shape) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, (_, child) in node.entries.items():
            if shape.extensible and key.startswith("x-"):
                continue
            self._path.append(key)
            value = self.convert(child, self._shape_of(key, shape))
            self._path.pop()
            if value is not None or shape.nulls == "keep":
                values[key] = value
            elif shape.nulls == "empty":
                values[key] = {}
        return values

    @staticmethod
    def _shape_of(key: str, shape: Shape) -> Shape:
        return shape if shape.text else shape.entry or shape.keys.get(key, _ANY)

    def _scalar(self, node: Scalar, shape: Shape) -> Any:
        text = node.text
        if "\0" in text:
            self.mistakes.append(node.mistake("a NUL character cannot be part of a command, a name or a variable"))
            return self._stand_in(node)
        if "$" not in text or node.written == "literal":
            return text if shape.text and node.value is not None else node.value
        value = self._interpolated(node)
        return resolve(value) if node.written == "plain" and not shape.text else value

    def _interpolated(self, node: Scalar) -> str:
        names: set[str] = set()

        def lookup(name: str) -> str | None:
            names.add(name)
            return self._lookup(name)

        value, problems = interpolate(node.text, lookup)
        for problem in problems:
            mistake = _located(node, problem, self._own_variable_hint(problem) or problem.hint)
            if problem.unset is not None:
                self.unset.append((tuple(self._path), mistake))
            else:
                self.mistakes.append(mistake)
        if names:
            self.uses.append(InterpolatedValue(tuple(self._path), frozenset(names), node))
        return self._stand_in(node) if problems else value

    def _own_variable_hint(self, problem: InterpolationProblem) -> str | None:
        """Return the way out for a variable that the file itself sets in `env`."""
        name = problem.unset
        if name is None or not any(isinstance(env, Mapping) and name in env.entries for env in self._environments):
            return None
        if env_position(tuple(self._path)) is not None:
            return f"`{name}` is set in `env`, whose values cannot use each other: set `{name}` in `.env`"
        written = problem.expression
        return f"`{name}` is set in `env`, which the process sees and this file does not: write `${written}`"

    def _stand_in(self, node: Scalar) -> str:
        """For a value that could not be made: something, so that no key seems to be missing."""
        self.broken.add((node.document.name, node.line, node.column))
        return node.text.replace("\0", " ")

    def _refuse(self, node: Node) -> None:
        if self.exhausted:
            return
        self.exhausted = True
        if self._count > self._most:
            message = f"with its aliases written out, the file has more than {self._most} values"
            hint = "aliases of aliases multiply: write out what you need"
            self.mistakes.append(node.mistake(message, hint))
        else:
            self.mistakes.append(node.mistake(f"nested more than {_DEEPEST} levels deep"))


def env_position(path: Path) -> int | None:
    """Where in the path `env` is the key of a level: at the top, in a sandbox, in a process."""
    for at in (0, 2, 4):
        if len(path) > at + 1 and path[at] == "env":
            return at
    return None


def _located(node: Scalar, problem: InterpolationProblem, hint: str) -> Mistake:
    """Return the mistake, at the expression itself if it can be found behind the beginning of the scalar."""
    document, line, column = node.document, node.line, node.column
    needle = problem.expression.split("\n", 1)[0]
    for number in range(line, min(line + node.text.count("\n") + 3, line + 1000)):
        found = document.source(number).find(needle, column - 1 if number == line else 0)
        if found >= 0:
            line, column = number, found + 1
            break
    return document.mistake(problem.message, line, column, hint)
