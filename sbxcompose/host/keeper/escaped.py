"""Who is left of a unit when its leader is gone, and who has left it while the leader runs."""

from __future__ import annotations

import os
import select

from sbxcompose.clock import boot_time, monotonic, wall_time
from sbxcompose.host.keeper.census import Census, marked_tag, owner_of_orphan, tag_of, tag_on
from sbxcompose.host.keeper.patience import is_over, is_starved
from sbxcompose.light import signal
from sbxcompose.linux import kernel
from sbxcompose.linux.processes import children_of, command_of, read_all, read_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from sbxcompose.host.keeper.unit import Unit
    from sbxcompose.linux.processes import ProcessStat

    ClaimFields = dict[str, Any]

SAME_BOOT = 60.0
"""Seconds by which the clock may have been set since a start was recorded."""
START_TICKS = 500
"""Clock ticks from the moment that was noted to the start at most; no number is given anew so soon."""
POLL_INTERVAL = 0.5
"""Seconds between two looks at what has been killed; its end is noticed at once."""
RETRIES = 5
SWEEPS = 20
"""How often a sweep looks again for what was forked in the meantime."""


class Finder:
    """Finds what units have started, with as little reading as possible.

    What a leader leaves behind is adopted by the keeper (a subreaper) before the leader's end is announced.
    So one look at the keeper's own children tells whether there is anything; all of /proc is read only if so.
    """

    def __init__(self, leaders: Mapping[int, Unit], children: Callable[[int], list[int] | None] = children_of) -> None:
        self._leaders = leaders
        """The keeper's children that lead a unit and have not been reaped; changes as they start and end."""
        self._children = children
        self.exempt: set[int] = set()
        """Children of the keeper that are no unit's: the server."""
        self.inits: dict[int, str] = {}
        """The init processes of isolated sandboxes, which adopt what is orphaned there: the sandbox by pid."""
        self._orphans: dict[int, str | None] = {}
        self._seen: list[int] | None = None
        """Those of the last look, until they have been asked for."""

    def unowned(self, units: Collection[Unit]) -> list[ProcessStat] | None:
        """Return the keeper's children that are of no live unit, with what they have started; None if it is unknown."""
        seen, self._seen = self._seen, None
        orphans = self._scan(units) if seen is None else seen
        if orphans is None:
            return None
        if not orphans:
            return []  # the usual case: nothing is looked through that grows with the number of units
        live = {unit.name for unit in units if unit.live}
        alone = {pid for pid in orphans if self._orphans.get(pid) not in live}
        if not alone:
            return []
        processes = read_all()
        exempt = self.exempt | self.inits.keys()
        found = with_descendants({pid for pid in alone if pid in processes}, processes, exempt)
        return [processes[pid] for pid in sorted(found) if not processes[pid].dead]

    def forget(self, pid: int) -> None:
        """Forget a process that has been reaped; its number may go to another one."""
        self._orphans.pop(pid, None)

    def left_by(self, gone: Collection[Unit], units: Collection[Unit]) -> dict[str, list[ProcessStat]]:
        """Return what is left of the units whose leaders are gone; those of which nothing is are left out."""
        self._seen = None
        names = {unit.name for unit in gone}
        if all(unit.ours for unit in gone) and not self._any_orphan(names, units):
            return {}
        return census(units).members(names)

    def _any_orphan(self, names: set[str], units: Collection[Unit]) -> bool:
        orphans = self._scan(units)
        return orphans is None or any(self._orphans.get(pid) in names for pid in orphans)

    def _scan(self, units: Collection[Unit]) -> list[int] | None:
        """Return the keeper's children that lead no unit, each inspected once; None if unknown."""
        children = self._children(os.getpid())
        # Unknown is not none: then all of /proc is read.
        if children is None:
            return None
        adopted = [adopted_by(init) for init in self.inits]
        if None in adopted:
            return None
        children += [pid for found in adopted if found is not None for pid in found]
        orphans = sorted(set(children).difference(self._leaders, self.exempt, self.inits))
        # Those of a sandbox are reaped by its init process, which tells nothing: their numbers go to other processes.
        for pid in self._orphans.keys() - set(orphans):
            del self._orphans[pid]
        for pid in orphans:
            if pid not in self._orphans:
                self._classify(pid, units)
        self._seen = orphans
        return orphans

    def _classify(self, pid: int, units: Collection[Unit]) -> None:
        process = read_process(pid)
        if process is not None and not process.dead:
            leaders = {unit.pid: unit.name for unit in units if unit.live}
            self._orphans[pid] = owner_of_orphan(process, leaders, _tags(units))


def adopted_by(init: int) -> list[int] | None:
    """Return the children of another process that adopts orphans; None if it has no rest.

    It reaps while the list is read, which may then lack some: so the list is read until it is the same twice.
    """
    before = children_of(init)
    for _ in range(RETRIES):
        now = children_of(init)
        if now == before:
            return now or []
        before = now
    return None


def census(units: Collection[Unit]) -> Census:
    """Read everything that runs now."""
    live = [unit for unit in units if unit.live]
    return Census(
        {unit.name: unit.pid for unit in live},
        _tags(live),
        reaped={unit.name for unit in live if unit.leader_gone},
        anywhere=not all(unit.ours for unit in live),
        adopters={unit.adopter for unit in live if unit.adopter is not None},
    )


