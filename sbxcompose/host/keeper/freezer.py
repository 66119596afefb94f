"""Stopping everything of a unit for a while, and letting it continue: by a control group, or else by signals.

Either way what runs can fork until it has been stopped: so it is looked for until two looks in a row find nothing new.
"""

from __future__ import annotations

import errno
import os
import time
import zlib

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.cgroups import FreezerGroup, hold, places
from sbxcompose.host.keeper.escaped import census, kill_and_wait, open_process
from sbxcompose.host.keeper.patience import is_over, is_starved
from sbxcompose.host.keeper.protocol import BEGUN
from sbxcompose.light import signal
from sbxcompose.linux import kernel
from sbxcompose.linux.processes import read_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sbxcompose.host.keeper.unit import Unit
    from sbxcompose.linux.processes import ProcessStat

MAX_SCANS = 100
"""How often the machine is looked at before a unit that keeps forking is left as it is."""
PAUSE = 0.0003
"""Seconds between two looks at what has been told to stop."""
REMOVING = 0.1
"""Seconds for which a group may take to be empty once all in it are dead."""
_STOPPED = b"Tt"
_CALM = b"TtD"
"""States in which a process that was told to stop does nothing: stopped, or in the kernel, on its way to that."""


class Freezer:
    """Freezes units, in groups below the first of `bases` in which one can be made; where in none, by signals.

    `Unit.frozen` says how: the path of its group, or the processes to be woken, parents first, as [pid, start]. It is
    set before anything is stopped, so that a unit can be thawed however far its freezing has come.
    """

    def __init__(self, bases: Collection[str]) -> None:
        self._bases = list(bases)
        self._held: int | None = None
        self._grouped: set[str] = set()
        """The units that a group was made for."""
        self._over: set[str] = set()
        """Groups of units that are over: the dead stay in a group a little longer than they are seen elsewhere."""

    def freeze(self, wanted: Collection[Unit], every: Collection[Unit], *, again: bool = False) -> None:
        """Stop all of the units that are `wanted` and not frozen yet; `every` unit is needed to tell whose is what.

        `again`: another keeper had begun with it and died, so whatever is stopped was stopped by it. Raises `OSError`
        if the machine cannot be looked at; then all of them run.
        """
        wanted = [unit for unit in wanted if unit.frozen is None or unit.frozen == BEGUN]
        try:
            self._freeze(wanted, every, again=again)
        except BaseException:
            for unit in wanted:
                self.thaw(unit)
            raise

    def _freeze(self, wanted: Collection[Unit], every: Collection[Unit], *, again: bool) -> None:
        groups: dict[str, FreezerGroup] = {}
        for unit in wanted:
            # In version 2 a process is in one group: it would leave that of its limits. There signals stop it.
            group = None if unit.limited and self._is_modern else self._group(unit.name)
            if group is not None:
                groups[unit.name] = group
                unit.frozen = group.path
        in_groups = _Grouping([unit for unit in wanted if unit.name in groups], groups, every)
        left = [unit for unit in wanted if unit.name not in groups] + in_groups.freeze()
        _Stopping(left, every, again=again).freeze()

    def thaw(self, unit: Unit) -> None:
        """Let a unit continue; do nothing if it is not frozen."""
        frozen, unit.frozen = unit.frozen, None
        if frozen == BEGUN:
            self._thaw_begun(unit)
        elif isinstance(frozen, str):
            try:
                FreezerGroup(frozen).thaw()
            except OSError:  # the group is gone, and so are its processes
                return
        elif frozen is not None:
            for pid, started in reversed(frozen):  # children first: no parent is to see one that is stopped
                _send(pid, started, signal.SIGCONT)

    def _thaw_begun(self, unit: Unit) -> None:
        """Thaw a unit whose stopped processes are unknown."""
        for base in self._bases:
            if os.path.isdir(_path(base, unit.name)):
                try:  # noqa: SIM105 (contextlib: half a megabyte in the keeper)
                    FreezerGroup(_path(base, unit.name)).thaw()
                except OSError:  # another host may remove what is empty, as no keeper holds it now
                    pass
        leader = read_process(unit.pid)
        members = [*([leader] if leader is not None else []), *census([unit]).members([unit.name]).get(unit.name, [])]
        for generation in reversed(generations(members)):
            for process in generation:  # also those that do not look stopped: the signal may not have arrived
                _send(process.pid, process.started, signal.SIGCONT)

    def forget(self, unit: Unit) -> None:
        """Remove the group of a unit that has ended, if it had one, and those that could not be removed before."""
        # A keeper before this one may have made groups for what it started.
        if unit.name in self._grouped or not unit.ours:
            self._grouped.discard(unit.name)
            self._over.update(_path(base, unit.name) for base in self._bases)
        self._over = {group for group in self._over if not _remove(group)}

    def clear(self) -> list[int]:
        """Remove all groups, and kill what is still in them: when a host begins, of one that was killed; and when
        it ends. Returns the processes that were killed.
        """
        killed: list[int] = []
        for base in self._bases:
            for name in _names(base):
                killed += _empty(f"{base}/{name}")
            _remove_soon(base)
        self._release()
        return killed

    def _release(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    @property
    def _is_modern(self) -> bool:
        """Whether one hierarchy has all controllers, so that a process would leave its limits for a frozen group."""
        return bool(self._bases) and os.path.exists(f"{os.path.dirname(self._bases[0])}/cgroup.controllers")

    def _group(self, name: str) -> FreezerGroup | None:
        """Return the unit's group, frozen before anything is in it; None where there can be none."""
        while self._bases:
            try:
                if self._held is None:
                    self._held = hold(self._bases[0])
                self._grouped.add(name)
                group = FreezerGroup.make(_path(self._bases[0], name))
                group.freeze()
            except OSError:
                self._bases.pop(0)
                self._release()
                continue
            self._bases[1:] = []
            return group
        return None


class _Grouping:
    """Units on their way into their groups, which are frozen."""

    def __init__(self, units: Collection[Unit], groups: dict[str, FreezerGroup], every: Collection[Unit]) -> None:
        self._units = {unit.name: unit for unit in units}
        self._groups = groups
        self._every = every

    def freeze(self) -> list[Unit]:
        """Move everything in; the units for which that was not possible, which run on."""
        # Twice: what is moved in stops at once, but a child that was forked just before may be missing in one look.
        calm, given_up = 0, []
        for _ in range(MAX_SCANS):
            if calm == 2 or not self._units:
                break
            calm += 1
            found = census(self._every).members(self._units)
            for name, unit in list(self._units.items()):
                leader = read_process(unit.pid)
                # One that has just ended stays where it is, and would count as moved in each round.
                members = [*([leader] if leader is not None and not leader.dead else []), *found.get(name, [])]
                try:
                    if self._move([process.pid for process in members], self._groups[name]):
                        calm = 0
                except OSError:  # one of them is where we may not take it from
                    given_up.append(self._units.pop(name))
                    unit.frozen = None
                    self._groups[name].thaw()
        for name in self._units:
            _wait(self._groups[name])
        return given_up

    def _move(self, pids: list[int], group: FreezerGroup) -> bool:
        """Move in processes that are not there yet; return whether there were any."""
        outside = set(pids) - group.members()
        moved = [group.add(pid) for pid in pids if pid in outside]
        return any(moved)


class _Stopping:
    """Units that get SIGSTOP, each process once, and parents before their children: so no parent hears of it."""

    def __init__(self, units: Collection[Unit], every: Collection[Unit], *, again: bool) -> None:
        self._units = {unit.name: unit for unit in units}
        self._every = every
        self._again = again
        self._seen: set[tuple[int, int]] = set()

    def freeze(self) -> None:
        """Stop everything, and note in each unit whom to wake, before it is stopped."""
        woken: dict[str, list[list[int]]] = {name: [] for name in self._units}
        for name, unit in self._units.items():
            unit.frozen = woken[name]
        calm = 0
        for _ in range(MAX_SCANS if self._units else 0):
            if calm == 2:
                break
            new = self._scan()
            calm = 0 if new else calm + 1
            for process, name in new:
                if self._is_ours(process):
                    woken[name].append([process.pid, process.started])
            for generation in generations([process for process, _ in new]):
                self._stop(generation)

    def _scan(self) -> list[tuple[ProcessStat, str]]:
        """Return the processes that were not seen before, and whose they are."""
        found = census(self._every).members(self._units)
        new: list[tuple[ProcessStat, str]] = []
        for name, unit in self._units.items():
            leader = read_process(unit.pid)
            members = [*([leader] if leader is not None else []), *found.get(name, [])]
            unseen = [
                process for process in members if not process.dead and (process.pid, process.started) not in self._seen
            ]
            self._seen.update((process.pid, process.started) for process in unseen)
            new += [(process, name) for generation in generations(unseen) for process in generation]
        return new

    def _is_ours(self, process: ProcessStat) -> bool:
        """Return whether no other program had stopped it before, which would have to continue it."""
        return self._again or process.state not in _STOPPED

    def _stop(self, generation: list[ProcessStat]) -> None:
        """Stop them, and wait until they have: a parent that is about to may still look at its children."""
        ours = [process for process in generation if self._is_ours(process)]
        for process in ours:
            _send(process.pid, process.started, signal.SIGSTOP)
        keys = [(process.pid, process.started) for process in ours]
        wait_stopped(lambda: not any(map(_runs, ours)), lambda: is_starved(keys))


def wait_stopped(stopped: Callable[[], bool], starved: Callable[[], bool]) -> bool:
    """Wait for what has been told to stop, longer while it has not had its turn; return whether it has stopped."""
    begun = monotonic()
    while not stopped():
        if is_over(monotonic() - begun, starved):
            return False
        time.sleep(PAUSE)
    return True


def _runs(process: ProcessStat) -> bool:
    now = read_process(process.pid)
    if now is None or now.started != process.started or now.dead:
        return False
    return now.state not in _CALM


def generations(processes: Collection[ProcessStat]) -> list[list[ProcessStat]]:
    """Yield processes in generations, so that each comes after its parent, if that is one of them."""
    waiting = {process.pid: process for process in processes}
    parted: list[list[ProcessStat]] = []
    while waiting:
        first = [process for process in waiting.values() if process.parent not in waiting] or list(waiting.values())
        parted.append(first)
        for process in first:
            del waiting[process.pid]
    return parted


def _send(pid: int, started: int, number: int) -> None:
    """Signal exactly that process; one that is gone, or that we may not signal, is left alone."""
    process = read_process(pid)
    pidfd = open_process(process) if process is not None and process.started == started else None
    if pidfd is None:
        return
    try:
        kernel.signal_process(pidfd, number)
    except PermissionError:
        return
    finally:
        os.close(pidfd)


def _wait(group: FreezerGroup) -> None:
    """Wait for the last of its processes to have stopped, which takes microseconds."""
    members = [process for process in map(read_process, group.members()) if process is not None]
    wait_stopped(lambda: group.frozen, lambda: is_starved((process.pid, process.started) for process in members))


def _empty(path: str) -> list[int]:
    """Kill what is in a left-over group, thaw and remove it; whom it has killed."""
    group = FreezerGroup(path)
    killed = sorted(group.members())
    found = [process for process in map(read_process, killed) if process is not None]
    for process in found:  # before it is thawed: none of them runs again
        _send(process.pid, process.started, signal.SIGKILL)
    try:
        group.thaw()
    except OSError:  # it is gone already, or nothing that we could do anything about
        killed = []
    else:
        kill_and_wait(found)
    _remove_soon(path)
    return killed


def _path(base: str, unit: str) -> str:
    safe = "".join(char if char.isascii() and (char.isalnum() or char in ".-") else f"_{ord(char):x}_" for char in unit)
    return f"{base}/unit-{safe}"


def _names(base: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(base) if entry.name.startswith("unit-")]
    except OSError:
        return []


def _remove(path: str) -> bool:
    """Remove a group; false while it has members."""
    try:
        os.rmdir(path)
    except OSError as error:
        return error.errno not in (errno.EBUSY, errno.ENOTEMPTY)
    return True


def _remove_soon(path: str) -> None:
    """Remove a group that the dead are about to leave."""
    deadline = monotonic() + REMOVING
    while not _remove(path) and monotonic() < deadline:
        time.sleep(0.001)


def bases_for(host: str) -> list[str]:
    """Where the host of that name has its groups: the same for each of its keepers, and for no other host's. Nowhere
    if the environment has `SBXCOMPOSE_CGROUPS=no`.
    """
    if os.environ.get("SBXCOMPOSE_CGROUPS") == "no":
        return []
    name = f"sbxcompose-{os.getuid()}-{zlib.crc32(os.fsencode(host)):08x}"
    return [f"{directory}/{name}" for directory in places("freezer")]
