"""The life of a sandbox as one pure function: (life, event, now) -> (life, effects) (contract, section 2.11).

Nothing here acts: `sandbox.HostedSandbox` reports events and performs effects. While something is being done to a
sandbox nothing else is begun. `tests/unit/host/test_sandbox_lifecycle.py` has every pair of a stage and an event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from sbxcompose.host.sandboxes.lifecycle_types import (
    CancelTimeout,
    CopyFinished,
    CopyRequested,
    EndRequested,
    ExpireSandbox,
    FreezeFailed,
    FreezeSandbox,
    ProxyRequestBegan,
    ProxyRequestEnded,
    RecordFirst,
    RecordSoon,
    RefuseRequest,
    ResumeRequested,
    SandboxEffect,
    SandboxEnded,
    SandboxEvent,
    SandboxFrozen,
    SandboxLife,
    SandboxMade,
    SandboxPatched,
    SandboxStage,
    SandboxThawed,
    SandboxTime,
    ServerRestarted,
    SetTimeout,
    SuspendRequested,
    SuspensionPostponed,
    ThawFailed,
    ThawSandbox,
    TimeoutReached,
)
from sbxcompose.host.sandboxes.timeouts import Traffic, seconds_left

Stage = SandboxStage
SandboxOutcome = tuple[SandboxLife, list[SandboxEffect]]


def transition(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> SandboxOutcome:
    """Return the life after an event, and what has to be done. An event that means nothing changes nothing."""
    after, effects = _HANDLERS[type(event)](life, event, now)
    if isinstance(event, ProxyRequestBegan | ProxyRequestEnded):
        return after, effects
    if ExpireSandbox() in effects or (after is life and not isinstance(event, TimeoutReached)):
        return after, effects
    return after, [*effects, timeout(after, now)]


def timeout(life: SandboxLife, now: SandboxTime, *, if_unset: bool = False) -> SetTimeout | CancelTimeout:
    """Return when it is due to be suspended or terminated, if ever."""
    left = _left(life, now)
    return CancelTimeout() if left is None else SetTimeout(left, if_unset, counts_sleep=life.info.name is None)


def _left(life: SandboxLife, now: SandboxTime) -> float | None:
    if life.ending is not None:
        return None
    return seconds_left(life.info, life.traffic, age=now.boot - life.began, now=now.monotonic)


def _to(life: SandboxLife, stage: SandboxStage, *effects: SandboxEffect, **fields: Any) -> SandboxOutcome:
    info = replace(life.info, status=stage.status, **fields)
    return replace(life, info=info, stage=stage), list(effects)


def _named(life: SandboxLife) -> str:
    return f"sandbox {life.info.name or life.info.id}"


def _refused(life: SandboxLife, wanted: str) -> SandboxOutcome:
    if life.ending is not None:
        words = f"sandbox {life.info.id} is being terminated"
        return life, [RefuseRequest(409, words, "SANDBOX_TERMINATED")]
    words = f"{_named(life)} is {life.stage} and cannot be {wanted} now"
    return life, [RefuseRequest(409, words, "TRANSITION_IN_PROGRESS", "try again in a moment")]


# -- making and changing -----------------------------------------------------------------------------------


def _made(life: SandboxLife, event: SandboxMade, now: SandboxTime) -> SandboxOutcome:
    if life.stage is not Stage.PENDING:
        return life, []
    if event.failed or life.ending is not None:
        return _to(life, Stage.UNMADE)
    return _to(_used(life, now), Stage.RUNNING, RecordSoon())


def _patched(life: SandboxLife, event: SandboxPatched, now: SandboxTime) -> SandboxOutcome:
    if life.stage is Stage.TERMINATED:
        return life, [RefuseRequest(409, f"sandbox {life.info.id} is terminated", "SANDBOX_TERMINATED")]
    return _to(life, life.stage, RecordFirst(), **event.fields)


# -- suspending and resuming -------------------------------------------------------------------------------


def _suspend_requested(life: SandboxLife, event: SuspendRequested, now: SandboxTime) -> SandboxOutcome:
    if life.info.name is None:
        words = f"sandbox {life.info.id} has no name, and only named sandboxes can be suspended"
        return life, [RefuseRequest(400, words, "EPHEMERAL", "give it a name first: PATCH {name}")]
    match life.stage:
        case Stage.SUSPENDING | Stage.SUSPENDED | Stage.COPYING | Stage.REFREEZING:
            return life, []
        case Stage.RUNNING if life.ending is None:
            return _to(life, Stage.SUSPENDING, RecordFirst(), FreezeSandbox())
    return _refused(life, "suspended")


def _resume_requested(life: SandboxLife, event: ResumeRequested, now: SandboxTime) -> SandboxOutcome:
    match life.stage:
        case Stage.RUNNING | Stage.RESUMING:
            return life, []
        case Stage.SUSPENDED if life.ending is None:
            return _to(life, Stage.RESUMING, ThawSandbox())
    return _refused(life, "resumed")


def _frozen(life: SandboxLife, event: SandboxFrozen, now: SandboxTime) -> SandboxOutcome:
    match life.stage:
        case Stage.SUSPENDING if life.ending is not None:
            return life, []  # its end thaws it, after what runs has got its signals
        case Stage.SUSPENDING:
            return _to(life, Stage.SUSPENDED, RecordSoon())
        case Stage.REFREEZING:
            return _to(life, Stage.SUSPENDED)
        case Stage.SNAPSHOTTING if life.ending is not None:
            return _to(life, Stage.RUNNING, RecordSoon())
        case Stage.SNAPSHOTTING:
            return _to(life, Stage.SNAPSHOT_FROZEN)
    return life, [ThawSandbox()]  # the request for it no longer waits


def _freeze_failed(life: SandboxLife, event: FreezeFailed, now: SandboxTime) -> SandboxOutcome:
    match life.stage:
        case Stage.SUSPENDING | Stage.REFREEZING:
            return _to(life, Stage.RESUMING, RecordSoon(), ThawSandbox())
        case Stage.SNAPSHOTTING:
            return _to(life, Stage.RELEASING, ThawSandbox())
    return life, [ThawSandbox()]


def _thawed(life: SandboxLife, event: SandboxThawed, now: SandboxTime) -> SandboxOutcome:
    if life.stage not in (Stage.RESUMING, Stage.RELEASING):
        return life, []
    return _to(_used(life, now), Stage.RUNNING, RecordSoon())


def _thaw_failed(life: SandboxLife, event: ThawFailed, now: SandboxTime) -> SandboxOutcome:
    """Take note that it is frozen again, and can be resumed."""
    if life.stage not in (Stage.RESUMING, Stage.RELEASING):
        return life, []
    return _to(life, Stage.SUSPENDED, RecordSoon())


# -- being copied ------------------------------------------------------------------------------------------


def _copy_requested(life: SandboxLife, event: CopyRequested, now: SandboxTime) -> SandboxOutcome:
    match life.stage:
        case Stage.RUNNING if life.ending is None:
            return _to(life, Stage.SNAPSHOTTING, RecordFirst(), FreezeSandbox())
        case Stage.SUSPENDED if life.ending is None:
            return _to(life, Stage.COPYING)
    return _refused(life, "copied")


def _copy_finished(life: SandboxLife, event: CopyFinished, now: SandboxTime) -> SandboxOutcome:
    match life.stage:
        case Stage.SNAPSHOT_FROZEN if life.ending is not None:
            return _to(life, Stage.RUNNING, RecordSoon())
        case Stage.SNAPSHOT_FROZEN | Stage.SNAPSHOTTING:
            return _to(life, Stage.RELEASING, ThawSandbox())
        case Stage.COPYING:
            return _to(life, Stage.SUSPENDED)
    return life, []


# -- traffic and lifetimes ---------------------------------------------------------------------------------


def _used(life: SandboxLife, now: SandboxTime) -> SandboxLife:
    return replace(life, traffic=Traffic(life.traffic.under_way, now.monotonic))


def _visit_began(life: SandboxLife, event: ProxyRequestBegan, now: SandboxTime) -> SandboxOutcome:
    return replace(life, traffic=Traffic(life.traffic.under_way + 1, life.traffic.last)), []


def _visit_ended(life: SandboxLife, event: ProxyRequestEnded, now: SandboxTime) -> SandboxOutcome:
    """Leave the timer as it is: it looks again when it is due, so that traffic costs no timer."""
    life = replace(life, traffic=Traffic(life.traffic.under_way - 1, now.monotonic))
    due = timeout(life, now, if_unset=True)
    return life, [due] if isinstance(due, SetTimeout) else []


def _timeout_reached(life: SandboxLife, event: TimeoutReached, now: SandboxTime) -> SandboxOutcome:
    if _left(life, now) != 0:
        return life, []
    if life.info.name is None:
        return life, [ExpireSandbox()]
    return _suspend_requested(life, SuspendRequested(), now)


def _put_off(life: SandboxLife, event: SuspensionPostponed, now: SandboxTime) -> SandboxOutcome:
    return _used(life, now), []


# -- ending, and the next server ---------------------------------------------------------------------------


def _end_requested(life: SandboxLife, event: EndRequested, now: SandboxTime) -> SandboxOutcome:
    if life.ending is not None or life.stage is Stage.TERMINATED:
        return life, []
    return replace(life, ending=event.reason), [RecordSoon()]


def _ended(life: SandboxLife, event: SandboxEnded, now: SandboxTime) -> SandboxOutcome:
    if life.stage is Stage.TERMINATED:
        return life, []
    return _to(life, Stage.TERMINATED, RecordSoon(), **event.fields)


def _server_restarted(life: SandboxLife, event: ServerRestarted, now: SandboxTime) -> SandboxOutcome:
    if life.ending is not None:
        # Nothing is being done to it but its end, which waits for nothing then.
        stages = {Stage.PENDING: Stage.UNMADE, Stage.SNAPSHOTTING: Stage.RUNNING}
        return _to(life, stages.get(life.stage, life.stage))
    match life.stage:
        case Stage.SNAPSHOTTING:
            return _to(life, Stage.RELEASING, ThawSandbox())
        case Stage.SUSPENDING:
            return life, [FreezeSandbox()]
        case Stage.SUSPENDED:
            return _to(life, Stage.REFREEZING, FreezeSandbox())  # the last server may have begun to resume it
    return life, []


_HANDLERS: dict[type, Callable[[SandboxLife, Any, SandboxTime], SandboxOutcome]] = {
    SandboxMade: _made,
    SandboxPatched: _patched,
    SuspendRequested: _suspend_requested,
    ResumeRequested: _resume_requested,
    CopyRequested: _copy_requested,
    CopyFinished: _copy_finished,
    SandboxFrozen: _frozen,
    FreezeFailed: _freeze_failed,
    SandboxThawed: _thawed,
    ThawFailed: _thaw_failed,
    ProxyRequestBegan: _visit_began,
    ProxyRequestEnded: _visit_ended,
    TimeoutReached: _timeout_reached,
    SuspensionPostponed: _put_off,
    EndRequested: _end_requested,
    SandboxEnded: _ended,
    ServerRestarted: _server_restarted,
}
