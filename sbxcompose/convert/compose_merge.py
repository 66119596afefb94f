"""One mapping of a Compose file laid over another, as Compose does it: override files, `extends`; pure."""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.convert.values import text
from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence

_DEEPEST = 5
"""Levels that are merged; what lies deeper is replaced. Services have four, and aliases could multiply the work."""
_NAMED = frozenset(("environment", "labels", "depends_on"))
"""Lists that mean mappings."""
_REPLACED = frozenset(("command", "entrypoint", "test", "args"))
RESET, OVERRIDE = "!reset", "!override"
"""Tags of Compose: take back what a lower file says; take the value as it is, merged with nothing."""


def merged(base: Mapping, over: Mapping, without: Iterable[str] = (), depth: int = 0) -> Mapping:
    """Return `over` laid over `base`, which loses the keys in `without`: mappings key by key, lists joined."""
    entries = {key: value for key, value in base.entries.items() if key not in without}
    for key, (place, node) in over.entries.items():
        if (tag := _tag(node)) == RESET:
            entries.pop(key, None)
            continue
        earlier = base.get(key) if key in entries and tag != OVERRIDE else None
        entries[key] = (place, node if earlier is None else _laid_over(key, earlier, node, depth))
    return Mapping(over.document, over.line, over.column, entries)


def _laid_over(key: str, base: Node, over: Node, depth: int) -> Node:
    if key in _REPLACED or depth >= _DEEPEST:
        return over
    if key in _NAMED:
        base, over = _as_mapping(base), _as_mapping(over)
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return merged(base, over, (), depth + 1)
    if isinstance(base, Sequence) and isinstance(over, Sequence):
        # What comes first counts where only one can: of ports, and of mounts at one place.
        return Sequence(over.document, over.line, over.column, [*over.items, *base.items])
    return over


def _as_mapping(node: Node) -> Node:
    """Return a list of names or of `NAME=value` as a mapping."""
    if not isinstance(node, Sequence):
        return node
    entries: dict[str, tuple[Node, Node]] = {}
    for item in node.items:
        name, equals, value = (text(item) or "").partition("=")
        given = value if equals else None
        entries[name] = (item, Scalar(item.document, item.line, item.column, value, given))
    return Mapping(node.document, node.line, node.column, entries)


def _tag(node: Node) -> str:
    """Return the tag that is written before a value, "" for none: a value's place is that of its tag."""
    before = node.document.source(node.line)[node.column - 1 :]
    return before.split(maxsplit=1)[0] if before.startswith("!") else ""
