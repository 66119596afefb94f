"""Where roots are in the file system: which directories have to be watched so that nothing below them is missed.

A root may be missing, be a file, a folder, or a symbolic link, and become another of these at any time: so the folders
above it are watched for its name, up to the project's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Protocol

from sbxcompose.watch.rules import Root

IGNORE_FILES = (".gitignore", ".sbxcomposeignore")
"""When one of these changes, so do the rules."""


class Ignores(Protocol):
    """Which paths below a root do not count."""

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Return whether a path relative to the root, or a folder above it, is ignored."""


IgnoresOf = Callable[[Root], Ignores]
"""Reads the rules of a root anew."""


class WatchedRoot:
    """A root, and what it is at the moment: `real` is the folder or file that it leads to, None if there is none."""

    def __init__(self, root: Root, ignores_of: IgnoresOf) -> None:
        self.root = root
        self.real: str | None = None
        self.is_folder = False
        self._ignores_of = ignores_of
        self._ignores = ignores_of(root)
        self._folders: dict[str, bool] = {}
        """Which folders count, as far as was asked: matching patterns is what a walk costs most."""

    def refresh(self) -> None:
        """Find out what the root is now, and read its rules again."""
        self._ignores = self._ignores_of(self.root)
        self._folders = {}
        try:
            status = os.stat(self.root.path)
        except OSError:
            self.real, self.is_folder = None, False
            return
        self.real = os.path.realpath(self.root.path)
        self.is_folder = stat.S_ISDIR(status.st_mode)

    def relative(self, path: str) -> str:
        """Return a real path at or below `real` relative to the root; "" for the root itself."""
        assert self.real is not None
        return "" if path == self.real else path[len(self.real.rstrip("/")) + 1 :]

    def shown(self, path: str) -> str:
        """Return a real path under the name that people know it by."""
        return os.path.join(self.root.path, relative) if (relative := self.relative(path)) else self.root.path

    def counts(self, path: str, *, is_dir: bool) -> bool:
        """Return whether what is at a real path below it is of interest."""
        if not is_dir:
            return not self._ignores.ignores(self.relative(path), is_dir=False)
        if path not in self._folders:
            self._folders[path] = not self._ignores.ignores(self.relative(path), is_dir=True)
        return self._folders[path]


def anchors(path: str, base: str) -> Iterator[tuple[str, str]]:
    """(folder, name) pairs: what to look for in which existing folder, to hear of `path` coming or going.

    Below `base` all folders on the way; elsewhere the one that it is in, or the nearest that exists.
    """
    while path not in ("/", ""):
        folder, name = os.path.split(path)
        exists = os.path.isdir(folder)
        if exists:
            yield os.path.realpath(folder), name
        path = folder
        if exists and not (path + "/").startswith(base.rstrip("/") + "/"):
            return
