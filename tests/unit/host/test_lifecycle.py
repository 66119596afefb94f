"""The life of a supervised process (contract 3.4): what every event does in every state."""

from __future__ import annotations

from itertools import product
from signal import SIGCONT

from msgspec.structs import replace

from sbxcompose.api.models import HealthCheckConfig, LastExit, RestartConfig, StartRequest
from sbxcompose.host.supervise import lifecycle
from sbxcompose.host.supervise.health import Health
from sbxcompose.host.supervise.lifecycle import Same, transition
from sbxcompose.host.supervise.lifecycle_parts import Outcome
from sbxcompose.host.supervise.lifecycle_types import (
    BackoffOver,
    BeginChecks,
    CancelTimer,
    CloseInput,
    EndChecks,
    ForgetRow,
    HealthChecked,
    HostRestarted,
    InputClosed,
    KillRequested,
    KillRun,
    LifecycleEvent,
    ProcessContext,
    RestartRequested,
    RunAdopted,
    RunExited,
    RunLost,
    RunStarted,
    RunStopCommand,
    SandboxPaused,
    SandboxResumed,
    StartFailed,
    StartLost,
    StopCommandEnded,
    StopRequested,
    StopRun,
)
from sbxcompose.host.supervise.restart import RestartHistory
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    ProcessState,
    RequestedStop,
    Run,
    Running,
    Starting,
    Stopped,
    SuspendedBackoff,
)
from sbxcompose.linux.processes import TICK_MS
from tests.support.cases import each_case

NOW = ProcessContext(100_000, next_handle=9, log_end=77)
STARTED_AT = 90_000
CHECK = HealthCheckConfig(type="tcp", port=1)
REQUEST = StartRequest(
    command="x", name="web", restart=RestartConfig(), health_check=CHECK, stop_signal=15, stop_grace_ms=10_000
)
PLAIN = StartRequest(command="x")
ALIVE = Run(2, 4711, 5, STARTED_AT, stdin_open=True)
ENDED = replace(ALIVE, stdin_open=False, ended=LastExit(exit_code=1, ended_at=95_000))


def record(state: ProcessState, run: Run | None = ALIVE, request: StartRequest = REQUEST) -> ProcessRecord:
    runs = [] if run is None else [[5, 5]]
    return ProcessRecord(1, request, "web", 0, state, run=run, runs=runs, health=Health("starting"))


def ending(why: str) -> RequestedStop:
    return RequestedStop(why, 15, 105_000, grace_ms=10_000)  # type: ignore[arg-type]


def test_failed_runs_are_counted_until_one_is_good_or_asked_for() -> None:
    def exited(before: ProcessRecord, ended_at: int) -> int:
        return transition(before, RunExited(2, LastExit(exit_code=1, ended_at=ended_at), None), NOW)[0].failed_runs

    plain = replace(record(Running(), request=replace(REQUEST, health_check=None)), failed_runs=2)
    plain = replace(plain, health=Health("disabled"))
    assert exited(plain, STARTED_AT + 999) == 3
    assert exited(plain, STARTED_AT + 1_000) == 0
    checked = replace(record(Running()), failed_runs=2)
    assert exited(checked, STARTED_AT + 60_000) == 3, "it was never healthy"
    healthy = transition(checked, HealthChecked(Health("healthy")), NOW)[0]
    assert exited(healthy, STARTED_AT + 999) == 3, "it was healthy, but not for long"
    assert exited(healthy, STARTED_AT + 1_000) == 0
    unhealthy = transition(healthy, HealthChecked(Health("unhealthy")), ProcessContext(STARTED_AT + 1_000))[0]
    assert exited(unhealthy, STARTED_AT + 2_000) == 1, "it was a good run until it became unhealthy"
    unhealthy = transition(healthy, HealthChecked(Health("unhealthy")), ProcessContext(STARTED_AT + 999))[0]
    assert exited(unhealthy, STARTED_AT + 2_000) == 3
    again = replace(record(Starting(3), ENDED), failed_runs=2, health=Health("healthy"))
    assert transition(again, StartFailed("no such file"), NOW)[0].failed_runs == 3
    assert transition(plain, RestartRequested(), NOW)[0].failed_runs == 0


