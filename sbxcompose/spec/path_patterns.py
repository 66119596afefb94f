"""Patterns of paths, as other tools take them where we take a file or directory; pure."""

from __future__ import annotations


def is_pattern(path: str) -> bool:
    """Return whether a path is a pattern. Only `*` counts: some frameworks have directories called `[id]`."""
    return "*" in path


def directory_of(path: str) -> str:
    """Return the directory that all matches of a pattern are in; of another path itself."""
    start, star, _ = path.partition("*")
    if not star:
        return path
    directory, slash, _ = start.rpartition("/")
    return directory or slash or "."
