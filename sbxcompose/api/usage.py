"""CPU time and memory of processes with all their descendants, from what /proc says of a whole machine. Pure.

The host reads the files of its machine; a sandbox whose daemon cannot do that prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

Owner = Callable[["TaskStat"], int | None]
"""Return the leader to which a process belongs that has left its parents; None if it belongs to none."""


class Usage(NamedTuple):
    """What a process and its descendants have used. CPU time in seconds since they began, memory in bytes."""

    cpu: float = 0.0
    memory: int = 0
    processes: int = 0


class TaskStat:
    """A process with what it uses: CPU time in clock ticks, its reaped children's included, and memory in pages.

    `shared` are the pages of files and of shared memory among the `resident` ones.
    """

    __slots__ = ("dead", "group", "parent", "pid", "resident", "session", "shared", "ticks")

    def __init__(self, pid: int, stat: bytes, statm: bytes) -> None:
        fields = stat[stat.rindex(b")") + 2 :].split()
        self.pid = pid
        self.dead = fields[0] in b"ZXx"
        self.parent, self.group, self.session = map(int, fields[1:4])
        self.ticks = sum(map(int, fields[11:15]))
        sizes = statm.split()
        self.resident, self.shared = (int(sizes[1]), int(sizes[2])) if len(sizes) > 2 else (0, 0)


class Machine(NamedTuple):
    """A machine at one moment: seconds since it was booted, its size, and all its processes."""

    uptime: float
    cpus: int
    memory: int
    ticks_per_second: int
    page_size: int
    tasks: Mapping[int, TaskStat]


SCRIPT = (
    "echo @ $(cat /proc/uptime) $(getconf CLK_TCK) $(getconf PAGESIZE) $(grep -c ^processor /proc/cpuinfo)"
    " $(grep ^MemTotal: /proc/meminfo); grep -H . /proc/[0-9]*/stat /proc/[0-9]*/statm 2>/dev/null; exit 0"
)
"""Prints what `parse_machine` reads; for `sh` where only that can be had."""


def parse_machine(lines: Iterable[str]) -> Machine | None:
    """Return the machine that `SCRIPT` has printed; None if it has no /proc, or lacks a program of the script."""
    head: list[str] = []
    stats: dict[int, dict[str, bytes]] = {}
    for line in lines:
        if line.startswith("@ "):
            head = line.split()
            continue
        path, colon, text = line.partition(":")
        pid, _, kind = path.removeprefix("/proc/").partition("/")
        if colon and pid.isdigit():
            stats.setdefault(int(pid), {})[kind] = text.encode()
    if len(head) < 8 or not stats:
        return None
    try:
        tasks = {
            pid: TaskStat(pid, files["stat"], files.get("statm", b""))
            for pid, files in stats.items()
            if "stat" in files
        }
        uptime, ticks, page, cpus, kilobytes = float(head[1]), *map(int, (*head[3:6], head[7]))
    except (ValueError, IndexError):
        return None
    return Machine(uptime, cpus, kilobytes * 1024, ticks, page, tasks)


def no_owner(task: TaskStat) -> int | None:
    """For `tree_usage`: what has left its parents, session and group belongs to no leader."""
    return None


def tree_usage(machine: Machine, leaders: Iterable[int], owner: Owner = no_owner) -> dict[int, Usage]:
    """Return what each leader and all that it has started use; a leader that has ended is left out.

    A process belongs to the nearest leader among its ancestors; else to that of its session or group; else `owner`
    says. Pages that processes of one leader may share (of files, shared memory) are counted once, as many as the
    largest of them has.
    """
    tasks = machine.tasks
    known: dict[int, int | None] = {pid: pid for pid in leaders if pid in tasks and not tasks[pid].dead}
    heads = frozenset(known)
    members: dict[int, list[TaskStat]] = {pid: [] for pid in heads}
    for task in tasks.values():
        leader = _leader(task, tasks, known, heads, owner)
        if leader is not None and not task.dead:
            members[leader].append(task)
    return {pid: _total(found, machine) for pid, found in members.items()}


def _leader(
    task: TaskStat, tasks: Mapping[int, TaskStat], known: dict[int, int | None], heads: frozenset[int], owner: Owner
) -> int | None:
    """Climb to the first ancestor whose leader is known, and remember the answer for all on the way."""
    path: list[TaskStat] = []
    current: TaskStat | None = task
    while current is not None and current.pid not in known:
        known[current.pid] = None  # numbers reused while we read could make a circle
        path.append(current)
        current = tasks.get(current.parent)
    leader = known[current.pid] if current is not None else None
    for member in reversed(path):
        if leader is None:
            leader = next((pid for pid in (member.session, member.group) if pid in heads), None) or owner(member)
        leader = leader if leader in heads else None
        known[member.pid] = leader
    return leader


def _total(tasks: list[TaskStat], machine: Machine) -> Usage:
    pages = sum(max(task.resident - task.shared, 0) for task in tasks) + max((task.shared for task in tasks), default=0)
    return Usage(sum(task.ticks for task in tasks) / machine.ticks_per_second, pages * machine.page_size, len(tasks))
