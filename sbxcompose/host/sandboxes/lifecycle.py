"""The life of a sandbox as a table: what each event leads to in each stage (contract, section 2.11).

`TABLE` has the stages, the events, and for each pair the stage that follows and what has to be done. Rows are read from
above, and the first that fits counts; an event that no row fits changes nothing. While something is being done to a
sandbox nothing else is begun, and in one that is being terminated nothing new is. Nothing here acts:
`sandbox.HostedSandbox` reports events and `lifecycle_driver.SandboxDriver` performs the effects.
`tests/unit/host/test_sandbox_lifecycle.py` has every pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

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
Effect = SandboxEffect | Callable[[SandboxLife], SandboxEffect]


class SandboxTransition(NamedTuple):
    """An event in one of the stages, if the condition is met, leads to the stage `to`; None: it stays.

    `change` is what else changes.
    """

    event: type
    stages: tuple[SandboxStage, ...]
    condition: Callable[[SandboxLife, Any, SandboxTime], bool] | None
    to: SandboxStage | None
    effects: tuple[Effect, ...]
    change: Callable[[SandboxLife, Any, SandboxTime], SandboxLife] | None


def transition(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> SandboxOutcome:
    """Return the life after an event, and what has to be done. An event that means nothing changes nothing."""
    row = row_of(life, event, now)
    after, effects = (life, []) if row is None else _carried_out(row, life, event, now)
    if isinstance(event, ProxyRequestBegan):
        return after, effects
    if isinstance(event, ProxyRequestEnded):
        # The timer that is set looks again when it is due, so that traffic costs no timer.
        due = timeout(after, now, if_unset=True)
        return after, [due] if isinstance(due, SetTimeout) else []
    if ExpireSandbox() in effects or (after is life and not isinstance(event, TimeoutReached)):
        return after, effects
    return after, [*effects, timeout(after, now)]


def row_of(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> SandboxTransition | None:
    """Return the row of the table that fits, if any."""
    for row in _ROWS.get((type(event), life.stage), ()):
        if row.condition is None or row.condition(life, event, now):
            return row
    return None


def _carried_out(row: SandboxTransition, life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> SandboxOutcome:
    effects = [effect(life) if callable(effect) else effect for effect in row.effects]
    after = life if row.change is None else row.change(life, event, now)
    if row.to is not None:
        after = replace(after, info=replace(after.info, status=row.to.status), stage=row.to)
    return after, effects


def timeout(life: SandboxLife, now: SandboxTime, *, if_unset: bool = False) -> SetTimeout | CancelTimeout:
    """Return when it is due to be suspended or terminated, if ever."""
    left = _left(life, now)
    return CancelTimeout() if left is None else SetTimeout(left, if_unset, counts_sleep=life.info.name is None)


def _left(life: SandboxLife, now: SandboxTime) -> float | None:
    if life.ending is not None:
        return None
    return seconds_left(life.info, life.traffic, age=now.boot - life.began, now=now.monotonic)


# -- conditions --------------------------------------------------------------------------------------------


def _failed_or_ending(life: SandboxLife, event: SandboxMade, now: SandboxTime) -> bool:
    return event.failed or life.ending is not None


def _ending(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> bool:
    """Whether it is being terminated."""
    return life.ending is not None


def _living(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> bool:
    return life.ending is None


def _unnamed(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> bool:
    return life.info.name is None


def _due(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> bool:
    return _left(life, now) == 0


def _lifetime_over(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> bool:
    return _unnamed(life, event, now) and _due(life, event, now)


# -- changes -----------------------------------------------------------------------------------------------


def _used(life: SandboxLife, event: SandboxEvent, now: SandboxTime) -> SandboxLife:
    """Its idleness counts from now."""
    return replace(life, traffic=Traffic(life.traffic.under_way, now.monotonic))


def _visited(life: SandboxLife, event: ProxyRequestBegan, now: SandboxTime) -> SandboxLife:
    return replace(life, traffic=Traffic(life.traffic.under_way + 1, life.traffic.last))


def _left_alone(life: SandboxLife, event: ProxyRequestEnded, now: SandboxTime) -> SandboxLife:
    return replace(life, traffic=Traffic(life.traffic.under_way - 1, now.monotonic))


def _with_fields(life: SandboxLife, event: SandboxPatched | SandboxEnded, now: SandboxTime) -> SandboxLife:
    return replace(life, info=replace(life.info, **event.fields))


def _with_reason(life: SandboxLife, event: EndRequested, now: SandboxTime) -> SandboxLife:
    return replace(life, ending=event.reason)


def _told_anew(life: SandboxLife, event: ServerRestarted, now: SandboxTime) -> SandboxLife:
    """Change nothing, but let whoever waits for a change look again."""
    return replace(life, info=replace(life.info))


# -- refusals ----------------------------------------------------------------------------------------------


def _terminated(life: SandboxLife) -> RefuseRequest:
    return RefuseRequest(409, f"sandbox {life.info.id} is terminated", "SANDBOX_TERMINATED")


def _ephemeral(life: SandboxLife) -> RefuseRequest:
    words = f"sandbox {life.info.id} has no name, and only named sandboxes can be suspended"
    return RefuseRequest(400, words, "EPHEMERAL", "give it a name first: PATCH {name}")


def _not_now(wanted: str) -> Callable[[SandboxLife], RefuseRequest]:
    def refuse(life: SandboxLife) -> RefuseRequest:
        if life.ending is not None:
            return RefuseRequest(409, f"sandbox {life.info.id} is being terminated", "SANDBOX_TERMINATED")
        words = f"sandbox {life.info.name or life.info.id} is {life.stage} and cannot be {wanted} now"
        return RefuseRequest(409, words, "TRANSITION_IN_PROGRESS", "try again in a moment")

    return refuse


# -- the table ---------------------------------------------------------------------------------------------


def _row(
    event: type,
    stages: Stage | tuple[Stage, ...],
    *effects: Effect,
    when: Callable[[SandboxLife, Any, SandboxTime], bool] | None = None,
    to: Stage | None = None,
    change: Callable[[SandboxLife, Any, SandboxTime], SandboxLife] | None = None,
) -> SandboxTransition:
    return SandboxTransition(event, (stages,) if isinstance(stages, Stage) else stages, when, to, effects, change)


_ANY: Final = tuple(Stage)
_NOT_TERMINATED: Final = tuple(stage for stage in Stage if stage is not Stage.TERMINATED)
_FREEZING: Final = (Stage.SUSPENDING, Stage.REFREEZING)
_THAWING: Final = (Stage.RESUMING, Stage.RELEASING)
_SUSPENDED: Final = (Stage.SUSPENDING, Stage.SUSPENDED, Stage.COPYING, Stage.REFREEZING)
_SNAPSHOT: Final = (Stage.SNAPSHOTTING, Stage.SNAPSHOT_FROZEN)
_SOON, _FIRST, _FREEZE, _THAW = RecordSoon(), RecordFirst(), FreezeSandbox(), ThawSandbox()

TABLE: Final = (
    # Making and changing it.
    _row(SandboxMade, Stage.PENDING, when=_failed_or_ending, to=Stage.UNMADE),
    _row(SandboxMade, Stage.PENDING, _SOON, to=Stage.RUNNING, change=_used),
    _row(SandboxPatched, Stage.TERMINATED, _terminated),
    _row(SandboxPatched, _NOT_TERMINATED, _FIRST, change=_with_fields),
    # Suspending and resuming it. An end waits for no freeze: it thaws what is frozen, after it has sent the signals.
    _row(SuspendRequested, _ANY, _ephemeral, when=_unnamed),
    _row(SuspendRequested, _SUSPENDED),
    _row(SuspendRequested, Stage.RUNNING, _FIRST, _FREEZE, when=_living, to=Stage.SUSPENDING),
    _row(SuspendRequested, _ANY, _not_now("suspended")),
    _row(ResumeRequested, (Stage.RUNNING, Stage.RESUMING)),
    _row(ResumeRequested, Stage.SUSPENDED, _THAW, when=_living, to=Stage.RESUMING),
    _row(ResumeRequested, _ANY, _not_now("resumed")),
    _row(SandboxFrozen, Stage.SUSPENDING, when=_ending),
    _row(SandboxFrozen, Stage.SUSPENDING, _SOON, to=Stage.SUSPENDED),
    _row(SandboxFrozen, Stage.REFREEZING, to=Stage.SUSPENDED),
    _row(SandboxFrozen, Stage.SNAPSHOTTING, _SOON, when=_ending, to=Stage.RUNNING),
    _row(SandboxFrozen, Stage.SNAPSHOTTING, to=Stage.SNAPSHOT_FROZEN),
    _row(SandboxFrozen, _ANY, _THAW),  # the request for it no longer waits
    _row(FreezeFailed, _FREEZING, _SOON, _THAW, to=Stage.RESUMING),
    _row(FreezeFailed, Stage.SNAPSHOTTING, _THAW, to=Stage.RELEASING),
    _row(FreezeFailed, _ANY, _THAW),
    _row(SandboxThawed, _THAWING, _SOON, to=Stage.RUNNING, change=_used),
    _row(ThawFailed, _THAWING, _SOON, to=Stage.SUSPENDED),  # frozen again, and can be resumed
    # Copying it.
    _row(CopyRequested, Stage.RUNNING, _FIRST, _FREEZE, when=_living, to=Stage.SNAPSHOTTING),
    _row(CopyRequested, Stage.SUSPENDED, when=_living, to=Stage.COPYING),
    _row(CopyRequested, _ANY, _not_now("copied")),
    _row(CopyFinished, Stage.SNAPSHOT_FROZEN, _SOON, when=_ending, to=Stage.RUNNING),
    _row(CopyFinished, _SNAPSHOT, _THAW, to=Stage.RELEASING),
    _row(CopyFinished, Stage.COPYING, to=Stage.SUSPENDED),
    # Traffic and lifetimes. `transition` adds when it is due next.
    _row(ProxyRequestBegan, _ANY, change=_visited),
    _row(ProxyRequestEnded, _ANY, change=_left_alone),
    _row(TimeoutReached, _NOT_TERMINATED, ExpireSandbox(), when=_lifetime_over),
    _row(TimeoutReached, Stage.RUNNING, _FIRST, _FREEZE, when=_due, to=Stage.SUSPENDING),
    _row(SuspensionPostponed, _ANY, change=_used),
    # Its end, and what the next server finishes.
    _row(EndRequested, _NOT_TERMINATED, _SOON, when=_living, change=_with_reason),
    _row(SandboxEnded, _NOT_TERMINATED, _SOON, to=Stage.TERMINATED, change=_with_fields),
    _row(ServerRestarted, Stage.PENDING, when=_ending, to=Stage.UNMADE),
    _row(ServerRestarted, Stage.SNAPSHOTTING, when=_ending, to=Stage.RUNNING),
    _row(ServerRestarted, _ANY, when=_ending, change=_told_anew),  # nothing but its end is being done to it
    _row(ServerRestarted, Stage.SNAPSHOTTING, _THAW, to=Stage.RELEASING),
    _row(ServerRestarted, Stage.SUSPENDING, _FREEZE),
    _row(ServerRestarted, Stage.SUSPENDED, _FREEZE, to=Stage.REFREEZING),  # it may have been half resumed
)


def _index() -> dict[tuple[type, Stage], list[SandboxTransition]]:
    found: dict[tuple[type, Stage], list[SandboxTransition]] = {}
    for row in TABLE:
        for stage in row.stages:
            found.setdefault((row.event, stage), []).append(row)
    return found


_ROWS: Final = _index()
