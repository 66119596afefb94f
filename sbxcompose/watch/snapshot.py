"""The directories and files of a root as they were when last looked at: comparing says what has changed.

Notifications say where to look, and are always counted; comparing finds what no notification has told: files of new
directories, what happened before these were watched, lost notifications, file systems without any.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from enum import IntEnum

from sbxcompose.clock import wall_ns
from sbxcompose.watch.gather import ChangeKind, SeenChange
from sbxcompose.watch.roots import IGNORE_FILES, WatchedRoot, anchors

DIRECTORY = 0
"""Stands for a directory among the signatures of files."""
UNCHANGED = 1
"""Stands for a file as it was when the snapshot was begun: asking for the signatures of all would take longest."""
TICK = 20_000_000
"""Nanoseconds by which a file's time may be behind the clock."""


class ComparisonScope(IntEnum):
    """What a comparison reports; the larger includes the smaller."""

    NOTHING = 1
    DIFFERENCES = 2
    EVERYTHING = 3
    """All that is there, and what is gone: the directory is another one than before."""


class Snapshot:
    """What is at a root. `due` are directories to compare, real paths below the root, or the root as a whole.

    `exact`: compare by signatures alone, and not by the clock, which a file server may see differently.
    """

    def __init__(self, place: WatchedRoot, base: str, warn: Callable[[str], None], *, exact: bool = False) -> None:
        self.place = place
        self.exact = exact
        self.due: dict[str, ComparisonScope] = {}
        self.root_due: ComparisonScope | None = ComparisonScope.NOTHING
        self._base = base
        self._warn = warn
        self._anchors: list[tuple[str, str]] = []
        self._on_the_way: frozenset[str] = frozenset()
        self._entries: dict[str, dict[str, int]] = {}
        self._begun = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing has to be compared."""
        return not self.due and self.root_due is None

    @property
    def is_known(self) -> bool:
        """Whether something at the root has been looked at before."""
        return bool(self._entries)

    def root_is_due(self, report: ComparisonScope) -> None:
        """Have the root itself looked at, and all in it compared."""
        self.root_due = max(self.root_due or report, report)

    def _top(self, real: str) -> str:
        return real if self.place.is_folder else os.path.dirname(real)

    def compare_root(self) -> list[SeenChange]:
        """If the root itself is due, see what it is now."""
        if self.root_due is None:
            return []
        place = self.place
        before = place.real
        place.refresh()
        # The folders on the way are watched as well: a root that is renamed, or made later, is seen by its parent alone
        # (inotify(7)).
        self._anchors = list(anchors(place.root.path, self._base))
        self._on_the_way = frozenset(os.path.join(folder, name) for folder, name in self._anchors)
        if place.real != before:
            self._entries.clear()
            self.due.clear()
        if place.real is not None:
            self.due[self._top(place.real)] = self.root_due
        gone = before is not None and place.real is None and self.root_due is not ComparisonScope.NOTHING
        self.root_due = None
        return [SeenChange(place.root, place.root.path, ChangeKind.DELETED)] if gone else []

    def to_watch(self) -> Iterator[str]:
        """Yield the directories that have to be watched before `compare`, the upper ones first."""
        yield from (folder for folder, _ in self._anchors)
        yield from self._entries
        for top in tuple(self.due):
            waiting = [top]
            while waiting:
                directory = waiting.pop()
                yield directory
                if self.place.is_folder:
                    waiting += self._directories(directory)

    def compare(self, watched: Container[str] | None = None) -> list[SeenChange]:
        """Compare what is due. What is not watched yet is due the next time; None: everything may be looked into."""
        due, self.due = self.due, {}
        if self._anchors != list(anchors(self.place.root.path, self._base)):
            self.root_is_due(ComparisonScope.EVERYTHING)  # a folder on the way to it has come or gone meanwhile
        if not self.place.is_folder:
            return self._compare_file(next(iter(due.values()), ComparisonScope.NOTHING))
        seen: list[SeenChange] = []
        for top, report in due.items():
            if report is ComparisonScope.NOTHING:
                # Before anything is listed: what is written meanwhile must not pass for unchanged.
                self._begun = wall_ns()
            waiting = [top]
            while waiting:
                directory = waiting.pop()
                if watched is None or directory in watched:
                    seen += self._compare(directory, report, waiting)
                elif os.path.isdir(directory):
                    self.due[directory] = report
        return seen

    def _compare_file(self, report: ComparisonScope) -> list[SeenChange]:
        path = self.place.real
        if path is None:
            return []
        try:
            now = _signature(os.stat(path))
        except OSError:
            return []  # it has just gone
        directory, name = os.path.split(path)
        before = self._entries.get(directory, {}).get(name)
        self._entries = {directory: {name: now}}
        changed = report is ComparisonScope.EVERYTHING or (report is ComparisonScope.DIFFERENCES and before != now)
        return [SeenChange(self.place.root, self.place.root.path, ChangeKind.CHANGED)] if changed else []

    def _compare(self, directory: str, report: ComparisonScope, waiting: list[str]) -> Iterator[SeenChange]:
        before = self._entries.get(directory, {})
        now = self._list(directory, report, before)
        if now is None:
            self._forget(directory)
            return
        self._entries[directory] = now
        waiting += [os.path.join(directory, name) for name, signature in now.items() if signature == DIRECTORY]
        for name in before.keys() - now.keys():
            if before[name] == DIRECTORY:
                self._forget(os.path.join(directory, name))
        if report is ComparisonScope.NOTHING:
            return
        for name in before.keys() | now.keys():
            is_dir = now.get(name, before.get(name)) == DIRECTORY
            if report is ComparisonScope.EVERYTHING or before.get(name) != now.get(name):
                path = os.path.join(directory, name)
                yield from self._change(path, is_dir=is_dir, before=name in before, now=name in now)

    def check(self, path: str, structural: bool) -> Iterator[SeenChange]:
        """Yield what a notification about a path means here: `structural` if an entry was created, removed or moved."""
        place = self.place
        if path in self._on_the_way or (place.real is not None and path in (place.real, self._top(place.real))):
            if structural or (not place.is_folder and path in (place.root.path, place.real)):
                self.root_is_due(ComparisonScope.EVERYTHING)
            return
        directory, name = os.path.split(path)
        known = self._entries.get(directory) if place.is_folder else None
        if known is None:
            return
        if name in IGNORE_FILES:
            self.root_is_due(ComparisonScope.NOTHING)
        # Notifications of one read are a set, without their order: what is there now decides.
        before = known.get(name)
        try:
            status = os.lstat(path)
        except OSError:
            if known.pop(name, None) == DIRECTORY:
                self._forget(path)
            yield from self._change(path, is_dir=before == DIRECTORY, before=before is not None, now=False)
            return
        if not stat.S_ISDIR(status.st_mode):
            known[name] = _signature(status)
            yield from self._change(path, is_dir=False, before=before is not None, now=True)
        elif place.counts(path, is_dir=True) and (structural or before != DIRECTORY):
            known[name] = DIRECTORY
            self.due[path] = ComparisonScope.EVERYTHING
            yield from self._change(path, is_dir=True, before=before is not None, now=True)

    def _change(self, path: str, *, is_dir: bool, before: bool, now: bool) -> Iterator[SeenChange]:
        if before == now and (is_dir or not now):
            return  # a directory is what is in it; what came and went has changed nothing
        if not self.place.counts(path, is_dir=is_dir):
            return
        kind = ChangeKind.DELETED if not now else ChangeKind.CHANGED if before else ChangeKind.CREATED
        made = is_dir and kind is ChangeKind.CREATED
        yield SeenChange(self.place.root, self.place.shown(path), ChangeKind.MADE if made else kind)

    def _forget(self, top: str) -> None:
        below = top + "/"
        for directory in [path for path in self._entries if path == top or path.startswith(below)]:
            del self._entries[directory]

    def _list(self, directory: str, report: ComparisonScope, before: Mapping[str, int]) -> dict[str, int] | None:
        """Return the entries of a directory that have to be known; None if it is gone."""
        found: dict[str, int] = {}
        for entry in self._scan(directory):
            if entry.is_dir(follow_symlinks=False):
                if self.place.counts(entry.path, is_dir=True):
                    found[entry.name] = DIRECTORY
                continue
            if report is ComparisonScope.NOTHING and not self.exact:
                found[entry.name] = UNCHANGED
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # it has just gone
            # The ctime, because an older file that is moved into place keeps its mtime.
            unchanged = before.get(entry.name) == UNCHANGED and status.st_ctime_ns < self._begun - TICK
            found[entry.name] = UNCHANGED if unchanged else _signature(status)
        return found if found or os.path.isdir(directory) else None

    def _directories(self, directory: str) -> Iterable[str]:
        for entry in self._scan(directory):
            if entry.is_dir(follow_symlinks=False) and self.place.counts(entry.path, is_dir=True):
                yield entry.path

    def _scan(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                return list(entries)
        except PermissionError:
            self._warn(f"{directory} is not watched: permission denied")
        except OSError:
            pass  # it has just gone
        return []


def _signature(status: os.stat_result) -> int:
    """Differs where a file has become another one; none of the numbers that stand for something else."""
    return hash((status.st_mtime_ns, status.st_size, status.st_mode, status.st_ino)) | 2
