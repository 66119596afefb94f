"""Restart loops: whether a process is restarted for what it does itself, told by timing alone; pure.

A process that writes a watched file is restarted for it, and does the same again: in each of its runs the file changes
at the same moment after the start. So a change counts as the process's own if the same file changed at the same offset
in three runs in a row. Within the first second that says nothing yet: scripts and impatient people save as regularly,
and a loaded machine scatters what is regular. There it takes a similar offset in more of the last runs than a person
saves in a hurry.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from msgspec import Struct, field

K = TypeVar("K", bound=Hashable)


class LoopCriteria(Struct, frozen=True):
    """What makes a loop: in `runs` of `window` runs, offsets that differ by at most `seconds`, or a share of them."""

    runs: int
    window: int
    seconds: float
    share: float

    def holds(self, one: float, other: float) -> bool:
        """Return whether two offsets count as the same."""
        return abs(one - other) <= max(self.seconds, self.share * min(one, other))


QUICK = 1.0
"""Offsets from which on few runs are enough."""
SAME = LoopCriteria(3, 3, 0.0, 0.05)
SIMILAR = LoopCriteria(15, 20, 0.25, 0.25)
"""Also what keeps a process that is known to loop: a loaded machine does not end a loop."""
CHANGE_MARGIN = 0.1
"""Seconds before the start and after the end of a run in which a change counts as made by it: its moments are those at
which they were noticed."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class FileChange(Struct, frozen=True):
    """A file has changed while a run was the latest one of an instance. Moments are seconds since 1970."""

    run: int
    started: float
    changed: float
    ended: float | None = None

    @property
    def offset(self) -> float:
        """Seconds after the start of the run."""
        return self.changed - self.started

    @property
    def is_during_run(self) -> bool:
        """Whether the run may have made it."""
        return self.offset >= -CHANGE_MARGIN and (self.ended is None or self.changed <= self.ended + CHANGE_MARGIN)


class RestartLoop(Struct, frozen=True):
    """A process seems to be restarted for a file that it writes itself; seconds before its next run."""

    path: str
    offset: float
    pause: float

    @property
    def moment(self) -> str:
        """When in a run the file changes, for people: `0.25s after`, to be followed by what."""
        # The kernel notes changes by a coarse clock, so the moment may even lie before the start.
        return f"{self.offset:.2f}s after" if self.offset >= 0.01 else "right after"


class _Looping(Struct):
    paths: frozenset[str]
    times: int = 0


class LoopDetector(Struct):
    """Remembers when files changed in the last runs of instances. A process is any key, and so is an instance."""

    _offsets: dict[tuple[Hashable, str], dict[int, list[float]]] = field(default_factory=dict)
    _looping: dict[Hashable, _Looping] = field(default_factory=dict)

    def judge(
        self, process: Hashable, changes: Mapping[str, Mapping[K, FileChange]], *, waits: bool = False
    ) -> RestartLoop | None:
        """Return whether all these changes, by path and by instance of the process, look like its own doing.

        While it `waits` for its next run, the files that it loops over are its own at any moment.
        """
        looping = self._looping.get(process)
        own = {path: self._own(path, change, looping) for path, change in changes.items()}
        if looping is not None and waits and looping.paths >= changes.keys():
            return RestartLoop(next(iter(changes)), 0.0, pause(looping.times))
        offsets = [offset for offset in own.values() if offset is not None]
        if not own or len(offsets) < len(own):
            self._looping.pop(process, None)
            return None
        times = looping.times + 1 if looping is not None else 1
        self._looping[process] = _Looping(frozenset(own), times)
        return RestartLoop(next(iter(own)), offsets[0], pause(times))

    def _own(self, path: str, changes: Mapping[K, FileChange], looping: _Looping | None) -> float | None:
        """Return the offset of a change that one of the instances has made; None if another program made it."""
        known = looping is not None and path in looping.paths
        # All instances are asked, because each is to remember.
        own = [change.offset for instance, change in changes.items() if self._repeats(instance, path, change, known)]
        return min(own, default=None)

    def _repeats(self, instance: Hashable, path: str, change: FileChange, known: bool) -> bool:
        """Remember a change; whether it repeats what has happened in the runs before."""
        if not change.is_during_run:
            return False
        runs = self._offsets.setdefault((instance, path), {})
        for run in [run for run in runs if not change.run - SIMILAR.window < run <= change.run]:
            del runs[run]
        runs.setdefault(change.run, []).append(change.offset)

        def alike(likeness: LoopCriteria) -> int:
            """In how many of the last runs the file has changed at an offset like this one; in this one it has."""
            recent = (offsets for run, offsets in runs.items() if run > change.run - likeness.window)
            return sum(any(likeness.holds(offset, change.offset) for offset in offsets) for offsets in recent)

        if known:
            return alike(SIMILAR) > 1
        return (change.offset >= QUICK and alike(SAME) >= SAME.runs) or alike(SIMILAR) >= SIMILAR.runs


def pause(times: int) -> float:
    """Seconds before the next run of a process that has caused its own restart this many times in a row, from 1 on."""
    return float(min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE))
