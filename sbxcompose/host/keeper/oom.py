"""Which processes the kernel has killed for want of memory: its log names them, the group of a limited sandbox counts
them.

A group of its own for each unit, with a counter, would tell as well; but to move a process into a group takes as long
as to start it, and can take fifteen milliseconds on an idle machine (a grace period of RCU). The log costs nothing
until a process dies of SIGKILL. Where it may not be read, and there is no counter, nothing is claimed.
"""

from __future__ import annotations

import os

from sbxcompose.linux.kernel import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

KERNEL_LOG = "/dev/kmsg"
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""The numbers in the log are those of this namespace (PROC_PID_INIT_INO): elsewhere they mean other processes."""

_RECORD = 8192
_USER = 8
"""From this number on a record's facility is not the kernel: any privileged program may have written it."""


class KernelLog:
    """What the kernel has said since this was made."""

    def __init__(self, path: str = KERNEL_LOG, namespace: str | None = None) -> None:
        self._victims: set[int] = set()
        self._fd = -1
        try:
            namespace = namespace or os.readlink("/proc/self/ns/pid")
            if namespace == INITIAL_PID_NAMESPACE:
                self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                # Only what comes from now on: numbers in earlier records may have been given to other processes.
                os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self._close()

    @property
    def readable(self) -> bool:
        """Whether it tells: else a process that was killed for want of memory looks like one that a program killed."""
        return self._fd >= 0

    def has_killed(self, pid: int) -> bool:
        """Return whether a process that has just ended of SIGKILL was killed for want of memory; told once.

        The kernel logs it before the victim can end.
        """
        for record in self._news():
            victim = victim_of(record)
            if victim is not None:
                self._victims.add(victim)
        found = pid in self._victims
        self._victims.discard(pid)
        return found

    @property
    def has_victims(self) -> bool:
        """Whether it knows of any whose end has not been asked about."""
        return bool(self._victims)

    def forget_all_but(self, pids: set[int]) -> None:
        """Let go of victims other than `pids`, which run: their numbers may be given to others."""
        self._victims &= pids

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _news(self) -> list[bytes]:
        """Return the records that have come."""
        records: list[bytes] = []
        while self._fd >= 0:
            try:
                record = os.read(self._fd, _RECORD)
            except BrokenPipeError:  # some were overwritten before they were read; the next read starts after them
                continue
            except OSError:  # EAGAIN: nothing more has come
                break
            if not record:
                break
            records.append(record)
        return records


def victim_of(record: bytes) -> int | None:
    """Return the process that a record of the log says was killed for want of memory."""
    # `6,1234,567890,-;Out of memory: Killed process 71 (hog) …`: by hand, as `re` takes half a megabyte.
    head, _, rest = record.partition(b";")
    facility = head.partition(b",")[0]
    why, _, whom = rest.partition(b"\n")[0].rpartition(b": Killed process ")
    pid, ended, _ = whom.replace(b",", b" ").partition(b" ")
    if b"ut of memory" not in why or not ended or not (pid.isdigit() and facility.isdigit()):
        return None
    return int(pid) if int(facility) < _USER else None


class KillCount:
    """How many processes the kernel has killed for want of memory in a control group, since the start of a run there.

    The kernel counts before it kills (`__oom_kill_process`): at the end of a victim, or of its parent, it is in.
    """

    __slots__ = ("before", "path")

    def __init__(self, path: str, before: int) -> None:
        self.path = path
        self.before = before

    @classmethod
    def begin(cls, groups: Iterable[str]) -> KillCount | None:
        """Count from now on; None if none of the groups counts."""
        # Only one hierarchy of version 1 has the memory controller: the others have no such file.
        for group in groups:
            for name in ("memory.events", "memory.oom_control"):
                before = kills_in(read_text(f"{group}/{name}"))
                if before is not None:
                    return cls(f"{group}/{name}", before)
        return None

    @property
    def since(self) -> int:
        """The number until now; 0 if the group is gone."""
        now = kills_in(read_text(self.path))
        return 0 if now is None else max(0, now - self.before)


def is_victim(*, named: bool, log_readable: bool, kills: int, killed_by_us: bool) -> bool:
    """Return whether the kernel killed a leader that has died of SIGKILL for want of memory. Where its log names no
    victims, it did if it has killed anything in the group meanwhile, and we have not killed the leader.
    """
    return named or (not log_readable and kills > 0 and not killed_by_us)


def kills_in(text: str) -> int | None:
    """Return the counter in `memory.events` (version 2) or `memory.oom_control` (version 1, since Linux 4.13)."""
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.isdigit():
            return int(number)
    return None
