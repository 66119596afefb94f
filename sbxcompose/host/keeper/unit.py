"""A unit: one run, its leader, and everything that the leader has started."""

from __future__ import annotations

import os

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.oom import KillCount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    ProcessIdentity = tuple[int, int]
    Frozen = str | list[list[int]]


class CleanUpState:
    """What has been done about the processes of a unit besides its leader, each known by (pid, start
    time).
    """

    __slots__ = ("asked", "immune", "killed", "killed_at", "left_behind", "watched")

    def __init__(self) -> None:
        self.watched: dict[ProcessIdentity, int] = {}
        """Whose end is waited for, by its pidfd."""
        self.asked: set[ProcessIdentity] = set()
        self.killed: set[ProcessIdentity] = set()
        self.killed_at = 0.0
        """When the last of them were, by the monotonic clock."""
        self.immune: set[ProcessIdentity] = set()
        """Whom we may not kill (a setuid program), or cannot watch."""
        self.left_behind: list[str] = []


class Unit:
    """One run. Its descriptors are the keeper's own: the pidfd until the end, the others until release.

    `ours`: the leader is this process's child. `known`: the server was told of it, and waits for its end.
    `frozen` says how it was frozen, see `Freezer`.
    `deadline` (monotonic seconds) is when the grace of a stop, or our patience after SIGKILL, is over.
    """

    __slots__ = (
        *("adopter", "at", "deadline", "ended_at", "exited", "fds", "frozen", "clean_up", "inside", "killing"),
        *("known", "large", "kill_count", "leader_gone", "limited", "meta", "name", "oom_killed", "oom_kills"),
        *("ours", "pid", "sigkilled", "status", "stop_signal", "tag", "ticks"),
    )

    def __init__(self, name: str, pid: int, at: float, meta: str) -> None:
        self.name = name
        self.pid = pid
        self.at = at
        self.meta = meta
        self.tag: int | None = None
        self.ticks = 0
        self.fds: dict[str, int] = {}
        self.large = 0
        self.frozen: Frozen | None = None
        self.inside: str | None = None
        """The isolated sandbox in which it runs."""
        self.adopter: int | None = None
        """The init process of that sandbox, which adopts what it orphans; otherwise the keeper does."""
        self.limited = False
        """It is in control groups of its sandbox, which it must not leave."""
        self.kill_count: KillCount | None = None
        """What counts the kills for want of memory in those groups."""
        self.ours = True
        self.known = False
        self.leader_gone = False
        self.status: int | None = None
        self.oom_killed = False
        self.oom_kills = 0
        """How many processes of its groups the kernel has killed for want of memory until its leader ended."""
        self.sigkilled = False
        """We have sent it SIGKILL, or another keeper has, or was about to: to die of that tells nothing."""
        self.ended_at = 0.0
        self.exited: dict[str, Any] | None = None
        self.stop_signal: int | None = None
        self.deadline: float | None = None
        self.killing = False
        self.clean_up = CleanUpState()

    @classmethod
    def handed_over(cls, body: dict[str, Any], fds: dict[str, int]) -> Unit:
        """Return a unit that another keeper has started."""
        unit = cls(body["unit"], body["pid"], body["at"], body["meta"])
        unit.tag, unit.fds, unit.ours, unit.known = body["tag"], fds, False, True
        unit.ticks = body.get("ticks", 0)
        unit.inside, unit.adopter = body.get("inside"), body.get("adopter")
        unit.limited = bool(body.get("limited"))
        unit.kill_count = KillCount(*body["kill_count"]) if body.get("kill_count") else None
        unit.exited, unit.frozen = body["exited"], body.get("frozen")
        if body["stop"]:
            unit.stop_signal, unit.deadline = int(body["stop"][0]), body["stop"][1]
            # Its grace is over: the keeper before this one may have killed it just before it died itself.
            unit.sigkilled = unit.deadline <= monotonic()
        unit.sigkilled |= bool(body.get("sigkilled"))
        # Its number may have gone to another process: it must not be watched, or signalled, as a leader again.
        if body["leader"]:
            unit.leader_gone = True
            unit.status, unit.ended_at, unit.oom_killed, *more = body["leader"]
            unit.oom_kills = more[0] if more else 0  # one of an older version does not know
        return unit

    @property
    def live(self) -> bool:
        """Something of it may still run."""
        return self.exited is None

    def describe(self) -> dict[str, Any]:
        """Return the unit as a server is told of it."""
        count = self.kill_count
        # A moment and not what is left: the monotonic clock is the same for the keeper that takes over.
        stop = None if self.stop_signal is None else [self.stop_signal, self.deadline or 0.0]
        return {
            **{"unit": self.name, "meta": self.meta, "pid": self.pid, "at": self.at, "tag": self.tag},
            **{"exited": self.exited, "stop": stop, "fds": list(self.fds)},
            **{"frozen": self.frozen, "ticks": self.ticks, "inside": self.inside},
            **{"adopter": self.adopter, "limited": self.limited, "sigkilled": self.sigkilled or self.killing},
            "kill_count": None if count is None else [count.path, count.before],
            "leader": [self.status, self.ended_at, self.oom_killed, self.oom_kills] if self.leader_gone else None,
        }

    def end(self) -> dict[str, Any]:
        """Return the unit's end, to be told: from now on it is over."""
        self.deadline = None
        self.exited = {
            **{"unit": self.name, "pid": self.pid, "status": self.status, "at": self.ended_at},
            "left_behind": self.clean_up.left_behind,
            **{"oom_killed": self.oom_killed, "oom_kills": self.oom_kills},
        }
        return self.exited

    def close(self, *names: str) -> None:
        """Close these descriptors, or all."""
        for name in names or tuple(self.fds):
            fd = self.fds.pop(name, None)
            if fd is not None:
                os.close(fd)
