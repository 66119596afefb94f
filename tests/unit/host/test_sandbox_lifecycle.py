"""The life of a sandbox (contract, section 2.11): what every event does in every stage."""

from __future__ import annotations

from itertools import product
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.sandboxes.lifecycle import TABLE as TRANSITIONS
from sbxcompose.host.sandboxes.lifecycle import SandboxOutcome, SandboxTransition, row_of, transition
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
from sbxcompose.host.sandboxes.timeouts import Traffic
from tests.support.cases import each_case

S = SandboxStage
NOW = SandboxTime(1_000.0, 500.0)
FIRST, SOON, FREEZE, THAW = RecordFirst(), RecordSoon(), FreezeSandbox(), ThawSandbox()
REFUSED = "refused"

EVENTS: list[SandboxEvent] = [
    *(SandboxMade(), SandboxPatched({"image": "new"}), SuspendRequested(), ResumeRequested(), CopyRequested()),
    *(
        CopyFinished(),
        SandboxFrozen(),
        FreezeFailed(),
        SandboxThawed(),
        ThawFailed(),
        ProxyRequestBegan(),
        ProxyRequestEnded(),
    ),
    *(
        TimeoutReached(),
        SuspensionPostponed(),
        EndRequested("why"),
        SandboxEnded({"outcome": "why"}),
        ServerRestarted(),
    ),
]
Expected = tuple[SandboxStage, list[SandboxEffect]] | str


def everywhere(effect: SandboxEffect) -> dict[SandboxStage, Expected]:
    """The effect in every stage, which stays."""
    return {stage: (stage, [effect]) for stage in S}


REST: dict[type, Expected] = {
    SuspendRequested: REFUSED,
    ResumeRequested: REFUSED,
    CopyRequested: REFUSED,
}
"""What an event does in the stages that are not in the table; without an entry it changes nothing."""

TABLE: dict[type, dict[SandboxStage, Expected]] = {
    SandboxMade: {S.PENDING: (S.RUNNING, [SOON])},
    SandboxPatched: {**everywhere(FIRST), S.TERMINATED: REFUSED},
    SuspendRequested: {
        S.RUNNING: (S.SUSPENDING, [FIRST, FREEZE]),
        S.SUSPENDING: (S.SUSPENDING, []),
        S.SUSPENDED: (S.SUSPENDED, []),
        S.COPYING: (S.COPYING, []),
        S.REFREEZING: (S.REFREEZING, []),
    },
    ResumeRequested: {
        S.RUNNING: (S.RUNNING, []),
        S.RESUMING: (S.RESUMING, []),
        S.SUSPENDED: (S.RESUMING, [THAW]),
    },
    CopyRequested: {
        S.RUNNING: (S.SNAPSHOTTING, [FIRST, FREEZE]),
        S.SUSPENDED: (S.COPYING, []),
    },
    CopyFinished: {
        S.SNAPSHOT_FROZEN: (S.RELEASING, [THAW]),
        S.SNAPSHOTTING: (S.RELEASING, [THAW]),
        S.COPYING: (S.SUSPENDED, []),
    },
    SandboxFrozen: {
        **everywhere(THAW),
        S.SUSPENDING: (S.SUSPENDED, [SOON]),
        S.REFREEZING: (S.SUSPENDED, []),
        S.SNAPSHOTTING: (S.SNAPSHOT_FROZEN, []),
    },
    FreezeFailed: {
        **everywhere(THAW),
        S.SUSPENDING: (S.RESUMING, [SOON, THAW]),
        S.REFREEZING: (S.RESUMING, [SOON, THAW]),
        S.SNAPSHOTTING: (S.RELEASING, [THAW]),
    },
    SandboxThawed: {S.RESUMING: (S.RUNNING, [SOON]), S.RELEASING: (S.RUNNING, [SOON])},
    ThawFailed: {S.RESUMING: (S.SUSPENDED, [SOON]), S.RELEASING: (S.SUSPENDED, [SOON])},
    EndRequested: {state: (state, [SOON]) for state in S if state is not S.TERMINATED},
    SandboxEnded: {state: (S.TERMINATED, [SOON]) for state in S if state is not S.TERMINATED},
    ServerRestarted: {
        S.SNAPSHOTTING: (S.RELEASING, [THAW]),
        S.SUSPENDING: (S.SUSPENDING, [FREEZE]),
        S.SUSPENDED: (S.REFREEZING, [FREEZE]),
    },
}

ENDING: dict[type, dict[SandboxStage, Expected]] = {
    **TABLE,
    SandboxMade: {S.PENDING: (S.UNMADE, [])},
    SuspendRequested: {**TABLE[SuspendRequested], S.RUNNING: REFUSED},
    ResumeRequested: {**TABLE[ResumeRequested], S.SUSPENDED: REFUSED},
    CopyRequested: {},
    CopyFinished: {**TABLE[CopyFinished], S.SNAPSHOT_FROZEN: (S.RUNNING, [SOON])},
    SandboxFrozen: {
        **TABLE[SandboxFrozen],
        S.SUSPENDING: (S.SUSPENDING, []),
        S.SNAPSHOTTING: (S.RUNNING, [SOON]),
    },
    EndRequested: {},
    ServerRestarted: {S.PENDING: (S.UNMADE, []), S.SNAPSHOTTING: (S.RUNNING, [])},
}
"""The same of a sandbox that is being terminated: nothing new is begun, and its end does the thawing."""


def life(stage: SandboxStage, ending: str | None = None, **fields: Any) -> SandboxLife:
    info = SandboxInfo(**{"id": "x", "name": "box", "status": stage.status, "created_at": 0, **fields})
    return SandboxLife(info, stage, ending, Traffic(1, 400.0), 0.0)


