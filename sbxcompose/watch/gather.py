"""Single changes -> batches: what belongs together counts once, when it has been quiet for a while; pure.

Time is an argument. Places with the same debounce share one clock, so that a branch switch that touches several
of them is one batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from msgspec import Struct

from sbxcompose.watch.rules import Root

LONGEST = 2.0
"""Seconds after which a batch is handed out though it is never quiet; four times the debounce, if that is longer."""


class ChangeKind(Enum):
    """What has happened to a path."""

    MADE = auto()
    """A new folder: what counts are the files in it."""
    CREATED = auto()
    CHANGED = auto()
    DELETED = auto()


class SeenChange(Struct, frozen=True):
    """Something has happened to a path at or below a root."""

    root: Root
    path: str
    kind: ChangeKind


class _PendingChanges:
    def __init__(self, debounce: float) -> None:
        self._debounce = debounce
        self._first: float | None = None
        self._last = 0.0
        self._paths: dict[Root, dict[str, tuple[ChangeKind, ChangeKind]]] = {}

    def add(self, seen: SeenChange, now: float) -> None:
        paths = self._paths.setdefault(seen.root, {})
        before = paths.get(seen.path)
        if before is None:
            paths[seen.path] = (seen.kind, seen.kind)
        else:
            paths[seen.path] = (before[0], seen.kind)
        if seen.kind is not ChangeKind.MADE:
            self._first = now if self._first is None else self._first
            self._last = max(self._last, now)

    @property
    def due(self) -> float | None:
        """When it is to be handed out; None if nothing that counts has happened."""
        if self._first is None:
            return None
        return min(self._last + self._debounce, self._first + max(LONGEST, 4 * self._debounce))

    def take(self) -> dict[Root, list[str]]:
        found = {
            root: [path for path, kinds in paths.items() if _counts(*kinds)] for root, paths in self._paths.items()
        }
        self._paths = {}
        self._first = None
        return {root: paths for root, paths in found.items() if paths}


def _counts(first: ChangeKind, last: ChangeKind) -> bool:
    """Forget what came and went in between (an editor's temporary file): it has changed nothing."""
    came_and_went = first in (ChangeKind.MADE, ChangeKind.CREATED) and last is ChangeKind.DELETED
    return last is not ChangeKind.MADE and not came_and_went


class Gatherer:
    """Takes what is seen, hands out batches."""

    def __init__(self) -> None:
        self._groups: dict[float, _PendingChanges] = {}

    def add(self, seen: Iterable[SeenChange], now: float) -> None:
        """Take note of what happened at `now`, in seconds on any clock."""
        for change in seen:
            debounce = change.root.debounce
            if debounce not in self._groups:
                self._groups[debounce] = _PendingChanges(debounce)
            self._groups[debounce].add(change, now)

    @property
    def due(self) -> float | None:
        """When the next batch is to be taken; None if there is nothing to wait for."""
        return min((due for group in self._groups.values() if (due := group.due) is not None), default=None)

    def take(self, now: float) -> dict[Root, list[str]]:
        """Return the paths that have changed, by root, of what is due at `now`."""
        batch: dict[Root, list[str]] = {}
        for group in self._groups.values():
            if group.due is not None and group.due <= now:
                batch.update(group.take())
        return batch

    def forget(self) -> None:
        """Drop everything."""
        self._groups.clear()