@each_case("clock_set_ms", [-3_600_000, 0, 3_600_000])
@each_case("ran_ms, failed_runs", [(100, 3), (5_000, 0)])
def test_how_long_a_run_has_lasted_does_not_depend_on_the_wall_clock(
    clock_set_ms: int, ran_ms: int, failed_runs: int
) -> None:
    run = replace(ALIVE, ticks=7_000)
    before = replace(record(Running(), run, replace(REQUEST, health_check=None)), failed_runs=2)
    before = replace(before, health=Health("disabled"))
    ended_at = STARTED_AT + ran_ms + clock_set_ms
    now = replace(NOW, ms=ended_at + 250, late_ms=250, boot_ms=round(7_000 * TICK_MS) + ran_ms + 250)
    ended = transition(before, RunExited(2, LastExit(exit_code=1, ended_at=ended_at), None), now)[0]
    assert ended.failed_runs == failed_runs
    healthy = replace(before, health=Health("healthy"))
    now = replace(NOW, ms=ended_at, boot_ms=round(7_000 * TICK_MS) + ran_ms)
    unhealthy = transition(healthy, HealthChecked(Health("unhealthy")), now)[0]
    assert unhealthy.failed_runs == (0 if ran_ms > 1_000 else 2), "a good run until now, if it was stable"


STATES = {
    "first start": record(Starting(1), None),
    "starting": record(Starting(3), ENDED),
    "starting, to be stopped": record(Starting(3, ending("stop")), ENDED),
    "starting, to be restarted": record(Starting(3, ending("restart")), ENDED),
    "running": record(Running()),
    "stopping": record(Running(ending("stop"))),
    "restarting": record(Running(ending("restart"))),
    "unhealthy": record(Running(ending("unhealthy"))),
    "backing off": record(BackingOff(100_400), ENDED),
    "paused": record(SuspendedBackoff(300), ENDED),
    "stopped": record(Stopped(50), ENDED),
    "stopped for a new run": record(Stopped(50, requested=True, replaced=True), ENDED),
}


def events(state: ProcessState) -> dict[str, LifecycleEvent]:
    """Every event, about the run that belongs to the state."""
    handle = state.handle if isinstance(state, Starting) else 2
    started = RunStarted(handle, 4712, 6, 99_000, stdin_open=True)
    return {
        "started": started,
        "started for nobody": replace(started, handle=8),
        "adopted": RunAdopted(started),
        "start failed": StartFailed("no such file"),
        "start lost": StartLost(handle, 6, 99_000, LastExit(ended_at=99_500), "may have run"),
        "exited 0": RunExited(2, LastExit(exit_code=0, ended_at=99_500)),
        "exited 1": RunExited(2, LastExit(exit_code=1, ended_at=99_500)),
        "lost": RunLost(LastExit(ended_at=99_500)),
        "lost by a reboot": RunLost(LastExit(ended_at=99_500), for_good=True),
        "host restarted": HostRestarted(),
        "machine restarted": HostRestarted(for_good=True),
        "stop": StopRequested(),
        "stop in 1 s": StopRequested(2, 1_000),
        "stop command failed": StopCommandEnded(handle, "no such file"),
        "kill": KillRequested(),
        "restart": RestartRequested(),
        "backoff over": BackoffOver(),
        "healthy": HealthChecked(Health("healthy")),
        "unhealthy": HealthChecked(Health("unhealthy", 3, 9, "refused")),
        "sandbox paused": SandboxPaused(),
        "sandbox resumed": SandboxResumed(),
        "input closed": InputClosed(),
    }


def text(before: ProcessRecord, outcome: Outcome) -> str:
    """The next state and the effects on one line; an event that changes nothing and does nothing is `-`."""
    after, effects = outcome
    if after == before and not effects:
        return "-"
    return " | ".join([_words(after.state) if after != before else "same", *map(_words, effects)])