def shown(outcome: SandboxOutcome) -> Expected:
    """The stage and the effects, without the timer, which has tests of its own."""
    after, effects = outcome
    if any(isinstance(effect, RefuseRequest) for effect in effects):
        return REFUSED
    return after.stage, [effect for effect in effects if not isinstance(effect, SetTimeout | CancelTimeout)]


# One test for a stage, with all events: one for each of the 408 pairs costs a second of CPU time in every run.
@each_case("stage", S, ids=lambda stage: stage.name)
@each_case("table, ending", [(TABLE, None), (ENDING, "why")], ids=["living", "ending"])
def test_every_event_in_every_stage(
    table: dict[type, dict[SandboxStage, Expected]], ending: str | None, stage: SandboxStage
) -> None:
    before = life(stage, ending)
    outcomes = [transition(before, event, NOW) for event in EVENTS]
    expected = [(event, table.get(type(event), {}).get(stage, REST.get(type(event), (stage, [])))) for event in EVENTS]
    assert [(event, shown(outcome)) for event, outcome in zip(EVENTS, outcomes, strict=True)] == expected
    assert [after.info.status for after, _ in outcomes] == [after.stage.status for after, _ in outcomes]
    refused = [after for (after, _), (_, wanted) in zip(outcomes, expected, strict=True) if wanted == REFUSED]
    assert all(after is before for after in refused)


def test_every_event_is_in_the_tests() -> None:
    assert {type(event) for event in EVENTS} == set(SandboxEvent.__args__)


def test_every_row_is_of_use() -> None:
    """No row of the program's table is hidden by those above it, and each leads where it says."""
    used = set[SandboxTransition]()
    names = ("box", None)
    for stage, ending, name, event in product(S, (None, "why"), names, [*EVENTS, SandboxMade(failed=True)]):
        before = replace(life(stage, ending, name=name, timeout_secs=60), traffic=Traffic(0, 0.0))
        row = row_of(before, event, NOW)
        after, _ = transition(before, event, NOW)
        assert after.stage is (before.stage if row is None or row.to is None else row.to)
        used |= {row} if row is not None else set()
    assert [row for row in TRANSITIONS if row not in used] == []


def test_what_could_not_be_made_does_not_run() -> None:
    assert shown(transition(life(S.PENDING), SandboxMade(failed=True), NOW)) == (S.UNMADE, [])


def test_only_a_sandbox_with_a_name_can_be_suspended() -> None:
    _, effects = transition(life(S.RUNNING, name=None), SuspendRequested(), NOW)
    assert [(effect.status, effect.code) for effect in effects if isinstance(effect, RefuseRequest)] == [
        (400, "EPHEMERAL")
    ]


def test_the_first_reason_to_end_counts() -> None:
    after, _ = transition(life(S.RUNNING), EndRequested("first"), NOW)
    assert transition(after, EndRequested("second"), NOW)[0].ending == "first"


def test_the_end_is_recorded_with_what_is_to_be_told_of_it() -> None:
    after, _ = transition(life(S.RUNNING, "why"), SandboxEnded({"outcome": "why", "terminated_at": 7}), NOW)
    assert (after.info.status, after.info.outcome, after.info.terminated_at) == ("terminated", "why", 7)


def test_a_record_says_in_which_stage_it_was() -> None:
    for stage in (S.PENDING, S.RUNNING, S.SNAPSHOTTING, S.SUSPENDING, S.SUSPENDED, S.TERMINATED):
        assert SandboxLife.recorded(life(stage).info, None, 5.0, NOW).stage is stage


class TestTimeouts:
    """When it is due to be suspended or terminated."""

    def due(
        self, stage: SandboxStage = S.RUNNING, *, traffic: int = 0, last: float = 440.0, **fields: Any
    ) -> SandboxLife:
        before = life(stage, **{"timeout_secs": 60, **fields})
        return SandboxLife(before.info, stage, None, Traffic(traffic, last), 0.0)

    def test_an_idle_one_is_suspended(self) -> None:
        after, effects = transition(self.due(), TimeoutReached(), NOW)
        assert (after.stage, effects) == (S.SUSPENDING, [FIRST, FREEZE, CancelTimeout()])

    def test_one_without_a_name_is_terminated_and_not_twice(self) -> None:
        assert transition(self.due(name=None), TimeoutReached(), NOW)[1] == [ExpireSandbox()]

    def test_traffic_since_puts_it_off(self) -> None:
        assert transition(self.due(last=470.0), TimeoutReached(), NOW)[1] == [SetTimeout(30.0)]
        assert transition(self.due(traffic=1), TimeoutReached(), NOW)[1] == [CancelTimeout()]

    def test_one_that_could_not_be_suspended_is_tried_again_later(self) -> None:
        assert transition(self.due(), SuspensionPostponed(), NOW)[1] == [SetTimeout(60.0)]

    def test_a_request_sets_no_timer_and_its_end_only_where_there_is_none(self) -> None:
        visited, effects = transition(self.due(), ProxyRequestBegan(), NOW)
        assert (visited.traffic.under_way, effects) == (1, [])
        left, effects = transition(visited, ProxyRequestEnded(), NOW)
        assert (left.traffic, effects) == (Traffic(0, 500.0), [SetTimeout(60.0, if_unset=True)])

    def test_one_that_was_resumed_has_its_whole_time_again(self) -> None:
        after, effects = transition(self.due(S.RESUMING, last=1.0), SandboxThawed(), NOW)
        assert (after.stage, effects[-1]) == (S.RUNNING, SetTimeout(60.0))

    def test_nothing_is_due_once_it_ends(self) -> None:
        assert transition(self.due(name=None), EndRequested("why"), NOW)[1] == [SOON, CancelTimeout()]
