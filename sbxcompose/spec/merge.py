"""Trees laid over one another: an override over its base, a file over what it includes; pure.

Mappings merge key by key, everything else is replaced; an `env` merges also where one of the two is a list.
"""

from __future__ import annotations

from sbxcompose.spec.nodes import Mapping, Node, Notation, Scalar, Sequence

_DEEPEST = 100


def merge(base: Node, over: Node) -> Node:
    """`over` laid over `base`; both stay as they are. The result's places are those of what won."""
    return _merge(base, over, 0)


def _merge(base: Node, over: Node, depth: int) -> Node:
    if not isinstance(base, Mapping) or not isinstance(over, Mapping) or depth >= _DEEPEST:
        return over
    merged = Mapping(over.document, over.line, over.column, dict(base.entries))
    for key, (key_node, value) in over.entries.items():
        below = base.get(key)
        if below is None:
            merged.entries[key] = (key_node, value)
        elif key == "env":
            merged.entries[key] = (key_node, _merge(as_mapping(below), as_mapping(value), depth + 1))
        else:
            merged.entries[key] = (key_node, _merge(below, value, depth + 1))
    return merged


def as_mapping(node: Node) -> Node:
    """Read a list of `NAME=value` as the mapping it stands for; return anything else as it is."""
    if not isinstance(node, Sequence):
        return node
    entries: dict[str, tuple[Node, Node]] = {}
    for item in node.items:
        if not isinstance(item, Scalar):
            return node
        name, equals, text = item.text.partition("=")
        value = text if equals else None
        written: Notation = "literal" if item.written == "literal" else "quoted"
        entries[name] = (item, Scalar(item.document, item.line, item.column, text, value, written))
    return Mapping(node.document, node.line, node.column, entries)
