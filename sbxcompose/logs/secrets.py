"""Which values are masked in whose lines: what each run was started with, and what the file has today. Pure.

A run's secrets are those it was started with, for as long as its output is kept. Another process may print them
too, so a line is masked with the values of every run that overlapped with its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sbxcompose.logs.mask import Masker
from sbxcompose.logs.mux import LineSource

Key = tuple[str, str, int]
"""An instance: sandbox, process, replica."""


_KEPT = 1024
"""Sources whose masker is remembered: runs are counted for as long as a process crashes."""


_NOTHING = Masker()


class _Since(NamedTuple):
    """From run number `run` on, which began at `time_ms`, an instance was started with these values."""

    run: int
    time_ms: int
    values: frozenset[str]


class KnownSecrets:
    """Every value that must not be shown. `current` are today's, which are masked everywhere."""

    def __init__(self, current: Iterable[str] = ()) -> None:
        self._current = frozenset(current)
        self._started: dict[Key, list[_Since]] = {}
        self._old: set[Key] = set()
        """Instances that were started with anything that is not among today's values: usually none."""
        self._every = self._current
        self._maskers: dict[frozenset[str], Masker] = {}
        self._of_source: dict[LineSource, Masker] = {}
        self._of_all: Masker | None = None

    def add_current(self, values: Iterable[str]) -> None:
        """Mask these as well: the file has been read again. What it had before stays masked."""
        self._current |= frozenset(values)
        self._every |= self._current
        self._forget()

    def note(self, instance: Key, run: int, time_ms: int, values: Collection[str]) -> None:
        """Note that runs of an instance from number `run` on, begun at `time_ms`, were started with `values`."""
        started = self._started.setdefault(instance, [])
        entry = _Since(run, time_ms, frozenset(values))
        if entry in started:
            return
        started.append(entry)
        started.sort(key=lambda since: since.run)
        if not entry.values <= self._current:
            self._old.add(instance)
            self._every |= entry.values
        if self._old:
            self._forget()

    def masker(self, source: LineSource | None = None) -> Masker:
        """Return what hides secrets in lines of `source`; None, and announcements, are masked with all there are."""
        if not self._every:
            return _NOTHING
        if source is None or not source.run:
            if self._of_all is None:
                self._of_all = self._made(None)
            return self._of_all
        masker = self._of_source.get(source)
        if masker is None:
            instance = (source.sandbox, source.process, source.replica)
            masker = self._of_source[source] = self._made((instance, self._at(instance, source.run)))
            if len(self._of_source) > _KEPT:
                self._of_source.clear()
        return masker

    def hide(self, text: str) -> str:
        """Return the text with everything masked that is known."""
        masker = self.masker()
        if not masker:
            return text
        return masker.mask(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def hide_all(self, value: Any) -> Any:
        """Return a JSON value with everything masked in its texts."""
        match value:
            case str():
                return self.hide(value)
            case list():
                return [self.hide_all(item) for item in value]
            case dict():
                return {key: self.hide_all(item) for key, item in value.items()}
            case _:
                return value

    def _forget(self) -> None:
        self._of_all = None
        self._of_source.clear()
        if len(self._maskers) > _KEPT:
            self._maskers.clear()

    def _at(self, instance: Key, run: int) -> int:
        """Return the index of the entry that holds for a run; -1 for one that began before any is known."""
        return bisect_right(self._started.get(instance, ()), run, key=lambda since: since.run) - 1

    def _made(self, key: tuple[Key, int] | None) -> Masker:
        values = self._current | self._values(key)
        masker = self._maskers.get(values)
        if masker is None:
            masker = self._maskers[values] = Masker(values)
        return masker

    def _values(self, key: tuple[Key, int] | None) -> frozenset[str]:
        if key is None:
            return self._every
        instance, index = key
        own = self._started.get(instance, [])
        begin = own[index].time_ms if index >= 0 else None
        end = own[index + 1].time_ms if index + 1 < len(own) else None
        found = [own[index].values] if index >= 0 else []
        for other in self._old:
            if other != instance:
                found += _overlapping(self._started[other], begin, end)
        return frozenset().union(*found)


def _overlapping(started: list[_Since], begin: int | None, end: int | None) -> list[frozenset[str]]:
    """Return the values with which runs were started that may have been alive between two moments."""
    found: list[frozenset[str]] = []
    for at, since in enumerate(started):
        until = started[at + 1].time_ms if at + 1 < len(started) else None
        if (end is None or since.time_ms <= end) and (until is None or begin is None or until >= begin):
            found.append(since.values)
    return found
