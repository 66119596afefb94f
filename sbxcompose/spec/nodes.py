"""A file as a tree in which every key and value knows its place, whichever syntax it came from."""

from __future__ import annotations

from typing import Literal

from sbxcompose.errors import Mistake

ScalarValue = str | int | float | bool | None
Notation = Literal["plain", "quoted", "literal"]
"""Without quotes (it may be a number), with them, or where `$` is a character as any other."""


class Document:
    """One file: its name as people know it, its path, and its text.

    `path` is absolute, or "" for standard input; relative names within the file start at `directory`.
    """

    __slots__ = ("_lines", "directory", "name", "path", "text")

    def __init__(self, name: str, path: str, directory: str, text: str = "") -> None:
        self.name = name
        self.path = path
        self.directory = directory
        self.text = text
        self._lines: list[str] | None = None

    def source(self, line: int) -> str:
        """Return a line by its number from 1; "" where there is none."""
        if self._lines is None:
            # Not splitlines: it also cuts at form feeds and the like, which no editor and no parser counts.
            self._lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def mistake(self, message: str, line: int = 0, column: int = 0, hint: str | None = None) -> Mistake:
        """Return a mistake at a place in this file; line and column count from 1."""
        return Mistake(message, file=self.name, line=line, column=column, source=self.source(line), hint=hint)


class Node:
    """A value in a file; line and column count from 1."""

    __slots__ = ("column", "document", "line")

    def __init__(self, document: Document, line: int, column: int) -> None:
        self.document = document
        self.line = line
        self.column = column

    def mistake(self, message: str, hint: str | None = None) -> Mistake:
        """Something wrong with this value."""
        return self.document.mistake(message, self.line, self.column, hint)


class Scalar(Node):
    """`value` is what the text means, and `written` how it stands in the file."""

    __slots__ = ("text", "value", "written")

    def __init__(
        self,
        document: Document,
        line: int,
        column: int,
        text: str,
        value: ScalarValue,
        written: Notation = "quoted",
    ) -> None:
        super().__init__(document, line, column)
        self.text = text
        self.value = value
        self.written = written


class Sequence(Node):
    """Return the schema of a list."""

    __slots__ = ("items",)

    def __init__(self, document: Document, line: int, column: int, items: list[Node]) -> None:
        super().__init__(document, line, column)
        self.items = items


class Mapping(Node):
    """Keys and values, in the order of the file."""

    __slots__ = ("entries",)

    def __init__(
        self, document: Document, line: int, column: int, entries: dict[str, tuple[Node, Node]] | None = None
    ) -> None:
        super().__init__(document, line, column)
        self.entries: dict[str, tuple[Node, Node]] = {} if entries is None else entries
        """Key -> (where the key stands, its value)."""

    def get(self, key: str) -> Node | None:
        """Return the value of a key."""
        found = self.entries.get(key)
        return None if found is None else found[1]


def is_null(node: Node) -> bool:
    """Return whether a key has no value: it counts as not given."""
    return isinstance(node, Scalar) and node.value is None
