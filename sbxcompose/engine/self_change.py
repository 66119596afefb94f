"""Who has changed a file: what can be seen of the processes of this machine, for `watch.loops` to decide."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from msgspec import Struct

from sbxcompose.engine.events import EngineEvent, RunBegan
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.session import Session
from sbxcompose.plan.observed import Instance, ObservedRow
from sbxcompose.watch.loops import ChangePattern, Evidence, before, pause, weigh
from sbxcompose.watch.rules import Key

MOST = 20
"""Paths of one change that are looked at: if these are a process's own, so are the others."""
NEAR = 64
"""Bytes by which what a process has written may differ from what a file has, for it to have written just that."""


class Own(Struct, frozen=True):
    """A process is restarted for what it has done itself, for example to `path`; seconds before its next run."""

    path: str
    pause: float


class _Glimpse(Struct):
    """What a process's run had done when it was looked at."""

    open: set[str]
    wrote: int | None


class SelfChange:
    """`look` as soon as something has changed, `judge` once it is known what that means for a process."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._local = session.project.provider == "local"
        self._output: dict[Instance, tuple[int, int]] = {}
        """The latest run of an instance that has written something, and how much."""
        self._glimpses: dict[Instance, _Glimpse] = {}
        self._patterns: dict[tuple[Instance, str], ChangePattern] = {}
        self._times: dict[Key, int] = {}
        self._earlier: dict[Instance, tuple[int, int]] = {}
        """A run of an instance, and what it had written shortly before a change of its files was to be expected."""
        self._others: dict[Instance, tuple[int, dict[int, int]]] = {}
        """A run of an instance, and what all processes of this machine had written when it began."""
        session.listen(self._hear)
        session.on_link(self._listen)
        for link in session.links.values():
            self._listen(link)

    def _listen(self, link: SandboxConnection) -> None:
        link.listen(self._take)

    def _take(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        known = self._output.get(instance, (run, 0))
        self._output[instance] = (run, len(data) + (known[1] if known[0] == run else 0))

    def _hear(self, event: EngineEvent) -> None:
        """A run has begun: if its files have changed in earlier ones, note in time what it and others have written."""
        if not isinstance(event, RunBegan):
            return
        patterns = [each for (instance, _), each in self._patterns.items() if instance == event.instance]
        if patterns:
            self._others[event.instance] = (event.run, _written_by_all())
        times = [at for each in patterns if (at := before(each)) is not None]
        if times and len(times) == len(patterns):
            asyncio.get_running_loop().call_later(min(times), self._note, event.instance, event.run)

    def _note(self, instance: Instance, run: int) -> None:
        link = self._session.links.get(instance.sandbox)
        row = link.row(instance) if link is not None else None
        if row is not None and row.pid is not None and row.run == run:
            wrote = self._glimpse(row).wrote
            if wrote is not None:
                self._earlier[instance] = (run, wrote)

    def look(self, keys: Iterable[Key]) -> None:
        """See what the processes are at, at the first sign of a change: soon it may be over."""
        for row in self._rows(keys):
            if row.instance not in self._glimpses and row.pid is not None:
                self._glimpses[row.instance] = self._glimpse(row)

    def judge(self, key: Key, paths: Sequence[str], now: float) -> Own | None:
        """Whether all these changes are the process's own doing, and how long it shall wait then."""
        rows = self._rows([key])
        owned = [self._owned(rows, path, now) for path in paths[:MOST]]
        for row in rows:
            self._glimpses.pop(row.instance, None)
        if not owned or not all(owned):
            self._times.pop(key, None)
            return None
        self._times[key] = self._times.get(key, 0) + 1
        return Own(paths[0], pause(self._times[key]))

    def _owned(self, rows: Iterable[ObservedRow], path: str, now: float) -> bool:
        """Whether one of the instances has done it."""
        changed, size = _status(path, now)
        # All are asked: each remembers what it was told.
        return True in [self._has_done(row, path, changed, size) for row in rows]

    def _has_done(self, row: ObservedRow, path: str, changed: float, size: int) -> bool:
        if row.started_at is None:
            return False
        glimpse = self._glimpse(row) if row.pid is not None else self._glimpses.get(row.instance)
        first = self._glimpses.get(row.instance)
        seen = [each for each in (first, glimpse) if each is not None]
        run, earlier = self._earlier.get(row.instance, (row.run, 0))
        counts = [each.wrote - (earlier if run == row.run else 0) for each in seen if each.wrote is not None]
        evidence = Evidence(
            row.run,
            row.started_at,
            changed,
            ended=None if row.pid is not None or row.exit is None else row.exit.at,
            holds=any(path in each.open for each in seen),
            wrote=max(counts, default=None),
            elsewhere=self._somebody_else(row, size),
            size=size,
        )
        place = (row.instance, path)
        own, pattern = weigh(self._patterns.get(place), evidence)
        if pattern is None:
            self._patterns.pop(place, None)
        else:
            self._patterns[place] = pattern
        return own

    def _somebody_else(self, row: ObservedRow, size: int) -> bool:
        """Whether another process has written just as much as the file has since the run began: an editor, a script."""
        run, earlier = self._others.get(row.instance, (0, {}))
        if run != row.run or not size:
            return False
        own = {os.getpid(), *(_tree(row.pid) if row.pid is not None else ())}
        return any(
            size <= count - earlier.get(pid, 0) <= size + NEAR
            for pid, count in _written_by_all().items()
            if pid not in own
        )

    def _rows(self, keys: Iterable[Key]) -> list[ObservedRow]:
        if not self._local:
            return []  # what runs in a cloud cannot have changed files of this machine
        wanted = set(keys)
        return [
            row
            for link in self._session.links.values()
            for row in (link.row(instance) for instance in link.instances())
            if row is not None and (row.instance.sandbox, row.instance.process) in wanted
        ]

    def _glimpse(self, row: ObservedRow) -> _Glimpse:
        assert row.pid is not None
        pids = list(_tree(row.pid))
        counts = [count for pid in pids if (count := _written(pid)) is not None]
        run, output = self._output.get(row.instance, (row.run, 0))
        wrote = max(sum(counts) - (output if run == row.run else 0), 0) if counts else None
        return _Glimpse({path for pid in pids for path in _open_for_writing(pid)}, wrote)


def _status(path: str, now: float) -> tuple[float, int]:
    """When a file has changed last, and its size."""
    try:
        status = os.lstat(path)
    except OSError:
        return now, 0
    return status.st_ctime, status.st_size


def _tree(pid: int) -> Iterable[int]:
    """A process and all that descends from it."""
    found = [pid]
    for each in found:
        with suppress(OSError, ValueError), open(f"/proc/{each}/task/{each}/children", encoding="ascii") as file:
            found += map(int, file.read().split())
    return found


def _written(pid: int) -> int | None:
    """Bytes that a process, and the children that it has seen end, have written to files, pipes and terminals."""
    with suppress(OSError, ValueError), open(f"/proc/{pid}/io", encoding="ascii") as file:
        for line in file:
            if line.startswith("wchar:"):
                return int(line.split()[1])
    return None


def _written_by_all() -> dict[int, int]:
    """The same of every process that is ours to ask."""
    counts = ((pid, _written(pid)) for pid in map(int, filter(str.isdigit, os.listdir("/proc"))))
    return {pid: count for pid, count in counts if count is not None}


def _open_for_writing(pid: int) -> Iterable[str]:
    found = []
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError, ValueError):
                path = os.readlink(f"/proc/{pid}/fd/{number}")
                if path.startswith("/") and _writes(pid, number):
                    found.append(path)
    return found


def _writes(pid: int, number: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
        for line in file:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False