def _words(value: object) -> str:
    if isinstance(value, RequestedStop):
        return f"{value.why} by {value.signal} until {value.deadline}"
    names = [name for name in value.__struct_fields__ if name != "replaced"]  # type: ignore[attr-defined]
    fields = [getattr(value, name) for name in names]
    words = [_words(field) if isinstance(field, RequestedStop) else str(field) for field in fields if field is not None]
    return f"{type(value).__name__}({', '.join(words)})"


_STARTING = {
    "started for nobody": "same | KillRun(8)",
    "exited 0": "same | ReleaseRun(2)",
    "exited 1": "same | ReleaseRun(2)",
}
"""What is alike in all states in which a run was asked for."""
_ASKED_TO_END = {
    "started for nobody": "same | KillRun(8)",
    "adopted": "same | AttachOutput(5) | StopRun(2, 15, 5000)",
    "stop in 1 s": "Running(stop by 2 until 101000) | EndChecks() | StopRun(2, 2, 1000)",
    "kill": "Running(stop by 9 until 100000) | EndChecks() | KillRun(2)",
    "sandbox paused": "same | EndChecks()",
}
"""What is alike wherever a run was asked to end."""
_BETWEEN_RUNS = {
    "started": "same | KillRun(2)",
    "started for nobody": "same | KillRun(8)",
    "adopted": "same | KillRun(2)",
    "exited 0": "same | ReleaseRun(2)",
    "exited 1": "same | ReleaseRun(2)",
    "restart": "Starting(9) | CancelTimer() | SpawnRun(9)",
}
"""What is alike where no run is alive."""
TABLE = {
    "first start": {
        **_STARTING,
        "started": "Running() | AttachOutput(6) | BeginChecks(99000)",
        "adopted": "Running() | AttachOutput(6) | BeginChecks(99000)",
        "start failed": "Stopped(77, False) | ForgetRow()",
        "start lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "host restarted": "Stopped(77, False) | ForgetRow()",
        "machine restarted": "Stopped(77, False) | ForgetRow()",
        "stop": "Starting(1, stop by 15 until 110000)",
        "stop in 1 s": "Starting(1, stop by 2 until 101000)",
        "kill": "Starting(1, stop by 9 until 100000)",
        "restart": "Starting(1, restart by 15 until 110000)",
    },
    "starting": {
        **_STARTING,
        "started": "Running() | AttachOutput(6) | BeginChecks(99000)",
        "adopted": "Running() | AttachOutput(6) | BeginChecks(99000)",
        "start failed": "BackingOff(100500) | SetTimer(500)",
        "start lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "host restarted": "Starting(9) | CancelTimer() | SpawnRun(9)",
        "machine restarted": "Stopped(77, False)",
        "stop": "Starting(3, stop by 15 until 110000)",
        "stop in 1 s": "Starting(3, stop by 2 until 101000)",
        "kill": "Starting(3, stop by 9 until 100000)",
        "restart": "Starting(3, restart by 15 until 110000)",
    },
    "starting, to be stopped": {
        **_STARTING,
        "started": "Running(stop by 15 until 105000) | AttachOutput(6) | StopRun(3, 15, 5000)",
        "adopted": "Running(stop by 15 until 105000) | AttachOutput(6) | StopRun(3, 15, 5000)",
        "start failed": "Stopped(77, True)",
        "start lost": "Stopped(77, True) | EndChecks()",
        "host restarted": "Stopped(77, True)",
        "machine restarted": "Stopped(77, True)",
        "stop in 1 s": "Starting(3, stop by 2 until 101000)",
        "kill": "Starting(3, stop by 9 until 100000)",
        "restart": "Starting(3, restart by 15 until 105000)",
    },
    "starting, to be restarted": {
        **_STARTING,
        "started": "Running(restart by 15 until 105000) | AttachOutput(6) | StopRun(3, 15, 5000)",
        "adopted": "Running(restart by 15 until 105000) | AttachOutput(6) | StopRun(3, 15, 5000)",
        "start failed": "Starting(9) | CancelTimer() | SpawnRun(9)",
        "start lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "host restarted": "Starting(9) | CancelTimer() | SpawnRun(9)",
        "machine restarted": "Stopped(77, False)",
        "stop": "Starting(3, stop by 15 until 105000)",
        "stop in 1 s": "Starting(3, stop by 2 until 101000)",
        "kill": "Starting(3, stop by 9 until 100000)",
    },
    "running": {
        "started for nobody": "same | KillRun(8)",
        "adopted": "same | AttachOutput(5) | BeginChecks(90000)",
        "exited 0": "Stopped(77, False) | EndChecks() | ReleaseRun(2)",
        "exited 1": "BackingOff(100500) | EndChecks() | SetTimer(500) | ReleaseRun(2)",
        "lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "lost by a reboot": "Stopped(77, False) | EndChecks()",
        "stop": "Running(stop by 15 until 110000) | EndChecks() | StopRun(2, 15, 10000)",
        "stop in 1 s": "Running(stop by 2 until 101000) | EndChecks() | StopRun(2, 2, 1000)",
        "kill": "Running(stop by 9 until 100000) | EndChecks() | KillRun(2)",
        "restart": "Running(restart by 15 until 110000) | EndChecks() | StopRun(2, 15, 10000)",
        "healthy": "Running()",
        "unhealthy": "Running(unhealthy by 15 until 110000) | EndChecks() | StopRun(2, 15, 10000)",
        "sandbox paused": "same | EndChecks()",
        "sandbox resumed": "same | BeginChecks(100000)",
        "input closed": "Running() | CloseInput(2)",
    },
    "stopping": {
        **_ASKED_TO_END,
        "exited 0": "Stopped(77, True) | EndChecks() | ReleaseRun(2)",
        "exited 1": "Stopped(77, True) | EndChecks() | ReleaseRun(2)",
        "lost": "Stopped(77, True) | EndChecks()",
        "lost by a reboot": "Stopped(77, True) | EndChecks()",
        "stop": "same | EndChecks() | StopRun(2, 15, 10000)",
        "restart": "Running(restart by 15 until 105000) | EndChecks() | StopRun(2, 15, 10000)",
        "input closed": "Running(stop by 15 until 105000) | CloseInput(2)",
    },
    "restarting": {
        **_ASKED_TO_END,
        "exited 0": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9) | ReleaseRun(2)",
        "exited 1": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9) | ReleaseRun(2)",
        "lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "lost by a reboot": "Stopped(77, False) | EndChecks()",
        "stop": "Running(stop by 15 until 105000) | EndChecks() | StopRun(2, 15, 10000)",
        "restart": "same | EndChecks() | StopRun(2, 15, 10000)",
        "input closed": "Running(restart by 15 until 105000) | CloseInput(2)",
    },
    "unhealthy": {
        **_ASKED_TO_END,
        "exited 0": "BackingOff(100500) | EndChecks() | SetTimer(500) | ReleaseRun(2)",
        "exited 1": "BackingOff(100500) | EndChecks() | SetTimer(500) | ReleaseRun(2)",
        "lost": "Starting(9) | EndChecks() | CancelTimer() | SpawnRun(9)",
        "lost by a reboot": "Stopped(77, False) | EndChecks()",
        "stop": "Running(stop by 15 until 105000) | EndChecks() | StopRun(2, 15, 10000)",
        "restart": "Running(restart by 15 until 105000) | EndChecks() | StopRun(2, 15, 10000)",
        "input closed": "Running(unhealthy by 15 until 105000) | CloseInput(2)",
    },
    "backing off": {
        **_BETWEEN_RUNS,
        "host restarted": "same | SetTimer(400)",
        "machine restarted": "Stopped(77, False)",
        "stop": "Stopped(77, True) | CancelTimer()",
        "stop in 1 s": "Stopped(77, True) | CancelTimer()",
        "kill": "Stopped(77, True) | CancelTimer()",
        "backoff over": "Starting(9) | CancelTimer() | SpawnRun(9)",
        "sandbox paused": "SuspendedBackoff(400) | CancelTimer()",
    },
    "paused": {
        **_BETWEEN_RUNS,
        "host restarted": "BackingOff(100300) | SetTimer(300)",
        "machine restarted": "Stopped(77, False)",
        "stop": "Stopped(77, True) | CancelTimer()",
        "stop in 1 s": "Stopped(77, True) | CancelTimer()",
        "kill": "Stopped(77, True) | CancelTimer()",
        "sandbox resumed": "BackingOff(100300) | SetTimer(300)",
    },
    "stopped": {
        **_BETWEEN_RUNS,
    },
    "stopped for a new run": {
        **_BETWEEN_RUNS,
        "stop": "Stopped(50, True)",
        "stop in 1 s": "Stopped(50, True)",
        "kill": "Stopped(50, True)",
    },
}
"""What an event does in a state; one that is not named changes nothing."""


