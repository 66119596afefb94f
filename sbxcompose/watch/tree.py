"""Places watched by the kernel: its events about directory entries -> what was seen at which root.

Folders that are ignored are neither looked into nor watched. Synchronous; `watcher` calls it when there is news.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sbxcompose.watch import inotify
from sbxcompose.watch.gather import ChangeKind, SeenChange
from sbxcompose.watch.inotify import Inotify, InotifyEvent
from sbxcompose.watch.roots import IGNORE_FILES, IgnoresOf, WatchedRoot, anchors, walk


@dataclass(eq=False)
class _Folder:
    """A watched directory: the places whose files are in it, and those that are waited for under a name."""

    path: str
    wd: int
    places: set[WatchedRoot] = field(default_factory=set)
    anchored: dict[str, set[WatchedRoot]] = field(default_factory=dict)

    def forget(self, place: WatchedRoot) -> bool:
        """Watch it no longer for a place; whether it was."""
        names = [name for name, waiting in self.anchored.items() if place in waiting]
        for name in names:
            self.anchored[name].discard(place)
            if not self.anchored[name]:
                del self.anchored[name]
        was = place in self.places
        self.places.discard(place)
        return was or bool(names)


class InotifyTree:
    """`add` and `remove` places, and `read` what has happened. Raises `LimitReached` where the kernel takes no more."""

    def __init__(self, kernel: Inotify, base: str, ignores_of: IgnoresOf, say: Callable[[str], None]) -> None:
        self._kernel = kernel
        self._base = base
        self._ignores_of = ignores_of
        self._say = say
        self._folders: dict[int, _Folder] = {}
        self.places: set[WatchedRoot] = set()
        self._stale: set[WatchedRoot] = set()

    def add(self, place: WatchedRoot) -> None:
        """Watch a place; what is there already is not reported."""
        self.places.add(place)
        self._settle(place)

    def remove(self, place: WatchedRoot) -> None:
        """Watch it no longer."""
        self.places.discard(place)
        self._release(self._held(place))

    def read(self) -> list[SeenChange]:
        """What has happened since the last call."""
        seen: list[SeenChange] = []
        for event in self._kernel.read():
            seen += self._overflow() if event.wd < 0 else self._take(event)
        for place in self._stale & self.places:
            seen += self._look_again(place)
        self._stale.clear()
        return seen

    def _settle(self, place: WatchedRoot) -> list[str]:
        """Watch all that has to be for a place as it is now; the files that are there."""
        mask = inotify.CONTENTS  # of the nearest folder: the root may be a file, now or later
        for folder, name in anchors(place.root.path, self._base):
            self._anchor(place, folder, name, inotify.ENTRIES if os.path.isdir(place.root.path) else mask)
            mask = inotify.ENTRIES
        place.look()
        if place.real is None:
            return []
        if place.folder:
            return self._enter(place, place.real)
        self._anchor(place, *os.path.split(place.real), inotify.CONTENTS)
        return [place.real]

    def _anchor(self, place: WatchedRoot, folder: str, name: str, mask: int) -> None:
        found = self._watch(folder, mask)
        if found is not None:
            found.anchored.setdefault(name, set()).add(place)

    def _enter(self, place: WatchedRoot, top: str) -> list[str]:
        def enter(path: str) -> bool:
            found = self._watch(path, inotify.CONTENTS)
            if found is not None:
                found.places.add(place)
            return found is not None

        return list(walk(place, top, enter))

    def _watch(self, path: str, mask: int) -> _Folder | None:
        try:
            wd = self._kernel.add(path, mask)
        except PermissionError:
            self._say(f"{path} is not watched: permission denied")
            return None
        except OSError:
            return None  # it has just gone; whoever watches the folder above it hears of that
        folder = self._folders.get(wd)
        if folder is None:
            folder = self._folders[wd] = _Folder(path, wd)
        folder.path = path
        return folder

    def _held(self, place: WatchedRoot) -> list[_Folder]:
        """The folders that are watched for a place; from now on for the others only."""
        return [each for each in self._folders.values() if each.forget(place)]

    def _release(self, held: Iterable[_Folder]) -> None:
        """Watch no longer what was watched for a place, and is not any more."""
        for folder in held:
            if not folder.places and not folder.anchored:
                self._drop(folder)

    def _drop(self, folder: _Folder) -> None:
        if self._folders.pop(folder.wd, None) is not None:
            self._kernel.remove(folder.wd)

    def _take(self, event: InotifyEvent) -> Iterator[SeenChange]:
        folder = self._folders.get(event.wd)
        if folder is None:
            return
        if event.mask & (inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.IGNORED):
            self._vanished(folder)
            return
        for place in tuple(folder.anchored.get(event.name, ())):
            yield from self._at_root(place, event)
        path = os.path.join(folder.path, event.name)
        if event.mask & inotify.ISDIR:
            yield from self._directory(folder, path, event.mask)
        else:
            yield from self._file(folder, path, event)

    def _vanished(self, folder: _Folder) -> None:
        """A watched directory is no longer where it was: whoever looked for something in it looks again."""
        self._stale.update(*folder.anchored.values())
        self._stale.update(place for place in folder.places if place.real == folder.path)
        self._drop(folder)

    def _at_root(self, place: WatchedRoot, event: InotifyEvent) -> Iterator[SeenChange]:
        """Something happened to a root itself, or to a folder on the way to it."""
        if event.mask & (inotify.APPEARED | inotify.GONE):
            self._stale.add(place)
        elif not event.mask & inotify.ISDIR:
            names = {os.path.basename(each) for each in (place.root.path, place.real) if each}
            if event.name in names:
                yield SeenChange(place.root, place.root.path, ChangeKind.CHANGED)

    def _look_again(self, place: WatchedRoot) -> Iterator[SeenChange]:
        """A root may have come, gone, or become something else."""
        before = (place.identity, place.real)
        files = self._settle_again(place)
        if before == (place.identity, place.real):
            return
        if place.real is None:
            yield SeenChange(place.root, place.root.path, ChangeKind.DELETED)
        elif not place.folder:
            yield SeenChange(place.root, place.root.path, ChangeKind.CHANGED)
        else:
            yield from (
                SeenChange(place.root, place.shown(path), ChangeKind.CHANGED)
                for path in files
                if place.counts(path, False)
            )

    def _settle_again(self, place: WatchedRoot) -> list[str]:
        """As `_settle`, with the rules read anew. What stays watched is so all the time, so that nothing is missed."""
        held = self._held(place)
        place.ignores = self._ignores_of(place.root)
        files = self._settle(place)
        self._release(held)
        return files

    def _directory(self, folder: _Folder, path: str, mask: int) -> Iterator[SeenChange]:
        for place in tuple(folder.places):
            if not place.counts(path, True):
                continue
            if mask & inotify.APPEARED:
                yield SeenChange(place.root, place.shown(path), ChangeKind.MADE)
                for file in self._enter(place, path):
                    if place.counts(file, False):
                        yield SeenChange(place.root, place.shown(file), ChangeKind.CREATED)
            elif mask & inotify.GONE:
                yield SeenChange(place.root, place.shown(path), ChangeKind.DELETED)
        if mask & inotify.MOVED_FROM:
            below = path + "/"
            for each in [each for each in self._folders.values() if (each.path + "/").startswith(below)]:
                self._vanished(each)

    def _file(self, folder: _Folder, path: str, event: InotifyEvent) -> Iterator[SeenChange]:
        if event.name in IGNORE_FILES:
            self._stale.update(folder.places)
        kind = _kind(path, event.mask)
        for place in folder.places:
            if place.counts(path, False):
                yield SeenChange(place.root, place.shown(path), kind)

    def _overflow(self) -> Iterator[SeenChange]:
        """Events were lost: everything may have changed."""
        for place in tuple(self.places):
            self._settle_again(place)
            yield SeenChange(place.root, place.root.path, ChangeKind.CHANGED)


def _kind(path: str, mask: int) -> ChangeKind:
    if mask & inotify.GONE:
        return ChangeKind.DELETED
    if mask & inotify.CREATE:
        return ChangeKind.OPENED if _being_written(path) else ChangeKind.CREATED
    return ChangeKind.CHANGED


def _being_written(path: str) -> bool:
    """Whether a new entry is a file that somebody will yet close: links, and what a link was made to, are complete."""
    try:
        status = os.lstat(path)
    except OSError:
        return True
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
