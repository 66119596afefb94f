"""The verdict on a bring-up."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from sbxcompose.plan.judge import (
    Failed,
    Goal,
    InstanceState,
    Judge,
    Mode,
    Pending,
    Success,
    TimedOut,
    Verdict,
    verdict,
)
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.spec.project import Project, ReadyCommand, ReadyLine
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import (
    ALWAYS,
    CHECK,
    COMPLETED,
    FAILED,
    GOOD,
    NEVER,
    STARTED,
    done,
    need,
    process,
    project,
    row,
)

NOW = 1000.0
DB = process("db", check=CHECK)
MIGRATE = process("migrate", ["db"], restart=NEVER)
WEB = process("web", [need("migrate", COMPLETED)], ready_when=ReadyLine("listening"))
SHOP = project(DB, MIGRATE, WEB)

ENDED = Mode(Goal.ENDED)
ABORT = Mode(Goal.ENDED, abort_on_exit=True)
FROM_WEB = Mode(exit_code_from=Target("main", "web"))


def state(
    name: str,
    found: ObservedRow | None = None,
    *,
    ready: bool = False,
    error: str | None = None,
    check: str | None = None,
    lines: tuple[str, ...] = (),
) -> InstanceState:
    return InstanceState(Instance("main", name), found, ready, error, check, lines)


def lines(*expected: str) -> str:
    return "\n".join(expected)


HEALTHY = state("db", row("db", check=True))
MIGRATED = state("migrate", done("migrate"))
LISTENING = state("web", row("web"), ready=True)


def judge(shop: Project, *states: InstanceState, deadline: float | None = None, mode: Mode | None = None) -> Verdict:
    return verdict(shop, states, NOW, deadline, mode or Mode())


# --wait


def test_services_that_are_ready_and_one_shots_that_completed_are_a_success() -> None:
    found = judge(SHOP, HEALTHY, MIGRATED, LISTENING)
    assert found == Success(ready=2, completed=1)
    assert str(found) == "2 ready, 1 completed"
    assert found.exit_code == 0


def test_nothing_wanted_is_a_success() -> None:
    assert str(judge(SHOP)) == "0 ready"


def test_a_one_shot_that_nothing_waits_for_is_good_when_running_and_when_done() -> None:
    shop = project(process("seed", restart=NEVER))
    assert judge(shop, state("seed", row("seed", one_shot=True))) == Success(1, 0)
    assert judge(shop, state("seed", done("seed"))) == Success(0, 1)


def test_a_job_that_still_runs_is_pending() -> None:
    found = judge(SHOP, HEALTHY, state("migrate", row("migrate", one_shot=True)), state("web"))
    assert str(found) == lines(
        "waiting for 2:",
        "  migrate is running, not completed yet",
        "held up:",
        "  web waits for migrate",
    )


def test_the_roots_of_the_waiting_are_distinguished_from_those_held_up() -> None:
    starting = replace(row("db", Phase.STARTING, check=True), last_check="connection refused")
    found = judge(SHOP, state("db", starting), state("migrate"), state("web"))
    assert isinstance(found, Pending)
    assert [report.label for report in found.causes] == ["db"]
    assert [(report.label, report.waits_for) for report in found.held_up] == [
        ("migrate", ("db",)),
        ("web", ("migrate",)),
    ]


@each_case(
    "found, doing",
    [
        (state("web", row("web")), "is running, not ready yet: waiting for a line that matches `listening`"),
        (state("web"), "has not been started"),
        (
            state("web", row("web"), check="refused"),
            "is running, not ready yet: waiting for a line that matches `listening`, the last check saw: refused",
        ),
        (
            state(
                "web",
                replace(row("web", Phase.BACKING_OFF, exit=FAILED), restarts=3, next_restart_at=NOW + 4),
            ),
            "exited with code 1; restarts in 4 s (3 restarts so far)",
        ),
        (
            state("web", replace(row("web", Phase.UNHEALTHY), health_failures=3, last_check="status 500")),
            "is unhealthy: 3 failed health checks; its health check saw: status 500",
        ),
    ],
)
def test_the_last_known_state_of_what_is_not_ready(found: InstanceState, doing: str) -> None:
    given = judge(SHOP, HEALTHY, MIGRATED, found)
    assert isinstance(given, Pending)
    assert [report.doing for report in given.causes] == [doing]


def test_a_command_that_has_not_succeeded_is_named() -> None:
    shop = project(process("web", ready_when=ReadyCommand(("curl", "-f", "localhost"))))
    assert "waiting for `curl -f localhost` to succeed" in str(judge(shop, state("web", row("web"))))


def test_a_process_that_was_ready_and_crashed_is_not_ready() -> None:
    backing = state("web", row("web", Phase.BACKING_OFF, exit=FAILED), ready=True)
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, backing), Pending)


def test_a_failure_is_reported_at_once_with_its_last_lines_and_what_it_holds_up() -> None:
    failed = row("migrate", Phase.EXITED, exit=Exit(code=3), one_shot=True)
    found = judge(SHOP, HEALTHY, state("migrate", failed, lines=("no such table", "giving up")), state("web"))
    assert isinstance(found, Failed)
    assert found.exit_code == 1
    assert str(found) == lines(
        "failed:",
        "  migrate exited with code 3",
        "    | no such table",
        "    | giving up",
        "held up:",
        "  web waits for migrate",
    )


def test_what_is_merely_slow_is_not_blamed_on_a_failure() -> None:
    shop = project(DB, process("docs"), process("web", ["docs"]))
    found = judge(shop, state("db", row("db", Phase.STARTING)), state("docs", error="has no command"), state("web"))
    assert str(found) == lines("failed:", "  docs has no command", "held up:", "  web waits for docs")


def test_a_failure_holds_up_near_and_far() -> None:
    found = judge(
        SHOP,
        state("db", error="could not be started: command not found: postgres"),
        state("migrate"),
        state("web"),
    )
    assert isinstance(found, Failed)
    assert [report.label for report in found.held_up] == ["migrate", "web"]
    assert found.causes[0].doing == "could not be started: command not found: postgres"


@pytest.mark.parametrize(
    "found, doing",
    [
        (row("web", Phase.STOPPED), "was stopped"),
        (row("web", Phase.EXITED, exit=GOOD), "exited with code 0, expected to keep running"),
        (
            replace(row("web", Phase.EXITED, exit=FAILED), restarts=5, last_error="too many restarts"),
            "exited with code 1 (too many restarts), its supervisor gave up after 5 restarts",
        ),
    ],
)
def test_what_ended_without_getting_ready_has_failed(found: ObservedRow, doing: str) -> None:
    given = judge(SHOP, HEALTHY, MIGRATED, state("web", found))
    assert isinstance(given, Failed)
    assert [report.doing for report in given.causes] == [doing]


def test_what_is_always_restarted_has_no_good_end() -> None:
    shop = project(process("web", restart=ALWAYS))
    assert isinstance(judge(shop, state("web", row("web", Phase.EXITED, exit=GOOD))), Failed)


def test_a_timeout_names_what_was_not_ready() -> None:
    waiting = [
        state("db", row("db", Phase.STARTING, check=True), lines=("recovering",)),
        state("migrate"),
        state("web"),
    ]
    assert isinstance(judge(SHOP, *waiting, deadline=NOW + 1), Pending)
    found = judge(SHOP, *waiting, deadline=NOW - 2)
    assert isinstance(found, TimedOut)
    assert (found.exit_code, found.late) == (124, 2.0)
    assert str(found) == lines(
        "timed out:",
        "  db is starting",
        "    | recovering",
        "held up:",
        "  migrate waits for db",
        "  web waits for migrate",
    )


def test_what_was_too_late_is_reported_with_its_age_or_how_its_start_stands() -> None:
    young = replace(row("web"), started_at=NOW - 0.2)
    early = judge(SHOP, HEALTHY, MIGRATED, state("web", young), deadline=NOW + 1)
    assert "web is running, not ready yet" in str(early)
    late = judge(SHOP, HEALTHY, MIGRATED, state("web", young), deadline=NOW)
    assert "web has been running for 0.2 s, not ready yet: waiting for a line" in str(late)
    begun = replace(state("web"), start=lambda: "is being started; requested 0.2 s ago")
    assert "web is being started; requested 0.2 s ago" in str(judge(SHOP, HEALTHY, MIGRATED, begun, deadline=NOW))


def test_how_a_start_stands_is_looked_up_only_for_a_report() -> None:
    asked: list[str] = []

    def stands() -> str:
        asked.append("web")
        return "has not been started yet"

    waiting = replace(state("web"), start=stands)
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, waiting, deadline=NOW + 1), Pending)
    assert asked == []
    assert "web has not been started yet" in str(judge(SHOP, HEALTHY, MIGRATED, waiting, deadline=NOW))
    assert asked == ["web"]


def test_a_verdict_counts_for_more_than_the_deadline() -> None:
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, LISTENING, deadline=NOW - 2), Success)
    assert isinstance(judge(SHOP, state("db", error="failed"), deadline=NOW - 2), Failed)


def test_many_needs_are_shortened() -> None:
    names = [f"p{n}" for n in range(6)]
    shop = project(*[process(name, check=CHECK) for name in names], process("web", names))
    found = judge(shop, *[state(name, row(name, Phase.STARTING)) for name in names], state("web"))
    assert str(found).endswith("web waits for p0, p1, p2 and 3 others")


def test_all_replicas_have_to_be_ready() -> None:
    shop = project(process("web", check=CHECK, replicas=2))
    second = InstanceState(Instance("main", "web", 2), row("web", Phase.STARTING, replica=2, check=True))
    found = judge(shop, state("web", row("web", check=True)), second)
    assert "web.2 is starting" in str(found)


# Attached: until all have ended.


def test_attached_ends_when_all_have_ended() -> None:
    shop = project(process("a"), process("b", restart=NEVER))
    first, second = row("a", Phase.EXITED, exit=GOOD), done("b")
    assert isinstance(judge(shop, state("a", row("a")), state("b", second), mode=ENDED), Pending)
    assert judge(shop, state("a", first), state("b", second), mode=ENDED) == Success(0, 2)
    assert isinstance(judge(shop, state("a"), state("b", second), mode=ENDED), Pending)


def test_attached_waits_for_those_that_run_when_another_fails() -> None:
    shop = project(process("a"), process("b"))
    failed = state("b", row("b", Phase.EXITED, exit=FAILED))
    assert isinstance(judge(shop, state("a", row("a")), failed, mode=ENDED), Pending)
    found = judge(shop, state("a", row("a", Phase.STOPPED)), failed, mode=ENDED)
    assert str(found) == lines("failed:", "  b exited with code 1, its supervisor does not try again")


def test_attached_does_not_wait_for_what_a_failure_holds_up() -> None:
    failed = row("migrate", Phase.EXITED, exit=FAILED, one_shot=True)
    states = [state("db", row("db", Phase.STOPPED)), state("migrate", failed), state("web")]
    found = judge(SHOP, *states, mode=ENDED)
    assert isinstance(found, Failed)
    assert [report.label for report in found.held_up] == ["web"]


def test_attached_a_service_that_ends_well_was_good() -> None:
    found = judge(project(DB), state("db", row("db", Phase.EXITED, exit=GOOD)), mode=ENDED)
    assert isinstance(found, Success)


# --abort-on-exit


def test_abort_on_exit_ends_with_the_first_that_ends() -> None:
    shop = project(process("a"), process("b"))
    running = state("a", row("a"))
    assert isinstance(judge(shop, running, state("b", row("b")), mode=ABORT), Pending)
    ended = judge(shop, running, state("b", row("b", Phase.EXITED, exit=GOOD)), mode=ABORT)
    assert isinstance(ended, Success)
    failed = judge(shop, running, state("b", row("b", Phase.EXITED, exit=FAILED)), mode=ABORT)
    assert isinstance(failed, Failed)


def test_abort_on_exit_lets_jobs_complete() -> None:
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, LISTENING, mode=ABORT), Pending)


# --exit-code-from


@each_case(
    "end, code",
    [(Exit(code=7), 7), (Exit(signal=9), 137), (Exit(), 1), (None, 1)],
)
def test_exit_code_from_passes_on_the_code(end: Exit | None, code: int) -> None:
    found = judge(SHOP, HEALTHY, MIGRATED, state("web", row("web", Phase.EXITED, exit=end)), mode=FROM_WEB)
    assert isinstance(found, Failed)
    assert found.exit_code == code


def test_exit_code_from_a_good_end() -> None:
    finished = state("web", row("web", Phase.EXITED, exit=GOOD))
    assert judge(SHOP, HEALTHY, MIGRATED, finished, mode=FROM_WEB).to_json()["exit_code"] == 0


def test_exit_code_from_waits_for_that_process_alone() -> None:
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, LISTENING, mode=FROM_WEB), Pending)
    stopped = state("db", row("db", Phase.EXITED, exit=FAILED))
    assert isinstance(judge(SHOP, stopped, MIGRATED, LISTENING, mode=FROM_WEB), Pending)
    aborting = replace(FROM_WEB, abort_on_exit=True)
    assert isinstance(judge(SHOP, stopped, MIGRATED, LISTENING, mode=aborting), Failed)


def test_exit_code_from_counts_a_success_only_once_what_was_needed_has_lasted() -> None:
    shop = project(process("db"), process("web", ["db"]), process("tests", ["web"], restart=NEVER))
    mode = Mode(exit_code_from=Target("main", "tests"))
    completed = state("tests", done("tests"))
    lasting, young = replace(row("web"), started_at=NOW - 1), replace(row("db"), started_at=NOW - 0.4)
    waiting = judge(shop, state("db", young), state("web", lasting), completed, mode=mode)
    assert isinstance(waiting, Pending)
    assert waiting.recheck_at == pytest.approx(NOW + 0.6)
    old = state("db", replace(young, started_at=NOW - 1))
    assert isinstance(judge(shop, old, state("web", lasting), completed, mode=mode), Success)
    again = replace(row("db", Phase.BACKING_OFF, exit=FAILED), failed_runs=1)
    assert isinstance(judge(shop, state("db", again), state("web", lasting), completed, mode=mode), Pending)
    fallen = state("db", replace(row("db", Phase.EXITED, exit=FAILED), failed_runs=1))
    found = judge(shop, fallen, state("web", lasting), completed, mode=mode)
    assert isinstance(found, Failed)
    assert [report.label for report in found.causes] == ["db"]
    served = state("db", row("db", Phase.EXITED, exit=FAILED))
    assert isinstance(judge(shop, served, state("web", lasting), completed, mode=mode), Success), (
        "it lasted long enough"
    )


def test_exit_code_from_asks_nothing_more_of_what_need_only_have_started_or_has_a_check() -> None:
    shop = project(
        process("db", check=CHECK), process("web"), process("tests", ["db", need("web", STARTED)], restart=NEVER)
    )
    mode = Mode(exit_code_from=Target("main", "tests"))
    states = state("db", row("db", check=True)), state("web", replace(row("web"), started_at=NOW))
    assert isinstance(judge(shop, *states, state("tests", done("tests")), mode=mode), Success)


def test_exit_code_from_a_process_that_will_never_start() -> None:
    failed = row("migrate", Phase.EXITED, exit=Exit(code=3), one_shot=True)
    found = judge(SHOP, HEALTHY, state("migrate", failed), state("web"), mode=FROM_WEB)
    assert isinstance(found, Failed)
    assert found.exit_code == 1
    assert [report.label for report in found.causes] == ["migrate"]


def test_exit_code_from_has_a_deadline_too() -> None:
    assert isinstance(judge(SHOP, HEALTHY, MIGRATED, LISTENING, deadline=NOW, mode=FROM_WEB), TimedOut)


def test_the_deadline_of_a_single_process_names_what_holds_it_up() -> None:
    starting = state("db", row("db", Phase.STARTING, check=True))
    found = judge(SHOP, starting, state("migrate"), state("web"), deadline=NOW, mode=FROM_WEB)
    assert str(found) == lines(
        "timed out:",
        "  db is starting",
        "held up:",
        "  migrate waits for db",
        "  web waits for migrate",
    )


# What was there before the command.


def before(found: InstanceState) -> InstanceState:
    return replace(found, kept=True, ended_before=found.row is not None and not found.row.live)


def completed_at(name: str, moment: float) -> InstanceState:
    return state(name, replace(done(name), exit=Exit(code=0, at=moment)))


def test_a_one_shot_that_was_not_run_again_is_named_with_its_time() -> None:
    found = judge(SHOP, HEALTHY, before(completed_at("migrate", NOW - 90)), LISTENING)
    assert str(found) == lines(
        "2 ready, 1 completed",
        "  migrate was not run again: it completed 1 min 30 s ago and has not changed",
    )
    assert found.to_json()["not_run_again"] == [
        {"sandbox": "main", "process": "migrate", "replica": 1, "label": "migrate", "completed_at": NOW - 90}
    ]


def test_abort_on_exit_does_not_fire_for_what_ended_before_the_command() -> None:
    shop = project(process("seed", restart=NEVER), process("web"))
    seed, web = before(completed_at("seed", NOW - 5)), state("web", row("web"))
    assert isinstance(judge(shop, seed, web, mode=ABORT), Pending)
    assert isinstance(judge(shop, completed_at("seed", NOW), web, mode=ABORT), Success)


def test_exit_code_from_takes_no_code_from_before_the_command() -> None:
    shop = project(process("tests", restart=NEVER))
    mode = Mode(exit_code_from=Target("main", "tests"))
    assert isinstance(judge(shop, before(completed_at("tests", NOW - 5)), mode=mode), Pending)
    assert isinstance(judge(shop, completed_at("tests", NOW), mode=mode), Success)


def test_a_failure_behind_a_one_shot_that_was_not_run_again_fails_what_waits() -> None:
    failed = state("db", row("db", Phase.EXITED, exit=FAILED, check=True))
    found = judge(SHOP, failed, before(MIGRATED), state("web"), mode=FROM_WEB)
    assert isinstance(found, Failed)
    assert [report.label for report in found.causes] == ["db"]
    assert [(report.label, report.waits_for) for report in found.held_up] == [("web", ("db",))]
    starting = state("db", row("db", Phase.STARTING, check=True))
    pending = judge(SHOP, starting, before(MIGRATED), state("web"))
    assert isinstance(pending, Pending)
    assert [(report.label, report.waits_for) for report in pending.held_up] == [("web", ("db",))]


def test_an_error_is_about_a_run_unless_that_ended_before_the_command() -> None:
    failed = state("migrate", row("migrate", Phase.EXITED, exit=FAILED, one_shot=True), error="exited with code 1")
    for found, ran in (
        (failed, True),
        (before(failed), False),
        (state("migrate", error="could not be started"), False),
    ):
        verdict_ = judge(SHOP, HEALTHY, found, state("web"))
        assert isinstance(verdict_, Failed)
        assert verdict_.causes[0].ran is ran


# JSON, and use over time.


def test_verdicts_as_json() -> None:
    judged = Judge(SHOP, Mode())
    assert judged.verdict([HEALTHY, MIGRATED, LISTENING], NOW).to_json() == {
        "verdict": "success",
        "exit_code": 0,
        "ready": 2,
        "completed": 1,
        "ended": 0,
        "not_run_again": [],
    }
    waiting = [HEALTHY, state("migrate", row("migrate", one_shot=True), lines=("1 of 2",)), state("web")]
    assert json.loads(json.dumps(judged.verdict(waiting, NOW, NOW).to_json())) == {
        "verdict": "timed out",
        "exit_code": 124,
        "causes": [
            {
                "sandbox": "main",
                "process": "migrate",
                "replica": 1,
                "label": "migrate",
                "doing": "is running, not completed yet",
                "waits_for": [],
                "lines": ["1 of 2"],
            }
        ],
        "held_up": [
            {
                "sandbox": "main",
                "process": "web",
                "replica": 1,
                "label": "web",
                "doing": "waits for migrate",
                "waits_for": ["migrate"],
                "lines": [],
            }
        ],
    }
    assert judged.verdict(waiting, NOW).to_json()["exit_code"] is None
    failed = judged.verdict([state("db", error="failed")], NOW).to_json()
    assert (failed["verdict"], failed["exit_code"]) == ("failed", 1)


def test_a_report_is_about_a_run_unless_its_start_was_refused() -> None:
    crashed = row("web", Phase.BACKING_OFF, exit=FAILED)
    cases = [
        (state("web", crashed, error="has failed 3 times in a row"), True),
        (state("web", row("web", Phase.EXITED, exit=FAILED), error="exited with code 1"), True),
        (state("web", error="could not be started: no such file"), False),
        (
            replace(
                state("web", row("web", Phase.EXITED, exit=FAILED), error="could not be started"), ended_before=True
            ),
            False,
        ),
    ]
    for found, ran in cases:
        verdict = judge(SHOP, HEALTHY, MIGRATED, found)
        assert isinstance(verdict, Failed)
        assert [report.ran for report in verdict.causes] == [ran]
