"""Where roots are in the file system: which directories have to be watched so that nothing below them is missed.

A root may be missing, be a file, a folder, or a symbolic link, and become another of these at any time: so the folders
above it are watched for its name, up to the project's own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sbxcompose.watch.rules import Root

IGNORE_FILES = (".gitignore", ".sbxcomposeignore")
"""When one of these changes, so do the rules."""


class Ignores(Protocol):
    """Which paths below a root do not count."""

    def ignores(self, path: str, is_dir: bool) -> bool:
        """Whether a path relative to the root, or a folder above it, is ignored."""


IgnoresOf = Callable[[Root], Ignores]
"""Reads the rules of a root anew."""


@dataclass(eq=False)
class WatchedRoot:
    """A root, and what it is at the moment: `real` is the folder or file that it leads to, None if there is none."""

    root: Root
    ignores: Ignores
    real: str | None = None
    folder: bool = False
    identity: tuple[int, int] | None = None
    polled: dict[str, tuple[int, ...]] | None = field(default=None)
    """What was there when it was last looked at, if the kernel does not tell of changes."""

    def look(self) -> None:
        """See what the root is now."""
        try:
            status = os.stat(self.root.path)
        except OSError:
            self.real, self.folder, self.identity = None, False, None
            return
        self.real = os.path.realpath(self.root.path)
        self.folder = stat.S_ISDIR(status.st_mode)
        self.identity = (status.st_dev, status.st_ino)

    def relative(self, path: str) -> str:
        """A real path at or below `real` as one relative to the root; "" for the root itself."""
        assert self.real is not None
        return "" if path == self.real else path[len(self.real.rstrip("/")) + 1 :]

    def shown(self, path: str) -> str:
        """A real path under the name that people know it by."""
        return os.path.join(self.root.path, relative) if (relative := self.relative(path)) else self.root.path

    def counts(self, path: str, is_dir: bool) -> bool:
        """Whether what is at a real path below it is of interest."""
        return not self.ignores.ignores(self.relative(path), is_dir)


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


def walk(place: WatchedRoot, top: str, enter: Callable[[str], bool]) -> Iterator[str]:
    """The files below `top` (a real path) that count; `enter` is called with each folder before it is looked into."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        if not enter(folder):
            continue
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:
            continue  # it has just gone, or is not ours to read
        for entry in found:
            is_dir = entry.is_dir(follow_symlinks=False)
            if is_dir and place.counts(entry.path, True):
                waiting.append(entry.path)
            elif not is_dir:
                yield entry.path


def snapshot(place: WatchedRoot) -> dict[str, tuple[int, ...]]:
    """What is at a place now, as (modified, size, mode, inode) of each file that counts, by its real path."""
    if place.real is None:
        return {}
    paths = [place.real]
    if place.folder:
        paths = [each for each in walk(place, place.real, lambda folder: True) if place.counts(each, False)]
    found: dict[str, tuple[int, ...]] = {}
    for path in paths:
        try:
            status = os.lstat(path) if place.folder else os.stat(path)
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size, status.st_mode, status.st_ino)
    return found
