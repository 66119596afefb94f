"""From a path such as `("processes", "web", "env")` to its place in a file."""

from __future__ import annotations

from sbxcompose.errors import Mistake
from sbxcompose.spec.merge import as_mapping
from sbxcompose.spec.nodes import Mapping, Node, Sequence
from sbxcompose.spec.values import Path


class Places:
    """Finds the node that a path leads to, or the nearest one above it: a short form has no deeper places."""

    def __init__(self, root: Node) -> None:
        self._root = root

    def value(self, path: Path) -> Node:
        """Return the value at the path."""
        return self._find(path)[1]

    def key(self, path: Path) -> Node:
        """Return the key whose value is at the path."""
        return self._find(path)[0]

    def mistake(self, path: Path, message: str, hint: str | None = None, *, on_key: bool = False) -> Mistake:
        """Return a mistake at the path."""
        return (self.key(path) if on_key else self.value(path)).mistake(message, hint)

    def mistake_behind(self, path: Path, before: str, message: str, hint: str | None) -> Mistake:
        """Return a mistake at the last character of `before`, with which the text at the path begins.

        It stands at the beginning of the value if the file has that text in another form (folded, with escapes).
        """
        node = self.value(path)
        needle = before.rpartition("\n")[2]
        in_block = node.document.source(node.line)[node.column - 1 :].startswith("|")
        number = node.line + in_block + before.count("\n")
        start = node.column - 1 if number == node.line else 0
        found = node.document.source(number).find(needle, start)
        if found < 0:
            return node.mistake(message, hint)
        return node.document.mistake(message, number, found + len(needle), hint)

    def _find(self, path: Path) -> tuple[Node, Node]:
        key = node = self._root
        for step in path:
            if isinstance(step, str) and isinstance(node, Sequence):
                node = as_mapping(node)
            if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
                key, node = node.entries[step]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                key = node = node.items[step]
            else:
                break
        return key, node
