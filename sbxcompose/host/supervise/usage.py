"""What the processes of a sandbox use, found out when it is asked for and at no other time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from sbxcompose.api.usage import Machine, TaskStat, Usage, tree_usage
from sbxcompose.clock import boot_time, monotonic
from sbxcompose.host.keeper.census import marked_unit
from sbxcompose.host.keeper.inits import is_init
from sbxcompose.linux.processes import read_file

FRESH = 0.2
"""Seconds for which one look at the machine serves all requests: the sandboxes of a project are asked at once."""


def read_machine() -> Machine:
    """Return this machine as it is now. Takes about 20 µs for each of its processes."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := read_file(f"/proc/{name}/stat")):
            found[int(name)] = TaskStat(int(name), stat, read_file(f"/proc/{name}/statm"))
    page = os.sysconf("SC_PAGE_SIZE")
    memory = os.sysconf("SC_PHYS_PAGES") * page
    # The clock that the start times in /proc/pid/stat are counted on (proc(5)); CLOCK_MONOTONIC stands still while the
    # machine sleeps.
    uptime = boot_time()
    return Machine(uptime, os.cpu_count() or 1, memory, os.sysconf("SC_CLK_TCK"), page, found)


class MachineReader:
    """Reads the machine, or returns what was read just before. Safe in several threads."""

    def __init__(self, read: Callable[[], Machine] = read_machine, clock: Callable[[], float] = monotonic) -> None:
        self._read = read
        self._clock = clock
        self._latest: tuple[float, Machine] | None = None

    def machine(self, leaders: Iterable[int]) -> Machine:
        """Return all processes of this machine; `leaders`, which run now, are among them."""
        latest, now = self._latest, self._clock()
        if latest is None or now - latest[0] > FRESH or any(pid not in latest[1].tasks for pid in leaders):
            self._latest = latest = (now, self._read())
        return latest[1]


def unit_usage(machine: Machine, units: Mapping[str, int], keeper: int) -> dict[str, Usage]:
    """Return what each unit uses; `units` are the leaders' pids by the keeper's names.

    What has left its parents is a child of the keeper, or of the init process of an isolated sandbox, and is told by
    what its environment says it was started by.
    """
    adopters = {keeper}

    def adopted(task: TaskStat) -> bool:
        if task.parent not in adopters:
            parent = machine.tasks.get(task.parent)
            if parent is None or parent.parent != keeper or not is_init(marked_unit(parent.pid)):
                return False
            adopters.add(task.parent)
        return True

    def owner(task: TaskStat) -> int | None:
        return units.get(marked_unit(task.pid) or "") if adopted(task) else None

    found = tree_usage(machine, units.values(), owner)
    return {unit: found[pid] for unit, pid in units.items() if pid in found}