def _tags(units: Collection[Unit]) -> dict[int, str]:
    return {unit.tag: unit.name for unit in units if unit.tag is not None and unit.live}


def open_process(process: ProcessStat) -> int | None:
    """Open a pidfd of exactly that process; None when it is gone. Raises `OSError` when there are no
    descriptors.
    """
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    # Compared only now that the pidfd pins the process: before, its number could have gone to another one.
    now = read_process(process.pid)
    if now is None or now.started != process.started:
        os.close(pidfd)
        return None
    return pidfd


def sweep(host: str, claims: Collection[ClaimFields], spare: Collection[int]) -> list[str]:
    """Kill what is left of units that no keeper knows any longer, and what that has started: "pid command" each.

    `spare` are leaders that are known. Waits for the ends.
    """
    if not claims:
        return []
    wanted = _Claims(host, claims, {*spare, os.getpid()})
    # What has been killed may still be listed: another user's process, or one that hangs in the kernel.
    swept: dict[tuple[int, int], str] = {}
    for _ in range(SWEEPS):
        found = {(process.pid, process.started): process for process in wanted.find()}
        new = {key: process for key, process in found.items() if key not in swept}
        if not new:
            break
        swept.update({key: f"{process.pid} {command_of(process.pid)}" for key, process in new.items()})
        kill_and_wait(list(new.values()))
    return list(swept.values())


def with_descendants(pids: set[int], processes: Mapping[int, ProcessStat], spare: set[int]) -> set[int]:
    """Add all that these processes have started and that still has its parents, but for what is to be spared."""
    # Again until nothing is added: processes are listed in no order, a grandchild may come before its parent.
    found, size = set(pids), -1
    while size != len(found):
        size = len(found)
        found |= {pid for pid, process in processes.items() if process.parent in found and pid not in spare}
    return found


class _Claims:
    """Finds what belongs to claimed units: by leader and start time, by session, by tag, by environment, by parents."""

    def __init__(self, host: str, claims: Collection[ClaimFields], spare: set[int]) -> None:
        booted = wall_time() - boot_time()
        self._spare = spare
        self._tags = {tag_of(host, claim["unit"]) for claim in claims}
        # The process ids of an earlier boot mean nothing; a clock that was set may be wrong by a little.
        of_now = [claim for claim in claims if claim["pid"] and claim["ticks"] and claim["at"] > booted - SAME_BOOT]
        self._leaders = {claim["pid"]: claim["ticks"] for claim in of_now}

    def find(self) -> list[ProcessStat]:
        processes = read_all()
        claimed = {
            pid for pid, process in processes.items() if pid not in self._spare and self._is_claimed(process, processes)
        }
        found = with_descendants(claimed, processes, self._spare)
        return [processes[pid] for pid in sorted(found) if not processes[pid].dead]

    def _is_claimed(self, process: ProcessStat, processes: dict[int, ProcessStat]) -> bool:
        if process.dead:
            return False
        if self._leads(process) or self._in_session(process, processes.get(process.session)):
            return True
        return tag_on(process.pid) in self._tags or marked_tag(process.pid) in self._tags

    def _leads(self, process: ProcessStat) -> bool:
        ticks = self._leaders.get(process.pid)
        # The number was taken before the fork, and both are rounded to ticks.
        return ticks is not None and -1 <= process.started - ticks <= START_TICKS

    def _in_session(self, process: ProcessStat, leader: ProcessStat | None) -> bool:
        """Return whether a claimed leader has made its session. No number is given anew while a session has it."""
        if process.session not in self._leaders or process.started < self._leaders[process.session] - 1:
            return False
        return leader is None or self._leads(leader)


def kill_and_wait(processes: list[ProcessStat]) -> None:
    """Send SIGKILL to all, and wait until they are gone, as long as that may take. Raises `OSError` if there are no
    descriptors at all.
    """
    while processes:
        dying, processes = _kill(processes)
        _wait_for(dying)


def _kill(processes: list[ProcessStat]) -> tuple[dict[int, tuple[int, int]], list[ProcessStat]]:
    """Send SIGKILL to as many as there are descriptors for; their pidfds, and the others."""
    dying: dict[int, tuple[int, int]] = {}
    for position, process in enumerate(processes):
        try:
            pidfd = open_process(process)
        except OSError:
            # There may be more of them than descriptors: the others follow when these are gone.
            if not dying:
                raise
            return dying, processes[position:]
        if pidfd is None:
            continue
        try:
            killed = kernel.signal_process(pidfd, signal.SIGKILL)
        except PermissionError:  # a set-user-ID program: waiting for it would last as long as it does
            killed = False
        if killed:
            dying[pidfd] = process.pid, process.started
        else:
            os.close(pidfd)
    return dying, []


def _wait_for(dying: dict[int, tuple[int, int]]) -> None:
    """Wait until processes that were killed are gone, and close their pidfds."""
    waiting = select.poll()
    for pidfd in dying:
        waiting.register(pidfd, select.POLLIN)
    begun = monotonic()
    while dying and not is_over(monotonic() - begun, lambda: is_starved(dying.values())):
        for pidfd, _ in waiting.poll(POLL_INTERVAL * 1000):
            waiting.unregister(pidfd)
            del dying[pidfd]
            os.close(pidfd)
    for pidfd in dying:
        os.close(pidfd)
