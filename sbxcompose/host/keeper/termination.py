"""How the processes of a unit are terminated: asked by a signal, killed, and watched until they are gone."""

from __future__ import annotations

import os

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.escaped import open_process
from sbxcompose.host.keeper.patience import is_over, is_starved
from sbxcompose.light import signal
from sbxcompose.linux import kernel
from sbxcompose.linux.processes import command_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sbxcompose.host.keeper.freezer import Freezer
    from sbxcompose.host.keeper.loop import Loop
    from sbxcompose.host.keeper.unit import Unit
    from sbxcompose.linux.processes import ProcessStat

POLL_INTERVAL = 0.5
"""Seconds between two looks at what has been killed; its end is noticed at once."""


class Termination:
    """Terminates processes of units. `over` is told of a unit without a leader whose last watched process has ended."""

    def __init__(self, loop: Loop, freezer: Freezer, over: Callable[[Unit], None]) -> None:
        self._loop = loop
        self._freezer = freezer
        self._over = over

    def unwatch(self, unit: Unit) -> None:
        """Stop watching a unit's processes."""
        for pidfd in unit.clean_up.watched.values():
            self._loop.unwatch(pidfd)
            os.close(pidfd)
        unit.clean_up.watched.clear()

    def ask(self, unit: Unit, processes: list[ProcessStat], *, all_of_them: bool) -> None:
        """Wait for these to end; those that have left the group, and so not heard of the stop, are told, or all."""
        assert unit.stop_signal is not None
        for process in processes:
            pidfd = self._watch(unit, process)
            key = (process.pid, process.started)
            if pidfd is None or key in unit.clean_up.asked or (process.group == unit.pid and not all_of_them):
                continue
            unit.clean_up.asked.add(key)
            self._send(unit, process, pidfd, unit.stop_signal)
            # A stopped process takes note of a signal only when it continues.
            self._send(unit, process, pidfd, signal.SIGCONT)

    def kill(self, unit: Unit, processes: list[ProcessStat]) -> None:
        """Kill processes of a unit, which were listed first: its group at once, then those that had left it."""
        for process in processes:
            key = (process.pid, process.started)
            if key not in unit.clean_up.killed:
                unit.clean_up.left_behind.append(f"{process.pid} {command_of(process.pid)}")
                unit.clean_up.killed.add(key)
        # All of the group in one call: killed one by one, a shell would begin its next command when its child dies.
        if not unit.leader_gone or any(process.group == unit.pid for process in processes):
            self.signal_group(unit, signal.SIGKILL)
        for process in processes:
            pidfd = self._watch(unit, process)
            if pidfd is not None:
                self._send(unit, process, pidfd, signal.SIGKILL)
        # In a frozen group of version 1 what was killed dies only once it is thawed.
        self._freezer.thaw(unit)
        unit.clean_up.killed_at = monotonic()
        if unit.leader_gone:
            unit.deadline = unit.clean_up.killed_at + POLL_INTERVAL

    def has_failed(self, unit: Unit) -> bool:
        """Return whether what has been killed will not die, as far as one can tell; else look again a little later."""
        now = monotonic()
        if is_over(now - unit.clean_up.killed_at, lambda: is_starved(unit.clean_up.watched)):
            return True
        unit.deadline = now + POLL_INTERVAL
        return False

    def _watch(self, unit: Unit, process: ProcessStat) -> int | None:
        """Be told of a process's end; its pidfd, or None if it has ended already."""
        key = (process.pid, process.started)
        if key in unit.clean_up.watched:
            return unit.clean_up.watched[key]
        try:
            pidfd = open_process(process)
        except OSError:
            unit.clean_up.immune.add(key)
            return None
        if pidfd is not None:
            unit.clean_up.watched[key] = pidfd
            self._loop.watch(pidfd, lambda: self._ended(unit, key))
        return pidfd

    def _ended(self, unit: Unit, key: tuple[int, int]) -> None:
        pidfd = unit.clean_up.watched.pop(key, None)
        if pidfd is None:
            return
        self._loop.unwatch(pidfd)
        os.close(pidfd)
        if unit.leader_gone and unit.live and not unit.clean_up.watched:
            self._over(unit)

    def _send(self, unit: Unit, process: ProcessStat, pidfd: int, number: int) -> None:
        try:
            kernel.signal_process(pidfd, number)
        except PermissionError:
            key = (process.pid, process.started)
            # A host that is not root may not signal what a set-user-ID program has made another user's.
            if key in unit.clean_up.watched and number == signal.SIGKILL:
                unit.clean_up.immune.add(key)
                unit.clean_up.left_behind.append(f"{process.pid} (may not be killed: it runs as another user)")
                self._ended(unit, key)

    def signal_group(self, unit: Unit, number: int) -> bool:
        """Send a signal to a unit's group; False if it reached no process."""
        if "pidfd" not in unit.fds:
            return False
        # Until the leader is reaped, no other group can get its number.
        unreaped = unit.ours and not unit.leader_gone
        try:
            return kernel.signal_group(unit.fds["pidfd"], unit.pid, number, unreaped=unreaped)
        except PermissionError:
            return False

    def signal_one(self, process: ProcessStat, number: int) -> bool:
        """Send a signal to one process; False if it is gone, or may not be sent one."""
        pidfd = open_process(process)
        if pidfd is None:
            return False
        try:
            return kernel.signal_process(pidfd, number)
        except PermissionError:
            return False
        finally:
            os.close(pidfd)