@each_case("state", TABLE)
def test_every_event_in_every_state(state: str) -> None:
    before = STATES[state]
    outcomes = {name: text(before, transition(before, event, NOW)) for name, event in events(before.state).items()}
    assert outcomes == {name: TABLE[state].get(name, "-") for name in outcomes}


def test_the_table_has_every_state_and_only_real_events() -> None:
    assert list(TABLE) == list(STATES)
    for name, before in STATES.items():
        assert set(TABLE[name]) <= set(events(before.state))


def test_every_event_is_tried() -> None:
    kinds = {type(event) for event in events(Running()).values()}
    assert kinds == set(LifecycleEvent.__args__)


def test_every_row_leads_where_it_says() -> None:
    """Each row of the program's table is used, each state that it names is reached, and no other."""
    requests = [
        REQUEST,
        PLAIN,
        replace(REQUEST, stop_command=["ctl"]),
        replace(REQUEST, restart=RestartConfig(policy="never")),
    ]
    reached = {row: set[type]() for row in lifecycle.TABLE}
    for state, request, paused in product(STATES.values(), requests, (False, True)):
        before = replace(state, request=request)
        if isinstance(state.state, Running) and state.state.ending is not None:
            before = replace(before, state=Running(replace(state.state.ending, command=request.stop_command)))
        for event in (*events(state.state).values(), StopCommandEnded(2, None, "bye")):
            row = lifecycle.row_of(before, event)
            after = transition(before, event, replace(NOW, paused=paused))[0].state
            if row is None:
                assert after is before.state
            else:
                reached[row].add(Same if Same in row.to and type(after) is type(before.state) else type(after))
    assert reached == {row: set(row.to) for row in lifecycle.TABLE}


