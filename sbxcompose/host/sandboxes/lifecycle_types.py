"""What a sandbox is at a moment, what can happen to it, and what `lifecycle.transition` wants done about it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from sbxcompose.api.sandbox_models import SandboxInfo, SandboxStatus
from sbxcompose.host.sandboxes.timeouts import Traffic


class SandboxStage(StrEnum):
    """Where a sandbox is in its life; completes "sandbox box is …". Several stages share a status of the contract."""

    PENDING = "being made"
    UNMADE = "not made"
    """What it was to begin with could not be had, or it was ended before: it is about to be terminated."""
    RUNNING = "running"
    SNAPSHOTTING = "being frozen for a snapshot"
    SNAPSHOT_FROZEN = "frozen for a snapshot"
    RELEASING = "being resumed after a snapshot"
    SUSPENDING = "being suspended"
    SUSPENDED = "suspended"
    RESUMING = "being resumed"
    COPYING = "being copied"
    """Suspended, and its files are being read."""
    REFREEZING = "being taken over"
    """Suspended; a server that has just begun makes sure that everything in it is frozen."""
    TERMINATED = "terminated"

    @property
    def status(self) -> SandboxStatus:
        """The stage in the contract's words."""
        return _STATUS[self]

    @property
    def in_transition(self) -> bool:
        """Whether something is being done to it, so that nothing else can be begun."""
        return self not in _AT_REST


_STATUS: dict[SandboxStage, SandboxStatus] = {
    SandboxStage.PENDING: "pending",
    SandboxStage.UNMADE: "pending",
    SandboxStage.RUNNING: "running",
    SandboxStage.SNAPSHOTTING: "snapshotting",
    SandboxStage.SNAPSHOT_FROZEN: "snapshotting",
    SandboxStage.RELEASING: "snapshotting",
    SandboxStage.SUSPENDING: "suspending",
    SandboxStage.SUSPENDED: "suspended",
    SandboxStage.RESUMING: "suspended",
    SandboxStage.COPYING: "suspended",
    SandboxStage.REFREEZING: "suspended",
    SandboxStage.TERMINATED: "terminated",
}
_AT_REST = frozenset({SandboxStage.UNMADE, SandboxStage.RUNNING, SandboxStage.SUSPENDED, SandboxStage.TERMINATED})
_RECORDED: dict[SandboxStatus, SandboxStage] = {
    "pending": SandboxStage.PENDING,
    "running": SandboxStage.RUNNING,
    "snapshotting": SandboxStage.SNAPSHOTTING,
    "suspending": SandboxStage.SUSPENDING,
    "suspended": SandboxStage.SUSPENDED,
    "terminated": SandboxStage.TERMINATED,
}


class SandboxLife(Struct, frozen=True):
    """All that a decision about a sandbox depends on.

    `ending` is why it is being terminated, None if it is not; `began` when its lifetime began, by the clock of the
    boot, and negative if that was before it.
    """

    info: SandboxInfo
    stage: SandboxStage
    ending: str | None
    traffic: Traffic
    began: float

    @classmethod
    def recorded(cls, info: SandboxInfo, ending: str | None, wall: float, now: SandboxTime) -> SandboxLife:
        """Return the life of a sandbox as its record tells it at `now`, which is `wall` by the wall clock.

        Its idleness counts from now. Its age is taken from the wall clock this once, as it continues while no host
        runs.
        """
        age = max(0.0, wall - (info.created_at or 0) / 1000)
        return cls(info, _RECORDED[info.status], ending, Traffic(0, now.monotonic), now.boot - age)


class SandboxTime(Struct, frozen=True):
    """The time in seconds: by the clock of the boot, which counts sleep of the machine, and by the monotonic one."""

    boot: float
    monotonic: float


# -- events ------------------------------------------------------------------------------------------------


class SandboxMade(Struct, frozen=True):
    """What it begins with is there, or (`failed`) cannot be had."""

    failed: bool = False


class SandboxPatched(Struct, frozen=True):
    """Fields of it are to be changed on request."""

    fields: dict[str, Any]


class SuspendRequested(Struct, frozen=True):
    """Suspend it."""


class ResumeRequested(Struct, frozen=True):
    """Resume it."""


class CopyRequested(Struct, frozen=True):
    """Let nothing in it run while its files are read."""


class CopyFinished(Struct, frozen=True):
    """Its files have been read, or the reader has gone."""


class SandboxFrozen(Struct, frozen=True):
    """Everything in it is frozen."""


class FreezeFailed(Struct, frozen=True):
    """It could not be frozen; a part of it may be."""


class SandboxThawed(Struct, frozen=True):
    """Everything in it runs."""


class ThawFailed(Struct, frozen=True):
    """It could not be thawed; all of it, or a part, is frozen."""


class ProxyRequestBegan(Struct, frozen=True):
    """A proxied request has come."""


class ProxyRequestEnded(Struct, frozen=True):
    """A proxied request is over."""


class TimeoutReached(Struct, frozen=True):
    """Its timer is due."""


class SuspensionPostponed(Struct, frozen=True):
    """It was to be suspended for being idle, and could not be: its idleness counts from now on."""


class EndRequested(Struct, frozen=True):
    """Terminate it; the first reason counts."""

    reason: str


class SandboxEnded(Struct, frozen=True):
    """Everything in it has ended. `fields` are what its record tells of the end."""

    fields: dict[str, Any]


class ServerRestarted(Struct, frozen=True):
    """A new server has taken over what runs in it, and finishes what was being done to it."""


SandboxEvent = (
    SandboxMade
    | SandboxPatched
    | SuspendRequested
    | ResumeRequested
    | CopyRequested
    | CopyFinished
    | SandboxFrozen
    | FreezeFailed
    | SandboxThawed
    | ThawFailed
    | ProxyRequestBegan
    | ProxyRequestEnded
    | TimeoutReached
    | SuspensionPostponed
    | EndRequested
    | SandboxEnded
    | ServerRestarted
)


# -- effects -----------------------------------------------------------------------------------------------


class RefuseRequest(Struct, frozen=True):
    """Refuse what was asked for; nothing changes."""

    status: int
    error: str
    code: str
    hint: str | None = None


class RecordFirst(Struct, frozen=True):
    """Record the change before it is made; if that is not possible, refuse it."""


class RecordSoon(Struct, frozen=True):
    """Record the change, now or as soon as possible: there is no way back."""


class FreezeSandbox(Struct, frozen=True):
    """Freeze everything in it, once what is being started or ended has been; report how that went."""


class ThawSandbox(Struct, frozen=True):
    """Let everything in it run; report how that went."""


class ExpireSandbox(Struct, frozen=True):
    """Terminate it: its lifetime is over."""


class SetTimeout(Struct, frozen=True):
    """Report `TimeoutReached` after `seconds`; `if_unset` keeps a timer that is already set.

    `counts_sleep`: the time for which the machine sleeps is part of them.
    """

    seconds: float
    if_unset: bool = False
    counts_sleep: bool = False


class CancelTimeout(Struct, frozen=True):
    """Don't report `TimeoutReached`."""


SandboxEffect = (
    RefuseRequest | RecordFirst | RecordSoon | FreezeSandbox | ThawSandbox | ExpireSandbox | SetTimeout | CancelTimeout
)
