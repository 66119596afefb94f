"""What the host remembers of a row, as values: which run is there, what is to happen, what has happened.

A row is in exactly one state, and each state carries what only it needs.
"""

from __future__ import annotations

import os
from typing import Any, Literal, Self

import msgspec
from msgspec import Struct, field

from sbxcompose.api.models import LastExit, StartRequest
from sbxcompose.host.supervise.health import Health
from sbxcompose.host.supervise.restart import RestartHistory

Why = Literal["stop", "restart", "unhealthy"]


class RequestedStop(Struct, frozen=True):
    """A run was asked to end, and why: what happens after it has. `deadline` is milliseconds since 1970.

    `command` is what was run instead of sending the signal; `error` what went wrong with it. `grace_ms` is the whole
    grace; None in a record of an older version. `replaced`: whoever asked begins a new run after it.
    """

    why: Why
    signal: int
    deadline: int
    command: list[str] | None = None
    error: str | None = None
    grace_ms: int | None = None
    replaced: bool = False

    def left_ms(self, now_ms: int) -> int:
        """Return how much of the grace is left: never more than the whole, should the clock have been set back."""
        left = max(0, self.deadline - now_ms)
        return left if self.grace_ms is None else min(left, self.grace_ms)


class Starting(Struct, frozen=True, tag=True, tag_field="is"):
    """A run has been asked for, under that handle, and is not there yet. With `ending` it will be stopped at once.

    `keeper` is the identity of the keeper that was to start it.
    """

    handle: int
    ending: RequestedStop | None = None
    keeper: str | None = None


class Running(Struct, frozen=True, tag=True, tag_field="is"):
    """The latest run is alive."""

    ending: RequestedStop | None = None


class BackingOff(Struct, frozen=True, tag=True, tag_field="is"):
    """The latest run ended, or could not be started; the next one is due at `until` (milliseconds since
    1970).
    """

    until: int


class SuspendedBackoff(Struct, frozen=True, tag="Paused", tag_field="is"):  # as records of before have it
    """Backing off, in a sandbox that is suspended: so much of the pause was left, and is still to come."""

    left_ms: int


class Stopped(Struct, frozen=True, tag=True, tag_field="is"):
    """Nothing runs and nothing is going to. `end_position` is where the row's output ends in its log.

    `replaced`: it was stopped by a request that said that a new run will follow.
    """

    end_position: int
    requested: bool = False
    replaced: bool = False


ProcessState = Starting | Running | BackingOff | SuspendedBackoff | Stopped


class Run(Struct, frozen=True):
    """One execution: the current or latest one. Times are milliseconds since 1970; `ticks` is its start since boot."""

    handle: int
    pid: int
    number: int
    started_at: int
    ended: LastExit | None = None
    stdin_open: bool = False
    ticks: int = 0


_NO_RESTARTS = RestartHistory()
_NO_CHECKS = Health("disabled")


class ProcessRecord(Struct, frozen=True):
    """All that is remembered of one row; changed by `lifecycle.transition` only. `id` is the handle of its first run.

    `runs` holds the numbers of its runs in its log as [first, last] pairs. `attached`: the caller of `run`
    reads its output; it is of no use to others.
    """

    id: int
    request: StartRequest
    log: str
    first_position: int
    state: ProcessState
    run: Run | None = None
    runs: list[list[int]] = field(default_factory=list)
    restarts: int = 0
    tally: RestartHistory = _NO_RESTARTS
    health: Health = _NO_CHECKS
    last_exit: LastExit | None = None
    last_error: str | None = None
    attached: bool = False
    left_behind: list[str] = field(default_factory=list)
    """What the latest ended run had put into the background and was killed, each as "pid command"."""
    stop_output: str | None = None
    """What the command that stopped the latest run has printed, at most the last 8 KiB of it."""
    stop_reason: str | None = None
    """Why the latest run was asked to stop, in the words of the client that asked."""
    asked_at: int = 0
    """When it was asked to start, in milliseconds since 1970."""
    failed_runs: int = 0
    """How many runs in a row have ended, by themselves, without having been good (`restart.was_good`)."""

    def changing(self) -> dict[str, Any]:
        """Return what changes from run to run."""
        return {name: getattr(self, name) for name in _CHANGING}

    @classmethod
    def read(cls, value: dict[str, Any]) -> Self:
        """Return the record of both. Raises `ValueError` for anything else."""
        return msgspec.convert(value, cls)


_FIXED = frozenset({"id", "request", "log", "first_position", "attached", "asked_at"})
_CHANGING = tuple(name for name in ProcessRecord.__struct_fields__ if name not in _FIXED)


def exit_of(status: int | None, ended_at: int, *, oom_killed: bool = False, oom_kills: int = 0) -> LastExit:
    """Return the end that a wait status tells of; neither exit code nor signal if the end was not observed."""
    if status is None:
        return LastExit(ended_at=ended_at)
    code = os.waitstatus_to_exitcode(status)
    return LastExit(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        oom_killed=oom_killed,
        oom_kills=oom_kills,
        ended_at=ended_at,
    )