# -- what the table does not show --------------------------------------------------------------------------


def test_a_restart_counts_and_its_run_belongs_to_the_row() -> None:
    after, _ = transition(STATES["starting"], RunStarted(3, 4712, 6, 99_000), NOW)
    assert after.run == Run(3, 4712, 6, 99_000)
    assert (after.restarts, after.runs, after.health) == (1, [[5, 6]], Health("starting"))


def test_a_first_run_is_not_a_restart() -> None:
    after, _ = transition(STATES["first start"], RunStarted(1, 4712, 6, 99_000), NOW)
    assert (after.restarts, after.runs) == (0, [[6, 6]])


def test_runs_are_kept_as_ranges() -> None:
    current = STATES["starting"]
    for number in (6, 9, 10):
        current, _ = transition(replace(current, state=Starting(3)), RunStarted(3, 1, number, 0), NOW)
    assert current.runs == [[5, 6], [9, 10]]


def test_an_exit_is_recorded() -> None:
    exit_ = LastExit(exit_code=3, ended_at=99_500)
    after, _ = transition(STATES["running"], RunExited(2, exit_, "its output was lost"), NOW)
    assert after.run == replace(ALIVE, ended=exit_, stdin_open=False)
    assert (after.last_exit, after.last_error, after.tally) == (exit_, "its output was lost", RestartHistory(1, 1))


