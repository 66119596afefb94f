"""Read values of a foreign file from its tree: lenient, since the other tool has its own ideas of what is valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence

_LARGEST = 1e9


def text(node: Node | None) -> str | None:
    """Return a scalar as it is written; None for anything else and for null."""
    return node.text if isinstance(node, Scalar) and node.value is not None else None


def is_true(node: Node | None) -> bool:
    """Return whether a scalar means yes."""
    return (text(node) or "").lower() in ("true", "yes", "on", "1")


def number(node: Node | None) -> float | None:
    """Return a scalar as a number; None if it is not one, or is none that a file would hold."""
    try:
        found = float(text(node) or "")
    except ValueError:
        return None
    return found if abs(found) < _LARGEST else None


def whole(word: str | None) -> int | None:
    """Return a text as a whole number; None if it is not one, or is none that a file would hold."""
    return int(word) if word is not None and re.fullmatch(r"[0-9]{1,9}", word) else None


def strings(node: Node | None) -> list[str]:
    """Return a list of scalars as texts; a single scalar is a list of one."""
    if isinstance(node, Sequence):
        return [word for item in node.items if (word := text(item)) is not None]
    word = text(node)
    return [] if word is None else [word]


def split(node: Node | None) -> list[str] | None:
    """Return the words of a command in either form; None for none."""
    if isinstance(node, Scalar):
        try:
            return shlex.split(node.text) if node.value is not None else None
        except ValueError:
            return [node.text]
    return strings(node) if isinstance(node, Sequence) else None


def entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    """Yield keys and values of a mapping; of anything else nothing."""
    if isinstance(node, Mapping):
        for key, (_, value) in node.entries.items():
            yield key, value


def get(node: Node | None, *path: str) -> Node | None:
    """Return the value below nested keys, or None."""
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def pairs(node: Node | None) -> dict[str, str | None]:
    """Return variables given as a mapping or as a list of `NAME=value`; None means the caller's value."""
    if isinstance(node, Sequence):
        found: dict[str, str | None] = {}
        for word in strings(node):
            name, equals, value = word.partition("=")
            found[name.strip()] = value if equals else None
        return found
    return {key: text(value) for key, value in entries(node)}


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Return names that processes may have, by the names that they have elsewhere; no two are equal."""
    found: dict[str, str] = {}
    given: dict[str, int] = {}
    for name in names:
        plain = wanted = plain_name(name)
        while plain in given:
            given[wanted] += 1
            plain = f"{wanted[:55]}-{given[wanted]}"
        given[plain] = 1
        found[name] = plain
    return found


def plain_name(name: str) -> str:
    """Return a name that a process may have: other characters than letters, digits, `_` and `-` become `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:63] or "process"


def escaped(value: str) -> str:
    """Return a text in which no dollar sign is replaced by us: for tools that leave them to the shell."""
    return value.replace("$", "$$")


def shell_text(value: str) -> str:
    """Return a text for a shell, which replaces its variables; `$$`, one dollar sign to the other tool, is one."""
    return re.sub(r"\$\$?", "$$", value)


_VARIABLE = re.compile(
    r"\$\$|\$(?P<plain>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)\}|(?P<guarded>\$\{[A-Za-z_]\w*:?[-?+][^{}]*\})|\$",
    re.ASCII,
)


def expanded(value: str) -> str:
    """Return a text that no shell sees: variables are replaced by us, unset ones by nothing."""

    def written(found: re.Match[str]) -> str:
        name = found["plain"] or found["braced"]
        return f"${{{name}:-}}" if name else found["guarded"] or "$$"

    return _VARIABLE.sub(written, value)


_UNGUARDED = re.compile(r"\$\$|\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def optional(value: str) -> str:
    """Return a text whose variables may be unset: `$A` and `${A}` become `${A:-}`, which is what Compose means."""
    return _UNGUARDED.sub(lambda found: f"${{{found[1] or found[2]}:-}}" if found[0] != "$$" else "$$", value)
