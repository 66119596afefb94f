"""All units, and what becomes of each: stopped, killed, ended, cleared of what it left behind, released."""

from __future__ import annotations

import os
import select

from sbxcompose.clock import monotonic, wall_time
from sbxcompose.host.keeper.escaped import Finder, census
from sbxcompose.host.keeper.log import log
from sbxcompose.host.keeper.oom import is_victim
from sbxcompose.host.keeper.termination import Termination
from sbxcompose.host.keeper.unowned import UnownedProcesses
from sbxcompose.light import signal
from sbxcompose.linux import kernel
from sbxcompose.linux.processes import command_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

    from sbxcompose.host.keeper.census import Census
    from sbxcompose.host.keeper.freezer import Freezer
    from sbxcompose.host.keeper.loop import Loop
    from sbxcompose.host.keeper.oom import KernelLog
    from sbxcompose.host.keeper.unit import Unit
    from sbxcompose.linux.processes import ProcessStat


class Units:
    """The units, by name. `finish_ended` belongs at the end of each turn of the loop: there one look at the machine
    serves all leaders that have ended in that turn.
    """

    def __init__(self, loop: Loop, emit: Callable[[str, Unit], None], freezer: Freezer, kernel_log: KernelLog) -> None:
        self._loop = loop
        self._emit = emit
        self._freezer = freezer
        self._kernel_log = kernel_log
        self._units: dict[str, Unit] = {}
        self._leaders: dict[int, Unit] = {}
        self._timed: dict[str, Unit] = {}
        """Those that have a deadline."""
        self._next: float | None = None
        """No deadline of them is earlier."""
        self.finder = Finder(self._leaders)
        self._unowned = UnownedProcesses(self.finder)
        self._unsettled: dict[str, Unit] = {}
        self._termination = Termination(loop, freezer, self._settle_later)
        self._census: Census | None = None

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units.values())

    def get(self, name: str) -> Unit | None:
        """Return the unit of that name."""
        return self._units.get(name)

    @property
    def live(self) -> bool:
        """Whether anything may still run."""
        return any(unit.live for unit in self)

    @property
    def deadline(self) -> float | None:
        """When `expire` has something to do next, in monotonic seconds."""
        return self._next

    def add(self, unit: Unit) -> None:
        """Keep a unit from now on."""
        self._units[unit.name] = unit
        if not unit.live:
            return
        self._time(unit)
        if unit.leader_gone:
            self._unsettled[unit.name] = unit
        elif unit.ours:
            self._leaders[unit.pid] = unit
        else:
            self._loop.watch(unit.fds["pidfd"], lambda: self._foreign_ended(unit))

    def release(self, name: str) -> Unit | None:
        """Forget a unit that is over, and close what is open of it; None if it is not over, or unknown."""
        unit = self._units.get(name)
        if unit is None or unit.live:
            return None
        unit.close()
        return self._units.pop(name)

    # -- asked for ---------------------------------------------------------------------------------

    def stop(self, name: str, number: int, deadline: float, grace: float = 0.0) -> bool:
        """Ask a unit to end, by a signal to its group; what is left is killed at `deadline`, or `grace` seconds from
        now: however late this comes, it has all of its grace.
        """
        unit = self._units.get(name)
        if unit is None or not unit.live:
            return False
        repeated = unit.stop_signal == number  # programs take a second one for "at once"; only the deadline may shrink
        unit.stop_signal = number
        unit.sigkilled |= number == signal.SIGKILL
        deadline = max(deadline, monotonic() + grace)
        if not unit.killing:
            unit.deadline = deadline if unit.deadline is None else min(deadline, unit.deadline)
            self._time(unit)
        if not repeated:
            self._termination.signal_group(unit, number)
            self._termination.signal_group(unit, signal.SIGCONT)  # one that is stopped could not end
        self._freezer.thaw(unit)
        return True

    def kill(self, name: str, number: int, *, everything: bool) -> bool:
        """Send a signal to a unit's group, or also to those that have left it: they are listed first."""
        unit = self._units.get(name)
        if unit is None or not unit.live:
            return False
        if isinstance(unit.frozen, list) and number == signal.SIGCONT:
            return True  # it would run: it will, when it is thawed
        members = self._members(unit) if everything else []
        sent = self._termination.signal_group(unit, number)
        for process in members:
            if process.group != unit.pid:
                sent |= self._termination.signal_one(process, number)
        if number == signal.SIGKILL:
            unit.sigkilled = True
            unit.clean_up.killed.update((process.pid, process.started) for process in members)
            self._freezer.thaw(unit)
        return sent

    def freeze(self, names: list[str], *, again: bool) -> dict[str, Any]:
        """Stop all that these units are made of; how each one that is frozen now was frozen, by name.

        One that is being ended is not frozen: it will be gone soon.
        """
        found = [self._units[name] for name in names if name in self._units]
        wanted = [unit for unit in found if unit.live and not unit.leader_gone and unit.deadline is None]
        self._freezer.freeze([unit for unit in wanted if not unit.killing], list(self), again=again)
        return {unit.name: unit.frozen for unit in wanted if unit.frozen is not None}

    def thaw(self, names: list[str]) -> list[str]:
        """Let units continue; those that run now."""
        found = [self._units[name] for name in names if name in self._units]
        live = [unit for unit in found if unit.live]
        for unit in live:
            self._freezer.thaw(unit)
        return [unit.name for unit in live]

    def stop_all(self, grace: float) -> None:
        """Ask every unit to end."""
        for unit in self:
            self.stop(unit.name, signal.SIGTERM, monotonic() + grace)

    def kill_all(self) -> None:
        """Let no unit have any grace."""
        for unit in self:
            if unit.live and not unit.killing:
                unit.deadline = 0.0  # in the past: `expire` kills, and does what else belongs to that
                self._time(unit)

    # -- happening ---------------------------------------------------------------------------------

    def reap(self) -> dict[int, int]:
        """Take note of children that have ended; those that led no unit, with their wait status."""
        others: dict[int, int] = {}
        while True:  # pending signals merge: one SIGCHLD may stand for many ends
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return others
            if pid == 0:
                return others
            self.finder.forget(pid)
            unit = self._leaders.pop(pid, None)
            if unit is None:
                others[pid] = status
            else:
                self._leader_ended(unit, status)

    def _foreign_ended(self, unit: Unit) -> None:
        """Take note of the end of a leader that is not our child and is reaped by another process, if at all."""
        pidfd = unit.fds["pidfd"]
        ready = select.poll()
        ready.register(pidfd, select.POLLIN)
        if not ready.poll(0):
            return
        status = kernel.final_status(pidfd, unit.pid)
        self._loop.unwatch(pidfd)
        self._leader_ended(unit, status)

    def _leader_ended(self, unit: Unit, status: int | None) -> None:
        unit.leader_gone = True
        unit.status = status
        unit.ended_at = wall_time()
        if unit.kill_count is not None:
            unit.oom_kills = unit.kill_count.since
        if status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            unit.oom_killed = self._was_oom_killed(unit)
        self._unsettled[unit.name] = unit

    def _was_oom_killed(self, unit: Unit) -> bool:
        named = self._kernel_log.has_killed(unit.pid)
        if self._kernel_log.has_victims:
            self._kernel_log.forget_all_but({unit.pid for unit in self if unit.live})
        return is_victim(
            named=named,
            log_readable=self._kernel_log.readable,
            kills=unit.oom_kills,
            killed_by_us=unit.sigkilled or unit.killing,
        )

    def expire(self) -> None:
        """Kill the units whose grace is over, and give up on what does not die."""
        now = monotonic()
        if self._next is None or now < self._next:
            return
        for unit in [unit for unit in self._timed.values() if unit.deadline is not None and unit.deadline <= now]:
            if unit.killing:
                if self._termination.has_failed(unit):
                    self._give_up(unit)
                continue
            unit.killing = True
            unit.deadline = None
            members = self._members(unit)
            self._termination.kill(unit, members)
            if unit.leader_gone and not unit.clean_up.watched:
                self._unsettled[unit.name] = unit
        timed, self._timed, self._next = self._timed, {}, None
        for unit in timed.values():
            self._time(unit)

    def _time(self, unit: Unit) -> None:
        """Have `expire` look at a unit when its deadline has come, if it has one."""
        if unit.deadline is not None:
            self._timed[unit.name] = unit
            self._next = unit.deadline if self._next is None else min(unit.deadline, self._next)

    def _give_up(self, unit: Unit) -> None:
        for pid, _ in unit.clean_up.watched:
            unit.clean_up.left_behind.append(f"{pid} {command_of(pid)} (survives SIGKILL)")
        self._finish(unit)

    def finish_ended(self) -> None:
        """Deal with the units whose leader has ended, or whose last watched leftover has."""
        while self._unsettled:  # a unit comes back when what it left behind was gone before it could be watched
            gone = list(self._unsettled.values())
            self._unsettled.clear()
            found = self.finder.left_by(gone, self._units.values())
            self.end_outcasts(gone)
            for unit in gone:
                self._finish_ended(unit, found.get(unit.name, []))
        self._census = None

    def end_outcasts(self, ending: Collection[Unit] = ()) -> None:
        """Kill the children that are of no live unit, or only of those that are `ending`."""
        killed = self._unowned.end(self._units.values(), ending)
        if ending:  # whose it was is not known any more: the first of them tells of it
            next(iter(ending)).clean_up.left_behind += killed
        else:
            for line in killed:
                log(f"killed a process left behind: {line}")

    def _finish_ended(self, unit: Unit, found: list[ProcessStat]) -> None:
        left = [process for process in found if (process.pid, process.started) not in unit.clean_up.immune]
        if not left:
            self._finish(unit)
            return
        self._emit("leader", unit)
        if unit.stop_signal is not None and not unit.killing:
            # The server sends this one, which ends nothing, while a stop command is at work.
            by_command = unit.stop_signal == signal.SIGCONT
            if by_command:  # it has ended the leader; what outlives that has heard of nothing
                unit.stop_signal = signal.SIGTERM
            self._termination.ask(unit, left, all_of_them=by_command)
        else:
            unit.killing = True
            self._termination.kill(unit, left)
            self._time(unit)
        if not unit.clean_up.watched:
            self._unsettled[unit.name] = unit

    def _settle_later(self, unit: Unit) -> None:
        self._unsettled[unit.name] = unit

    def _finish(self, unit: Unit) -> None:
        self._termination.unwatch(unit)
        unit.end()
        self._timed.pop(unit.name, None)
        if not self._timed:
            self._next = None
        self._freezer.forget(unit)
        unit.close("pidfd")
        self._emit("exited", unit)

    # -- signals -----------------------------------------------------------------------------------

    def _members(self, unit: Unit) -> list[ProcessStat]:
        """Return all that a unit has started, its leader left out. One look serves all who ask in one turn."""
        if self._census is None:
            self._census = census(self._units.values())
        return self._census.members([unit.name]).get(unit.name, [])