@each_case(
    "request_, starts",
    [
        (replace(REQUEST, restart=RestartConfig(policy="always")), True),
        (replace(REQUEST, restart=RestartConfig(policy="on_failure", max_restarts=0)), True),
        (replace(REQUEST, restart=RestartConfig(policy="never")), False),
        (PLAIN, False),
    ],
    ids=["always", "on_failure", "never", "not managed"],
)
def test_a_run_that_was_lost_with_the_host_begins_again_if_failures_restart_it(
    request_: StartRequest, starts: bool
) -> None:
    lost = RunLost(LastExit(ended_at=99_500), "the host ended while it ran")
    after, _ = transition(record(Running(), request=request_), lost, NOW)
    assert after.state == (Starting(9) if starts else Stopped(77))
    assert (after.last_error, after.tally, after.failed_runs) == ("the host ended while it ran", RestartHistory(), 0)


@each_case(
    "end, failed",
    [
        (LastExit(exit_code=5, ended_at=99_500), False),
        (LastExit(exit_code=6, ended_at=99_500), True),
        (LastExit(signal=15, ended_at=99_500), False),
        (LastExit(signal=9, ended_at=99_500), True),
        (LastExit(exit_code=0, ended_at=99_500), False),
        (LastExit(ended_at=99_500), True),
    ],
)
def test_other_codes_may_count_as_success(end: LastExit, failed: bool) -> None:
    request = replace(REQUEST, restart=RestartConfig(policy="on_failure"), success_exit_codes=[5, 143])
    after, _ = transition(record(Running(), request=request), RunExited(2, end), NOW)
    assert isinstance(after.state, BackingOff) is failed


def test_an_unhealthy_run_ends_as_a_failure_even_with_exit_code_0() -> None:
    sick = replace(STATES["unhealthy"], health=Health("unhealthy", 3, 9, "TCP :1: refused"))
    after, _ = transition(sick, RunExited(2, LastExit(exit_code=0, ended_at=99_500)), NOW)
    assert isinstance(after.state, BackingOff)
    assert after.last_error == "unhealthy: TCP :1: refused"


def test_giving_up_is_reported_after_what_went_wrong() -> None:
    request = replace(REQUEST, restart=RestartConfig(max_restarts=0))
    after, _ = transition(record(Starting(3), ENDED, request), StartFailed("no such file"), NOW)
    assert after.state == Stopped(77)
    assert after.last_error == "no such file; not restarted: max_restarts is 0"


# -- stop: {command: ...} ----------------------------------------------------------------------------------

BY_COMMAND = replace(REQUEST, stop_command=["ctl", "stop"])
ASKED = Running(RequestedStop("stop", 15, 110_000, ["ctl", "stop"], grace_ms=10_000))


def test_a_command_is_run_instead_of_the_signal() -> None:
    running = record(Running(), request=BY_COMMAND)
    for event, why in ((StopRequested(), "stop"), (RestartRequested(), "restart")):
        after, effects = transition(running, event, NOW)
        assert after.state == Running(RequestedStop(why, 15, 110_000, ["ctl", "stop"], grace_ms=10_000))  # type: ignore[arg-type]
        assert effects == [EndChecks(), RunStopCommand(2, ["ctl", "stop"], 10_000)]


def test_a_stop_may_bring_a_command_of_its_own_or_want_the_signal() -> None:
    running = record(Running(), request=BY_COMMAND)
    assert transition(running, StopRequested(15, 500, ["other"]), NOW)[1][1] == RunStopCommand(2, ["other"], 500)
    assert transition(running, StopRequested(2, 500), NOW)[1][1] == StopRun(2, 2, 500)
    assert transition(running, StopRequested(15, 0, ["other"]), NOW)[1][1] == StopRun(2, 15, 0)


def test_a_second_stop_runs_no_second_command_but_may_shorten_the_grace() -> None:
    after, effects = transition(record(ASKED, request=BY_COMMAND), StopRequested(15, 1_000, ["ctl", "stop"]), NOW)
    assert after.state == Running(RequestedStop("stop", 15, 101_000, ["ctl", "stop"], grace_ms=1_000))
    assert effects == [EndChecks(), StopRun(2, SIGCONT, 1_000)]


