"""The rules of a directory on this disk."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sbxcompose.files.ignore import Rules


def load_rules(root: str, patterns: Iterable[str] = ()) -> Rules:
    """Return the rules for what lies below `root`: `patterns`, and all ignore files up to the top of its git
    repository.

    Ignore files are read when they are first needed; one that cannot be read says nothing.
    """
    root = os.path.abspath(root)
    top = _top(root)

    def read(path: str) -> bytes | None:
        try:
            with open(os.path.join(top, path), "rb") as file:
                return file.read()
        except OSError:
            return None

    return Rules(read, patterns, root=os.path.relpath(root, top) if root != top else "")


def _top(root: str) -> str:
    """Return the working tree of git that `root` is in; `root` itself if it is in none."""
    directory = root
    while not os.path.lexists(os.path.join(directory, ".git")):
        parent = os.path.dirname(directory)
        if parent == directory:
            return root
        directory = parent
    return directory
