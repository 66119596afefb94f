"""The values that the server and its keeper client exchange: what to spawn, what was spawned, how it
ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sbxcompose.host.keeper.execution import ExecContext

FD_NAMES = ("pidfd", "stdin", "stdout", "stderr")
"""The descriptors of a unit, in the order in which they travel."""


@dataclass(slots=True)
class Spawn:
    """One run to be started.

    `env` is the whole environment (the keeper adds only its marker); `argv[0]` is looked up on *its* `PATH`.
    `namespace` is the name of a network that was given to `keep`.
    With `pty` (rows, columns) the three standard streams are one terminal, and the three modes say nothing. With
    `pty_for_log` as well, only the output is; so is the input if its mode is `pipe`.
    `meta` is any JSON object: kept by the keeper, and given back by `adopt`.
    """

    unit: str
    argv: list[str]
    env: dict[str, str]
    context: ExecContext = field(default_factory=ExecContext)
    stdin: Literal["null", "pipe"] = "null"
    stdout: Literal["pipe", "null"] = "pipe"
    stderr: Literal["pipe", "null"] = "pipe"
    pty: tuple[int, int] | None = None
    pty_for_log: bool = False
    meta: dict[str, Any] = field(default_factory=dict)
    namespace: str | None = None
    inside: str | None = None
    """The isolated sandbox to start it in, whose plan was given to `isolate`."""
    repeatable: bool = False
    """Another keeper may start it once more if the one that was asked has died and may have begun it."""

    def write(self, base: Mapping[str, str]) -> dict[str, Any]:
        """Return the request as a JSON object; `base` is the part of the environment that travels apart."""
        return {
            "unit": self.unit,
            "argv": self.argv,
            # Most of a request would be variables that all its processes share: those travel once.
            "env": {name: value for name, value in self.env.items() if base.get(name) != value},
            **self.context.write(),
            "stdin": self.stdin,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "pty": self.pty,
            "pty_for_log": self.pty_for_log,
            # As text, which the keeper passes on unread: it need not parse it, and cannot change it.
            "meta": json.dumps(self.meta, separators=(",", ":")),
            "namespace": self.namespace,
            "inside": self.inside,
            "repeatable": self.repeatable,
        }


@dataclass(slots=True)
class Spawned:
    """A run that has been started, `at` in seconds since 1970, and about `ticks` clock ticks since boot.

    The descriptors are non-blocking and belong to the receiver. With a PTY its master is `stdout`, to be
    written to as well, and the other two are None; with `pty_for_log`, `stdin` is the master again if asked for.
    """

    unit: str
    pid: int
    at: float
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    ticks: int = 0


@dataclass(slots=True)
class Exited:
    """A run that is over: its leader and, whatever became of it, all that it had started.

    `status` is a wait status (`os.waitstatus_to_exitcode`), None when it is not known. `at` is when the
    leader ended, in seconds since 1970. `left_behind` tells what had to be killed, each as "pid command".
    `oom_killed`: the kernel killed the leader for want of memory; false also where the kernel does not tell.
    `oom_kills`: how many processes in its control groups the kernel killed for want of memory during the run.
    """

    unit: str
    pid: int
    status: int | None
    at: float
    left_behind: list[str] = field(default_factory=list)
    oom_killed: bool = False
    oom_kills: int = 0


@dataclass(slots=True)
class Adopted:
    """A unit that the keeper holds when a server comes: running, or over and not yet released."""

    unit: str
    meta: dict[str, Any]
    pid: int
    at: float
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    exited: Exited | None = None
    stopping: bool = False
    """A `stop` is under way."""
    frozen: bool = False
    """It was frozen, and has not been thawed."""
    ticks: int = 0


def close_streams(run: Spawned | Adopted) -> None:
    """Close the descriptors of a run whose streams are not used."""
    for fd in (run.stdin, run.stdout, run.stderr):
        if fd is not None:
            os.close(fd)


@dataclass(slots=True)
class Claim:
    """A unit that a record speaks of and no keeper knows: what of it may still be there is found by this.

    `pid` and `ticks` are those of its leader, 0 where they were not recorded; `at` its start in seconds since 1970.
    """

    unit: str
    pid: int = 0
    ticks: int = 0
    at: float = 0.0


class SpawnFailed(Exception):
    """A process could not be started: the message names the thing in the operating system's words."""

    def __init__(self, message: str, errno: int) -> None:
        super().__init__(message)
        self.message = message
        self.errno = errno


class SpawnLost(SpawnFailed):
    """The keeper has died while it started a process that must not be started twice: it may have run in part."""

    def __init__(self) -> None:
        # No error number: the system refused nothing.
        super().__init__("the host's keeper was killed while it started it; it may have run in part", 0)


class KeeperLost(Exception):
    """The keeper has died and no new one could be started."""


def common_environment(spawns: Sequence[Spawn]) -> dict[str, str]:
    """Return the variables that all of them have, with the same value: they travel once."""
    if not spawns:
        return {}
    # Pairs, not names: a variable that one of them has with another value must not come from the common part.
    common = set(spawns[0].env.items())
    for spawn in spawns[1:]:
        common.intersection_update(spawn.env.items())
    return dict(common)