def test_where_the_command_fails_the_signal_follows_within_the_grace() -> None:
    asked = record(ASKED, request=BY_COMMAND)
    after, effects = transition(asked, StopCommandEnded(2, "its stop command failed: no such file"), NOW)
    assert effects == [StopRun(2, 15, 10_000)]
    ended, _ = transition(after, RunExited(2, LastExit(signal=15, ended_at=99_500)), NOW)
    assert ended.last_error == "its stop command failed: no such file"
    assert transition(asked, StopCommandEnded(1, "late"), NOW) == (asked, [])


def test_the_next_server_runs_the_command_again() -> None:
    started = RunStarted(2, 4712, 6, 99_000)
    assert RunStopCommand(2, ["ctl", "stop"], 10_000) in transition(record(ASKED), RunAdopted(started), NOW)[1]


def test_an_unmanaged_process_stays_down() -> None:
    plain = record(Running(), request=PLAIN)
    after, _ = transition(plain, RunExited(2, LastExit(exit_code=1, ended_at=99_500)), NOW)
    assert after.state == Stopped(77)


def test_an_unmanaged_process_is_killed_unless_a_signal_is_given() -> None:
    plain = record(Running(), request=PLAIN)
    assert transition(plain, StopRequested(), NOW)[1][-1] == KillRun(2)
    assert transition(plain, StopRequested(15, 5), NOW)[1][-1] == StopRun(2, 15, 5)


def test_an_adopted_run_whose_caller_is_gone_is_killed() -> None:
    attached = replace(record(Running(), request=PLAIN), attached=True)
    adopted = RunAdopted(RunStarted(2, 4711, 0, STARTED_AT, stdin_open=True))
    assert transition(attached, adopted, NOW)[1][-1] == KillRun(2)


def test_an_input_that_was_closed_is_closed_again_after_adoption() -> None:
    closed = record(Running(), replace(ALIVE, stdin_open=False), PLAIN)
    adopted = RunAdopted(RunStarted(2, 4711, 0, STARTED_AT, stdin_open=True))
    assert transition(closed, adopted, NOW)[1][-1] == CloseInput(2)


@each_case(
    "state, event, expected",
    [
        ("running", RunExited(2, LastExit(exit_code=1, ended_at=99_500)), SuspendedBackoff(500)),
        ("restarting", RunExited(2, LastExit(exit_code=0, ended_at=99_500)), SuspendedBackoff(0)),
        ("stopped", RestartRequested(), SuspendedBackoff(0)),
        ("paused", HostRestarted(), SuspendedBackoff(300)),
        ("starting", StartFailed("no"), SuspendedBackoff(500)),
    ],
)
def test_nothing_begins_while_the_sandbox_is_paused(state: str, event: LifecycleEvent, expected: ProcessState) -> None:
    after, effects = transition(STATES[state], event, replace(NOW, paused=True))
    assert after.state == expected
    assert not any(type(effect).__name__ in ("SpawnRun", "SetTimer") for effect in effects)


def test_no_health_is_checked_while_the_sandbox_is_paused() -> None:
    _, effects = transition(STATES["starting"], RunStarted(3, 4712, 6, 99_000), replace(NOW, paused=True))
    assert not any(isinstance(effect, BeginChecks) for effect in effects)


def test_a_backoff_that_is_due_far_in_the_future_is_limited_after_the_clock_was_set_back() -> None:
    late = record(BackingOff(9_000_000), ENDED)
    after, _ = transition(late, HostRestarted(), NOW)
    assert after.state == BackingOff(130_000)


def test_a_first_start_that_failed_leaves_no_row() -> None:
    assert transition(STATES["first start"], StartFailed("no"), NOW)[1] == [ForgetRow()]


def test_a_restart_by_hand_does_not_wait_for_the_backoff() -> None:
    after, effects = transition(STATES["backing off"], RestartRequested(), NOW)
    assert isinstance(after.state, Starting)
    assert CancelTimer() in effects


