"""Where a process is defined, for those who point at it; reads the files again, so only failures are worth it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sbxcompose.errors import Mistake
from sbxcompose.spec.nodes import Document, Mapping, Node
from sbxcompose.spec.procfile import is_procfile, read_procfile
from sbxcompose.spec.yaml import Malformed, read_yaml


def definition_place(files: Iterable[str], sandbox: str, process: str) -> tuple[str, int] | None:
    """Return the path and the line (from 1) of the last file that defines it; None where that cannot be found."""
    for path in reversed(tuple(files)):
        root = _tree(path)
        for keys in (("sandboxes", sandbox, "processes", process), ("processes", process)):
            line = _line_of(root, keys)
            if line is not None:
                return path, line
    return None


def _tree(path: str) -> Node | None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return None
    document, mistakes = Document(path, path, os.path.dirname(path), text), list[Mistake]()
    if is_procfile(os.path.basename(path), text):
        return read_procfile(document, mistakes)
    try:
        return read_yaml(document, mistakes)
    except Malformed:  # it has been edited since
        return None


def _line_of(root: Node | None, keys: Iterable[str]) -> int | None:
    node, line = root, None
    for key in keys:
        if not (isinstance(node, Mapping) and key in node.entries):
            return None
        place, node = node.entries[key]
        line = place.line
    return line
