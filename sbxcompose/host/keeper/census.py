"""Which unit has started a process: by parents, session, group, and what it has inherited."""

from __future__ import annotations

import os
import zlib

from sbxcompose.host.keeper.protocol import MARKER
from sbxcompose.linux.processes import read_all, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sbxcompose.linux.processes import ProcessStat

_TAG_BASE = 1 << 62


def unit_of(pid: int, tags: Mapping[int, str]) -> str | None:
    """Return the unit that started a process, by what it has inherited, however it has left its parents and session.

    First the tag: a soft limit on the resident set, which Linux has not enforced since 2.6 and which survives
    fork, exec, setsid and an emptied environment. Then the marker in the environment it was started with.
    """
    tag = tag_on(pid)
    return tags[tag] if tag in tags else tags.get(marked_tag(pid))


def mark_of(unit: str, tag: int) -> str:
    """Return the value of the marker: the unit's name, and its tag, for two hosts may have units of one name."""
    return f"{unit}@{tag:x}"


def marked_unit(pid: int) -> str | None:
    """Return the unit, of whatever host, that the environment of a process names as the one that started it."""
    return _mark_on(pid)[0] or None


def marked_tag(pid: int) -> int:
    """Return the tag of the unit that the environment of a process names as the one that started it; 0 where it names
    none.
    """
    try:
        return int(_mark_on(pid)[1], 16)
    except ValueError:
        return 0


def _mark_on(pid: int) -> tuple[str, str]:
    # With a NUL in front the name is found only where a variable begins, and not inside the value of another one.
    environment = b"\0" + read_file(f"/proc/{pid}/environ")
    _, _, rest = environment.partition(f"\0{MARKER}=".encode())
    unit, _, tag = os.fsdecode(rest.partition(b"\0")[0]).rpartition("@")
    return unit, tag


def tag_of(host: str, unit: str) -> int:
    """Return the tag of a unit: the same for every keeper of that host, so that a successor need not be told.

    `host` is its name (`hostrecord.host_name`): two hosts may have units of one name. Tags are above 2**62, where no
    real limit is.
    """
    name = os.fsencode(f"{host}\0{unit}")
    return _TAG_BASE | zlib.crc32(name) << 24 | zlib.crc32(name[::-1]) & 0xFF_FFFF


def tag_on(pid: int) -> int:
    """Return the soft limit on the resident set of a process, which may be a tag; 0 where there is none."""
    # Not by prlimit(2), which is refused for processes of other users; this file all may read.
    limits = read_file(f"/proc/{pid}/limits")
    start = limits.find(b"Max resident set")
    soft = limits[start + 16 : limits.find(b"\n", start)].split()[:1] if start >= 0 else []
    return int(soft[0]) if soft and soft[0].isdigit() else 0


class Census:
    """Everything that runs at one moment, and which unit each process belongs to.

    A process is a unit's if its parent is; else, at the top of its tree, by its session, its group, or what
    it inherited. `units` are leaders by unit; of `reaped` ones the number may have gone to another process.
    Orphans are children of this process, or of `adopters`; with `anywhere` (units that another keeper started) of
    any process.
    """

    def __init__(
        self,
        units: Mapping[str, int],
        tags: Mapping[int, str],
        *,
        reaped: Collection[str],
        anywhere: bool,
        adopters: Collection[int] = (),
    ) -> None:
        self.processes = read_all()
        self._tags = tags
        self._anywhere = anywhere
        self._adopters = {os.getpid(), *adopters}
        self._leaders = {pid: unit for unit, pid in units.items() if unit not in reaped or self._unused(pid)}
        self._owner: dict[int, str | None] = {}

    def members(self, units: Collection[str]) -> dict[str, list[ProcessStat]]:
        """Return the living processes of each of `units`, leaders left out; units without any are left out."""
        found: dict[str, list[ProcessStat]] = {}
        for process in self.processes.values():
            if process.dead or process.pid in self._leaders:
                continue
            unit = self._find(process)
            if unit is not None and unit in units:
                found.setdefault(unit, []).append(process)
        return found

    def _unused(self, pid: int) -> bool:
        found = self.processes.get(pid)
        return found is None or found.dead

    def _find(self, process: ProcessStat) -> str | None:
        """Climb to the first ancestor whose unit is known, and remember the answer for all on the way."""
        path: list[ProcessStat] = []
        current: ProcessStat | None = process
        while current is not None and current.pid not in self._leaders and current.pid not in self._owner:
            self._owner[current.pid] = None  # numbers reused while we read could make a circle
            path.append(current)
            # An adopter is where orphans of all units end up: to be its child tells nothing.
            current = None if current.parent in self._adopters else self.processes.get(current.parent)
        unit = None
        if current is not None:
            unit = self._leaders.get(current.pid) or self._owner[current.pid]
        ours = self._anywhere or (bool(path) and path[-1].parent in self._adopters)
        # From the top down: the first that can be told from its session, group or tag decides for all below it.
        for ancestor in reversed(path):
            if unit is None and ours:
                unit = owner_of_orphan(ancestor, self._leaders, self._tags)
            self._owner[ancestor.pid] = unit
        return unit


def owner_of_orphan(process: ProcessStat, leaders: Mapping[int, str], tags: Mapping[int, str]) -> str | None:
    """Return the unit of a process that has lost its parents: by session, group, or what it inherited."""
    return leaders.get(process.session) or leaders.get(process.group) or unit_of(process.pid, tags)