def test_what_a_run_left_behind_is_remembered_until_the_next_one_ends() -> None:
    good = LastExit(exit_code=0, ended_at=99_500)
    after, _ = transition(STATES["running"], RunExited(2, good, left_behind=["7 nginx: master"]), NOW)
    assert after.left_behind == ["7 nginx: master"]
    again, _ = transition(STATES["running"], RunExited(2, good), NOW)
    assert again.left_behind == []


def test_what_a_stop_command_has_printed_is_kept_until_the_next_run() -> None:
    ended = StopCommandEnded(2, None, "bye\n")
    for before in (record(ASKED), STATES["stopped"], STATES["backing off"]):
        after, effects = transition(before, ended, NOW)
        assert (after.stop_output, after.state, effects) == ("bye\n", before.state, [])
    assert transition(STATES["stopped"], replace(ended, handle=1), NOW)[0].stop_output is None
    starting = replace(STATES["starting"], stop_output="bye\n")
    assert transition(starting, RunStarted(3, 4712, 6, 99_000), NOW)[0].stop_output is None


def test_the_reason_of_a_stop_outlives_the_start_that_it_met() -> None:
    asked, _ = transition(STATES["starting"], StopRequested(reason="the project was taken down"), NOW)
    after, _ = transition(asked, RunStarted(3, 4712, 6, 99_000), NOW)
    assert after.stop_reason == "the project was taken down"
    anew, _ = transition(
        replace(STATES["starting"], stop_reason="of the last run"), RunStarted(3, 4712, 6, 99_000), NOW
    )
    assert anew.stop_reason is None


def test_a_clock_that_is_set_back_does_not_prolong_the_grace_of_a_stop() -> None:
    earlier = replace(NOW, ms=NOW.ms - 3_600_000)
    started = RunAdopted(RunStarted(2, 4712, 6, 99_000))
    stopping, _ = transition(STATES["running"], StopRequested(), NOW)
    assert transition(stopping, started, earlier)[1][1] == StopRun(2, 15, 10_000)
    failed = transition(record(ASKED), StopCommandEnded(2, "no such file"), earlier)[1]
    assert failed == [StopRun(2, 15, 10_000)]


def test_a_clock_that_is_set_forward_does_not_take_the_grace_from_a_stop_whose_command_has_failed() -> None:
    later = replace(NOW, ms=NOW.ms + 3_600_000)
    assert transition(record(ASKED), StopCommandEnded(2, "no such file"), later)[1] == [StopRun(2, 15, 10_000)]


def test_a_stop_remembers_that_a_new_run_follows() -> None:
    """So that who watches need not guess by the time whether it is half of a restart."""
    wish = StopRequested(replaced=True)
    end = RunExited(2, LastExit(exit_code=0, ended_at=99_500))
    stopping, _ = transition(record(Running()), wish, NOW)
    stopped, _ = transition(stopping, end, NOW)
    assert stopped.state == Stopped(77, requested=True, replaced=True)
    backing_off, _ = transition(record(BackingOff(120_000), ENDED), wish, NOW)
    assert backing_off.state == Stopped(77, requested=True, replaced=True)
    waiting, _ = transition(record(Starting(3), ENDED), wish, NOW)
    assert transition(waiting, StartFailed("no such file"), NOW)[0].state == Stopped(77, requested=True, replaced=True)


def test_the_latest_stop_says_whether_a_new_run_follows() -> None:
    wish, end = StopRequested(replaced=True), RunExited(2, LastExit(exit_code=0, ended_at=99_500))
    stopping, _ = transition(transition(record(Running()), wish, NOW)[0], StopRequested(), NOW)
    assert transition(stopping, end, NOW)[0].state == Stopped(77, requested=True)
    stopped = record(Stopped(50, requested=True, replaced=True), ENDED)
    assert transition(stopped, StopRequested(), NOW)[0].state == Stopped(50, requested=True)
    assert transition(stopped, KillRequested(), NOW)[0].state == Stopped(50, requested=True)

    for same, event in (
        (record(Stopped(50), ENDED), wish),
        (stopped, wish),
        (record(Stopped(50, requested=True), ENDED), StopRequested()),
    ):
        assert transition(same, event, NOW)[0] is same  # not to be recorded and told again
