"""What `up` plans, as the text that people read."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.errors import SpecError, UnknownName, UsageError
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Exit, Foreign, Instance, Observed, ObservedRow, Phase, SandboxState
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.scope import NothingSelected
from sbxcompose.plan.steps import Plan, Start, Stop
from sbxcompose.plan.up_terms import UpTerms
from sbxcompose.spec.machine import Resources
from sbxcompose.spec.project import (
    Project,
    ReadyCommand,
    ReadyLine,
    Restart,
    RestartPolicy,
    Sandbox,
)
from sbxcompose.spec.project import StopPolicy as StopRule
from tests.support.cases import each_case
from tests.support.plans import plan_restart, plan_start, plan_up
from tests.unit.plan.plan_worlds import (
    ALWAYS,
    CHECK,
    COMPLETED,
    FAILED,
    GOOD,
    MISSING,
    NEVER,
    STARTED,
    V2,
    done,
    lines,
    need,
    notes,
    process,
    project,
    row,
    seen,
    targets,
    world,
)

# Starting.


def test_a_new_project_gets_its_sandbox_and_its_processes_in_order() -> None:
    shop = project(process("web", ["db"]), process("db", check=CHECK))
    assert str(plan_up(shop, MISSING)) == lines(
        "1. create sandbox main: does not exist",
        "2. start db, after 1: not running",
        "3. wait until db is ready, after 2: web needs it",
        "4. start web, after 3: not running",
    )


def test_what_no_dependent_waits_for_is_not_waited_for() -> None:
    shop = project(process("db", check=CHECK), process("web"))
    assert str(plan_up(shop, world())) == lines("1. start db: not running", "2. start web: not running")


def test_a_changed_process_starts_after_what_it_needs() -> None:
    shop = project(process("db"), process("web", ["db"], digest=V2))
    assert str(plan_up(shop, world(row("web")))) == lines(
        "1. start db: not running",
        "2. stop web: definition changed",
        "3. start web, after 1, 2: definition changed",
    )


def test_the_process_started_is_the_wanted_one_under_its_managed_name() -> None:
    web = process("web", digest=V2, replicas=2)
    [first, second] = [step.action for step in plan_up(project(web), world())]
    assert isinstance(first, Start)
    assert isinstance(second, Start)
    assert (first.name, second.name) == ("web.22222222", "web.2.22222222")
    assert first.process is web


@each_case(
    "last, reason",
    [
        (row("web", Phase.EXITED, exit=FAILED), "exited with code 1"),
        (row("web", Phase.EXITED, exit=GOOD), "exited with code 0"),
        (row("web", Phase.EXITED, exit=Exit(signal=9)), "was killed by SIGKILL"),
        (row("web", Phase.EXITED, exit=Exit(signal=9, oom_killed=True)), "was killed: out of memory"),
        (row("web", Phase.EXITED, exit=Exit(code=137, oom_kills=1)), "exited with code 137: out of memory"),
        (
            row("web", Phase.EXITED, exit=Exit(code=1, oom_kills=2)),
            "exited with code 1 after its sandbox ran out of memory",
        ),
        (row("web", Phase.EXITED, exit=Exit(code=137)), "exited with code 137"),
        (row("web", Phase.EXITED, exit=Exit(code=0, oom_kills=1)), "exited with code 0"),
        (row("web", Phase.EXITED), "ended; exit code unknown"),
        (row("web", Phase.STOPPED, exit=Exit(signal=15)), "was stopped"),
        (row("web", Phase.EXITED, exit=FAILED, digest=V2), "definition changed"),
    ],
)
def test_what_has_ended_is_started_with_the_reason_of_its_end(last: ObservedRow, reason: str) -> None:
    assert str(plan_up(project(process("web")), world(last))) == f"1. start web: {reason}"


@each_case("phase", [Phase.RUNNING, Phase.STARTING, Phase.UNHEALTHY, Phase.BACKING_OFF])
def test_what_a_supervisor_holds_is_left_to_it(phase: Phase) -> None:
    found = plan_up(project(process("web", check=CHECK)), world(row("web", phase, check=True)))
    assert found.empty
    assert found.unchanged == 1
    assert str(found) == ""


# What the user named.


def named(*names: str, beside: PlanOptions = PlanOptions()) -> PlanOptions:  # noqa: B008 (frozen)
    return replace(beside, rerun=targets(*names).targets or frozenset())


def test_a_completed_one_shot_that_is_named_runs_again_and_what_it_needs_does_not() -> None:
    shop = project(
        process("migrate", restart=NEVER),
        process("tests", [need("migrate", COMPLETED)], restart=NEVER),
        process("web"),
    )
    seen_before = world(done("migrate"), done("tests"), row("web"))
    assert plan_up(shop, seen_before).empty
    assert str(plan_up(shop, seen_before, named("tests"))) == "1. start tests: named, so it runs again"
    assert plan_up(shop, world(done("migrate"), row("tests", one_shot=True), row("web")), named("tests")).empty


def test_a_process_of_an_inactive_profile_that_is_named_is_in_scope_beside_the_others() -> None:
    shop = project(process("web"), inactive=[process("tests", restart=NEVER, profiles=("ci",))])
    assert str(plan_up(shop, world(), named("tests"))) == lines(
        "1. start web: not running", "2. start tests: not running"
    )


def test_a_single_replica_that_is_named_runs_again() -> None:
    shop = project(process("job", restart=NEVER, replicas=2))
    both = world(done("job"), replace(done("job"), instance=Instance("main", "job", 2), name="job.2.11111111"))
    second = PlanOptions(rerun=frozenset({Target("main", "job", 2)}))
    assert [step.title for step in plan_up(shop, both, second)] == ["start job.2"]


def test_nothing_selected_is_refused_with_the_profiles_that_exist() -> None:
    shop = project(inactive=[process("a", profiles=("x", "y")), process("b", profiles=("y",))])
    with pytest.raises(NothingSelected) as refused:
        plan_up(shop, world())
    assert "`x`, `y`" in str(refused.value.hint)
    assert str(plan_up(shop, world(), named("b"))) == "1. start b: not running"


def test_a_plan_in_which_everything_has_completed_says_how_to_run_it_again() -> None:
    def jobs(count: int) -> Plan:
        names = [f"job{number}" for number in range(count)]
        return plan_up(project(*[process(name, restart=NEVER) for name in names]), world(*map(done, names)))

    assert jobs(1).summary == "nothing to do: job0 has completed; `sbxcompose up job0` runs it again"
    assert "job0 and job1 have completed; `sbxcompose up job0 job1` runs them again" in jobs(2).summary
    assert "all 4 processes have completed; `sbxcompose up --force-recreate` runs them again" in jobs(4).summary
    assert plan_up(project(), world()).summary == "nothing to do"


# Order through what does not start.


def shop_with_migration() -> Project:
    db = process("db", ready_when=ReadyLine("up"))
    return project(db, process("migrate", ["db"], restart=NEVER), process("web", [need("migrate", COMPLETED)]))


def test_what_needs_a_completed_one_shot_starts_after_what_that_one_needs() -> None:
    stopped = [row("db", Phase.STOPPED), done("migrate"), row("web", Phase.STOPPED)]
    expected = lines(
        "1. start db: was stopped",
        "2. wait until db is ready, after 1: web needs it",
        "3. start web, after 2: was stopped",
    )
    assert str(plan_up(shop_with_migration(), world(*stopped))) == expected
    assert str(plan_start(shop_with_migration(), world(*stopped), targets("web"))) == expected


def test_a_restart_keeps_the_order_across_a_completed_one_shot() -> None:
    found = plan_restart(shop_with_migration(), world(row("db"), done("migrate"), row("web")))
    assert str(found) == lines(
        "1. stop web: restart was asked for",
        "2. stop db, after 1: restart was asked for",
        "3. start db, after 2: restart was asked for",
        "4. wait until db is ready, after 3: web needs it",
        "5. start web, after 1, 4: restart was asked for",
    )


def test_what_needs_a_running_process_waits_for_what_that_one_needs() -> None:
    shop = project(process("db", check=CHECK), process("api", ["db"]), process("web", ["api"]))
    assert str(plan_up(shop, world(row("db", Phase.STOPPED), row("api")))) == lines(
        "1. start db: was stopped",
        "2. wait until db is ready, after 1: web needs it",
        "3. start web, after 2: not running",
    )


def test_order_reaches_across_what_the_command_is_not_about() -> None:
    shop = shop_with_migration()
    alone = replace(targets("db", "web"), no_deps=True)
    found = plan_restart(shop, world(row("db"), row("web")), alone)
    assert [step.title for step in found] == [
        "stop web",
        "stop db",
        "start db",
        "wait until db is ready",
        "start web",
    ]


def test_order_reaches_through_a_need_that_is_not_required_but_in_scope() -> None:
    shop = project(
        process("db", check=CHECK),
        process("web", [need("cache", required=False)]),
        inactive=[process("cache", ["db"], profiles=("cache",))],
    )
    here = world(row("db", Phase.STOPPED), row("cache"))
    found = plan_up(shop, here, targets("web", "cache"))
    assert [step.title for step in found] == ["start db", "wait until db is ready", "start web"]
    assert found.steps[-1].after == (2,)
    assert [step.title for step in plan_up(shop, here, targets("web"))] == ["start web"]


# Conditions.


def test_started_needs_no_wait() -> None:
    shop = project(process("db", check=CHECK), process("web", [need("db", STARTED)]))
    assert str(plan_up(shop, world())) == lines("1. start db: not running", "2. start web, after 1: not running")


def test_ready_without_a_check_is_started() -> None:
    shop = project(process("db"), process("web", ["db"]))
    assert str(plan_up(shop, world())) == lines("1. start db: not running", "2. start web, after 1: not running")


@pytest.mark.parametrize("when", [ReadyLine("listening"), ReadyCommand(("true",))])
def test_a_readiness_that_no_row_shows_is_waited_for_when_a_dependent_starts(
    when: ReadyLine | ReadyCommand,
) -> None:
    shop = project(process("db", ready_when=when), process("web", ["db"]))
    assert str(plan_up(shop, world(row("db")))) == lines(
        "1. wait until db is ready: web needs it", "2. start web, after 1: not running"
    )
    assert plan_up(shop, world(row("db"), row("web"))).empty


def test_a_healthy_need_blocks_nothing() -> None:
    shop = project(process("db", check=CHECK), process("web", ["db"]))
    assert str(plan_up(shop, world(row("db", check=True)))) == "1. start web: not running"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.UNHEALTHY, Phase.BACKING_OFF])
def test_a_need_that_runs_but_is_not_healthy_is_waited_for(phase: Phase) -> None:
    shop = project(process("db", check=CHECK), process("web", ["db"]))
    assert str(plan_up(shop, world(row("db", phase, check=True)))) == lines(
        "1. wait until db is ready: web needs it", "2. start web, after 1: not running"
    )


def test_one_wait_serves_all_who_need_it() -> None:
    shop = project(process("db", check=CHECK), *[process(name, ["db"]) for name in ("a", "b", "c")])
    assert str(plan_up(shop, world())).splitlines()[:3] == [
        "1. start db: not running",
        "2. wait until db is ready, after 1: a and 2 others need it",
        "3. start a, after 2: not running",
    ]


def test_every_replica_of_a_need_counts() -> None:
    shop = project(process("db", check=CHECK, replicas=2), process("web", ["db"]))
    observed = world(row("db", check=True), row("db", Phase.STARTING, replica=2, check=True))
    assert str(plan_up(shop, observed)) == lines(
        "1. wait until db.2 is ready: web needs it", "2. start web, after 1: not running"
    )


def test_a_need_may_be_in_another_sandbox() -> None:
    shop = project(
        process("db", sandbox="data", check=CHECK),
        process("web", [need("db", sandbox="data")], sandbox="app"),
    )
    assert str(plan_up(shop, MISSING)) == lines(
        "1. create sandbox data: does not exist",
        "2. create sandbox app: does not exist",
        "3. start db, after 1: not running",
        "4. wait until db is ready, after 3: web needs it",
        "5. start web, after 2, 4: not running",
    )


# One-shots.

MIGRATE = process("migrate", restart=NEVER)
WEB = process("web", [need("migrate", COMPLETED)])


def test_dependents_wait_until_a_one_shot_has_completed() -> None:
    assert str(plan_up(project(MIGRATE, WEB), world())) == lines(
        "1. start migrate: not running",
        "2. wait until migrate is completed, after 1: web needs it",
        "3. start web, after 2: not running",
    )


def test_ready_means_completed_for_a_one_shot_that_a_dependent_needs_completed() -> None:
    other = process("other", ["migrate"])
    assert "4. start other, after 2: not running" in str(plan_up(project(MIGRATE, WEB, other), world()))


def test_a_one_shot_that_still_runs_is_waited_for() -> None:
    observed = world(row("migrate", one_shot=True))
    assert str(plan_up(project(MIGRATE, WEB), observed)) == lines(
        "1. wait until migrate is completed: web needs it", "2. start web, after 1: not running"
    )


def test_a_completed_one_shot_is_not_run_again() -> None:
    assert str(plan_up(project(MIGRATE, WEB), world(done("migrate")))) == "1. start web: not running"
    assert plan_up(project(MIGRATE, WEB), world(done("migrate"), row("web"))).empty


def test_a_completed_one_shot_is_run_again_when_it_changed_or_when_asked() -> None:
    changed = plan_up(project(MIGRATE), world(done("migrate", digest=V2)))
    assert str(changed) == "1. start migrate: definition changed"
    asked = plan_up(project(MIGRATE), world(done("migrate")), PlanOptions(force_recreate=True))
    assert str(asked) == "1. start migrate: a new run was asked for"


def test_going_back_to_an_older_definition_runs_a_one_shot_again() -> None:
    observed = world(done("migrate"), done("migrate", digest=V2))
    assert str(plan_up(project(MIGRATE), observed)) == "1. start migrate: definition changed"


def test_a_failed_one_shot_is_run_again() -> None:
    failed = row("migrate", Phase.EXITED, exit=FAILED, one_shot=True)
    assert str(plan_up(project(MIGRATE), world(failed))) == "1. start migrate: exited with code 1"


def test_a_job_that_is_tried_again_on_failure_is_done_once_it_succeeds() -> None:
    job = process("migrate")
    finished = row("migrate", Phase.EXITED, exit=GOOD)
    assert str(plan_up(project(job, WEB), world(finished))) == "1. start web: not running"


# Changes.


def test_a_changed_process_is_stopped_then_started() -> None:
    shop = project(process("web", digest=V2))
    assert str(plan_up(shop, world(row("web")))) == lines(
        "1. stop web: definition changed", "2. start web, after 1: definition changed"
    )


def test_only_the_changed_process_is_touched() -> None:
    shop = project(process("db"), process("web", ["db"], digest=V2), process("docs"))
    found = plan_up(shop, world(row("db"), row("web"), row("docs")))
    assert [step.subject for step in found] == ["web", "web"]
    assert found.unchanged == 2


def test_a_process_is_stopped_the_way_the_file_says() -> None:
    shop = project(process("web", digest=V2, stop=StopRule(2, 1.5)))
    running = row("web")
    [stop, _] = [step.action for step in plan_up(shop, world(running))]
    assert stop == Stop(running, 2, 1.5, replaced=True)
    [stop, _] = [step.action for step in plan_up(shop, world(running), PlanOptions(grace=0.25))]
    assert stop == Stop(running, 2, 0.25, replaced=True)


def test_start_first_waits_until_the_new_one_is_ready() -> None:
    shop = project(process("web", digest=V2, check=CHECK, update="start-first"))
    assert str(plan_up(shop, world(row("web", check=True)))) == lines(
        "1. start web: definition changed",
        "2. wait until web is ready, after 1: the old one stays until then",
        "3. stop web, after 2: definition changed",
    )


def test_start_first_without_a_check_stops_the_old_one_after_the_start() -> None:
    shop = project(process("web", digest=V2, update="start-first"))
    assert str(plan_up(shop, world(row("web")))) == lines(
        "1. start web: definition changed", "2. stop web, after 1: definition changed"
    )


def test_start_first_of_an_unchanged_process_takes_a_free_name() -> None:
    shop = project(process("web", update="start-first"))
    for old, new in ((0, "web.11111111.1"), (1, "web.11111111")):
        found = plan_up(shop, world(row("web", suffix=old)), PlanOptions(force_recreate=True))
        [start, _] = [step.action for step in found]
        assert isinstance(start, Start)
        assert start.name == new


def test_two_runs_of_a_job_never_go_side_by_side() -> None:
    job = process("migrate", digest=V2, restart=NEVER, update="start-first")
    found = plan_up(project(job, WEB), world(row("migrate", one_shot=True), row("web")))
    assert str(found) == lines("1. stop migrate: definition changed", "2. start migrate, after 1: definition changed")


def test_an_interrupted_start_first_is_finished() -> None:
    shop = project(process("web", digest=V2, check=CHECK, update="start-first"))
    old, new = row("web", check=True), row("web", Phase.STARTING, digest=V2, check=True)
    assert str(plan_up(shop, world(old, new))) == lines(
        "1. wait until web is ready: the old one stays until then",
        "2. stop web, after 1: definition changed",
    )
    assert str(plan_up(shop, world(old, replace(new, phase=Phase.RUNNING)))) == ("1. stop web: definition changed")


def test_of_two_equal_rows_the_newest_stays() -> None:
    older, newer = row("web"), row("web", suffix=1)
    [step] = plan_up(project(process("web")), world(older, newer))
    assert str(step) == "1. stop web: runs twice"
    assert isinstance(step.action, Stop)
    assert step.action.row is older


@each_case(
    "terms, message",
    [
        (UpTerms(no_recreate=True, force_recreate=True), "`no_recreate` keeps what is running, .* `force_recreate`"),
        (UpTerms(no_recreate=True, recreate_needs=True), "`no_recreate` keeps .* `always_recreate_deps`"),
        (UpTerms(no_recreate=True, recreate_sandboxes=True), "`no_recreate` keeps .* `recreate_sandboxes`"),
        (UpTerms(no_deps=True, recreate_needs=True), "`no_deps` leaves dependencies alone, .* `always_recreate_deps`"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(terms: UpTerms, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        terms.check()


def test_no_recreate_leaves_changed_definitions_running_and_names_them() -> None:
    shop = project(process("db", digest=V2), process("web", ["db"], digest=V2), process("docs", digest=V2))
    observed = world(row("db"), row("web"))
    found = plan_up(shop, observed, PlanOptions(no_recreate=True))
    assert str(found) == "1. start docs: not running"
    assert notes(found) == [
        "db runs an older definition; `sbxcompose up db` replaces it",
        "web runs an older definition; `sbxcompose up web` replaces it",
    ]
    of_web = plan_up(shop, observed, replace(targets("web"), no_recreate=True))
    assert of_web.empty
    assert len(of_web.notes) == 2


def test_always_recreate_deps_gives_what_is_needed_a_new_run() -> None:
    shop = project(process("db"), process("web", ["db"]), process("docs"))
    observed = world(row("db"), row("web"), row("docs"))
    asked = replace(targets("web"), recreate_needs=True)
    assert [step.title for step in plan_up(shop, observed, asked)] == ["stop db", "start db"]
    both = replace(asked, force_recreate=True)
    assert [step.title for step in plan_up(shop, observed, both)] == ["stop web", "stop db", "start db", "start web"]


def test_force_recreate_gives_every_target_a_new_run_but_not_its_needs() -> None:
    shop = project(process("db"), process("web", ["db"]))
    chosen = replace(targets("web"), force_recreate=True)
    assert str(plan_up(shop, world(row("db"), row("web")), chosen)) == lines(
        "1. stop web: a new run was asked for", "2. start web, after 1: a new run was asked for"
    )


def test_a_restart_tells_which_replicas_it_leaves_alone() -> None:
    shop, three = project(process("web", replicas=2)), world(*(row("web", replica=number) for number in (1, 2, 3)))
    note = "web.3 is left as it is: the file has 2 replicas; `sbxcompose up` stops it"
    for plan in (plan_restart(shop, three), plan_restart(shop, three, targets("web")), plan_start(shop, three)):
        assert notes(plan) == [note]
    assert notes(plan_restart(shop, three, PlanOptions(targets=frozenset({Target("main", "web", 1)})))) == []


# Dependents that follow a restart.


def test_a_restart_spreads_to_dependents_that_ask_for_it_and_to_theirs() -> None:
    shop = project(
        process("db", digest=V2, check=CHECK),
        process("web", [need("db", restart=True)]),
        process("proxy", [need("web", restart=True)]),
        process("docs", ["db"]),
    )
    observed = world(row("db", check=True), row("web"), row("proxy"), row("docs"))
    assert str(plan_up(shop, observed)) == lines(
        "1. stop proxy: web is restarted",
        "2. stop web, after 1: db is restarted",
        "3. stop db, after 2: definition changed",
        "4. start db, after 3: definition changed",
        "5. wait until db is ready, after 4: web needs it",
        "6. start web, after 2, 5: db is restarted",
        "7. start proxy, after 1, 6: web is restarted",
    )


def test_a_need_that_is_started_again_restarts_dependents_too() -> None:
    shop = project(process("db"), process("web", [need("db", restart=True)]))
    ended = row("db", Phase.EXITED, exit=FAILED)
    assert str(plan_up(shop, world(ended, row("web")))) == lines(
        "1. start db: exited with code 1",
        "2. stop web: db is restarted",
        "3. start web, after 1, 2: db is restarted",
    )


def test_a_need_that_never_ran_restarts_nothing() -> None:
    shop = project(process("db"), process("web", [need("db", restart=True)]))
    assert str(plan_up(shop, world(row("web")))) == "1. start db: not running"


def test_more_replicas_of_a_need_restart_nothing() -> None:
    shop = project(process("db", replicas=2), process("web", [need("db", restart=True)]))
    assert str(plan_up(shop, world(row("db"), row("web")))) == "1. start db.2: not running"


def test_a_restart_spreads_beyond_the_targets_unless_no_deps() -> None:
    shop = project(process("db", digest=V2), process("web", [need("db", restart=True)]))
    observed = world(row("db"), row("web"))
    assert [step.subject for step in plan_up(shop, observed, targets("db"))] == ["web", "db", "db", "web"]
    alone = replace(targets("db"), no_deps=True)
    assert [step.subject for step in plan_up(shop, observed, alone)] == ["db", "db"]


def test_a_dependent_with_start_first_runs_until_its_successor_is_ready() -> None:
    shop = project(
        process("db", digest=V2),
        process("web", [need("db", restart=True)], check=CHECK, update="start-first"),
    )
    assert str(plan_up(shop, world(row("db"), row("web", check=True)))) == lines(
        "1. stop db: definition changed",
        "2. start db, after 1: definition changed",
        "3. start web, after 2: db is restarted",
        "4. wait until web is ready, after 3: the old one stays until then",
        "5. stop web, after 4: db is restarted",
    )


def test_an_old_need_outlives_its_old_dependents() -> None:
    shop = project(
        process("db", digest=V2, check=CHECK, update="start-first"),
        process("web", ["db"], digest=V2, update="start-first"),
    )
    assert str(plan_up(shop, world(row("db", check=True), row("web")))) == lines(
        "1. start db: definition changed",
        "2. wait until db is ready, after 1: web needs it",
        "3. start web, after 2: definition changed",
        "4. stop web, after 3: definition changed",
        "5. stop db, after 2, 4: definition changed",
    )


# Replicas, orphans, profiles, foreign rows.


def test_replicas_come_and_go() -> None:
    observed = world(row("web"), row("web", replica=2))
    assert str(plan_up(project(process("web", replicas=3)), observed)) == "1. start web.3: not running"
    assert str(plan_up(project(process("web")), observed)) == "1. stop web.2: one replica fewer"


def test_orphans_are_shown_and_stopped_only_when_asked() -> None:
    shop, observed = project(process("web")), world(row("web"), row("old"))
    kept = plan_up(shop, observed)
    assert kept.empty
    assert notes(kept) == ["old is not in the file; `--remove-orphans` stops it"]
    removed = plan_up(shop, observed, PlanOptions(remove_orphans=True))
    assert str(removed) == "1. stop old: not in the file"
    assert notes(removed) == []


def test_ended_orphans_are_ignored() -> None:
    found = plan_up(project(process("web")), world(row("web"), row("old", Phase.STOPPED)))
    assert found.empty
    assert notes(found) == []


def test_inactive_profiles_are_not_orphans() -> None:
    shop = project(process("web"), inactive=[process("debug", profiles=("dev",))])
    found = plan_up(shop, world(row("web"), row("debug")), PlanOptions(remove_orphans=True))
    assert found.empty
    assert notes(found) == []


def test_an_inactive_process_is_started_when_it_is_needed_or_named() -> None:
    shop = project(process("web", ["db"]), inactive=[process("db"), process("debug")])
    assert [step.subject for step in plan_up(shop, world())] == ["db", "web"]
    assert [step.subject for step in plan_up(shop, world(), targets("debug"))] == ["debug"]


def test_foreign_rows_are_counted_and_left_alone() -> None:
    shell = Foreign("main", 7, None, ("sh",), running=True)
    ended = replace(shell, running=False)
    found = plan_up(project(process("web")), Observed((seen(row("web"), foreign=[shell, shell, ended]),)))
    assert found.empty
    assert notes(found) == ["sandbox main: 2 processes that were not started from the file, left alone"]
    one_off = replace(shell, pid=9, beside=Instance("main", "web"))
    found = plan_up(project(process("web")), Observed((seen(row("web"), foreign=[one_off, ended]),)))
    assert notes(found) == ["sandbox main: 1 one-off command of `run` or `exec` (pid 9), left alone"]


# Targets.


def test_targets_bring_what_they_need_and_nothing_else() -> None:
    shop = project(process("db"), process("web", ["db"]), process("docs"))
    assert [step.subject for step in plan_up(shop, world(), targets("web"))] == ["db", "web"]
    alone = replace(targets("web"), no_deps=True)
    assert str(plan_up(shop, world(), alone)) == "1. start web: not running"


def test_a_changed_need_of_a_target_is_replaced_too() -> None:
    shop = project(process("db", digest=V2), process("web", ["db"]))
    assert [step.title for step in plan_up(shop, world(row("db"), row("web")), targets("web"))] == [
        "stop db",
        "start db",
    ]


def test_a_single_replica_can_be_meant() -> None:
    shop = project(process("web", replicas=3))
    chosen = PlanOptions(targets=frozenset({Target("main", "web", 2)}))
    assert str(plan_up(shop, world(), chosen)) == "1. start web.2: not running"


def test_a_target_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="no process named `main/wbe`"):
        plan_up(project(process("web")), world(), targets("wbe"))


def test_a_dependency_cycle_is_refused() -> None:
    with pytest.raises(SpecError, match="dependency cycle among main/a, main/b"):
        plan_up(project(process("a", ["b"]), process("b", ["a"]), process("c")), world())


# Names.


def test_two_processes_of_one_name_are_distinguished() -> None:
    shop = project(process("web", sandbox="app"), process("web", sandbox="admin"))
    observed = Observed((seen(name="app"), seen(name="admin")))
    assert str(plan_up(shop, observed)) == lines("1. start app/web: not running", "2. start admin/web: not running")


# Sandboxes.


@each_case(
    "state, step",
    [
        (SandboxState.MISSING, "1. create sandbox main: does not exist"),
        (SandboxState.TERMINATED, "1. create sandbox main: was terminated"),
        (SandboxState.SUSPENDED, "1. resume sandbox main: is suspended"),
        (SandboxState.PENDING, "1. create sandbox main: is still being made"),
    ],
)
def test_a_sandbox_is_made_to_run_before_anything_starts_in_it(state: SandboxState, step: str) -> None:
    found = plan_up(project(process("web")), Observed((seen(state=state),)))
    assert str(found) == lines(step, "2. start web, after 1: not running")
    assert found.provisional is (state in (SandboxState.SUSPENDED, SandboxState.PENDING))
    assert str(found.sandboxes_first()) == step


def test_a_provisional_plan_says_so() -> None:
    found = plan_up(project(process("web")), Observed((seen(state=SandboxState.SUSPENDED),)))
    assert notes(found) == ["sandbox main is suspended: what runs in it is seen once it is running"]


def test_a_sandbox_without_processes_is_wanted_too() -> None:
    shop = project(sandboxes=[Sandbox("box", "shop-box", ())])
    assert str(plan_up(shop, MISSING)) == "1. create sandbox box: does not exist"


def test_ports_that_differ_are_given_to_the_sandbox_before_anything_is_started() -> None:
    shop = project(process("web"), process("api"))
    observed = Observed((replace(seen(row("web")), updates=("ports", "network")),))
    assert str(plan_up(shop, observed)) == lines(
        "1. update sandbox main: ports and network differ from the file",
        "2. start api, after 1: not running",
    )
    assert plan_start(shop, observed).counts()["sandboxes"] == 0, "only `up` makes the world as the file says"


def test_only_the_sandboxes_of_the_targets_are_made() -> None:
    shop = project(process("web"), process("db", sandbox="data"))
    found = plan_up(shop, MISSING, targets("web"))
    assert [step.title for step in found] == ["create sandbox main", "start web"]


IMAGE = ("image", "ports")


def test_a_sandbox_that_differs_is_left_with_a_note() -> None:
    found = plan_up(project(process("web")), Observed((seen(row("web"), differences=IMAGE),)))
    assert found.empty
    assert notes(found) == [
        "sandbox main differs from the file in `image` and `ports`; `--recreate-sandboxes` replaces it"
    ]


def test_a_sandbox_is_replaced_when_asked_and_all_in_it_starts_anew() -> None:
    shop = project(process("db"), MIGRATE, process("web", ["db", need("migrate", COMPLETED)]))
    shell = Foreign("main", 7, None, ("sh",), running=True)
    rows = [row("db"), done("migrate"), row("web"), row("old")]
    observed = Observed((seen(*rows, differences=IMAGE, foreign=[shell]),))
    found = plan_up(shop, observed, PlanOptions(recreate_sandboxes=True))
    assert str(found) == lines(
        "1. stop old: sandbox main is replaced",
        "2. stop web: sandbox main is replaced",
        "3. stop db, after 2: sandbox main is replaced",
        "4. terminate sandbox main, after 1, 2, 3: differs from the file in image, ports",
        "5. create sandbox main, after 4: differs from the file in image, ports",
        "6. start db, after 5: sandbox main is replaced",
        "7. start migrate, after 5: sandbox main is replaced",
        "8. wait until migrate is completed, after 7: web needs it",
        "9. start web, after 6, 8: sandbox main is replaced",
    )
    assert notes(found) == ["sandbox main: 1 process that was not started from the file, ends with it"]


def test_replacing_the_sandbox_of_a_target_takes_its_neighbours_along() -> None:
    shop = project(process("web"), process("docs"))
    observed = Observed((seen(row("web"), row("docs"), differences=IMAGE),))
    chosen = replace(targets("web"), recreate_sandboxes=True)
    started = [step.subject for step in plan_up(shop, observed, chosen) if isinstance(step.action, Start)]
    assert started == ["web", "docs"]


def test_a_suspended_sandbox_is_replaced_without_resuming_it() -> None:
    observed = Observed((seen(row("web"), state=SandboxState.SUSPENDED, differences=IMAGE),))
    found = plan_up(project(process("web")), observed, PlanOptions(recreate_sandboxes=True))
    assert [step.title for step in found] == ["terminate sandbox main", "create sandbox main", "start web"]
    assert not found.provisional


def test_what_a_suspended_sandbox_shows_is_kept() -> None:
    observed = Observed((seen(row("web"), state=SandboxState.SUSPENDED),))
    found = plan_up(project(process("web")), observed)
    assert str(found) == "1. resume sandbox main: is suspended"
    assert not found.provisional


def test_keys_without_meaning_on_this_machine_are_reported_once() -> None:
    box = Sandbox("main", "shop-main", (), image="ubuntu", resources=Resources(cpus=2, disk=1))
    local = project(process("web"), sandboxes=[box])
    assert notes(plan_up(local, MISSING)) == [
        "sandbox main: no image is pulled on this machine; `image` applies only in the cloud",
        "sandbox main: `resources.disk` needs `isolation: overlay` on this machine; it is not enforced",
    ]
    isolated = Sandbox("main", "shop-main", (), isolation="overlay", resources=Resources(disk=1))
    assert notes(plan_up(project(process("web"), sandboxes=[isolated]), MISSING)) == []
    timed = project(process("web"), sandboxes=[Sandbox("main", "shop-main", (), timeout=5)])
    assert notes(plan_up(timed, MISSING)) == ["sandbox main: `timeout` applies only in the cloud"]
    assert notes(plan_up(local, world(row("web")))) == []
    cloud = project(process("web"), sandboxes=[box], provider="tensorlake")
    assert notes(plan_up(cloud, MISSING)) == []


# Size.


def chain(length: int) -> Project:
    return project(*[process(f"p{n}", [f"p{n - 1}"] if n else []) for n in range(length)])


def test_a_long_chain_needs_no_deep_stack() -> None:
    found = plan_up(chain(3000), world())
    assert len(found.steps) == 3000
    assert found.steps[-1].after == (2999,)


def test_what_ended_well_but_was_to_continue_is_started_again() -> None:
    for restart in (ALWAYS, Restart(RestartPolicy.ON_FAILURE)):
        ended = row("web", Phase.EXITED, exit=GOOD)
        assert str(plan_up(project(process("web", restart=restart)), world(ended))) == (
            "1. start web: exited with code 0"
        )


def test_a_new_sandbox_is_kept_between_its_set_up_and_everything_else() -> None:
    setup = process("@setup1", restart=NEVER)
    shop = project(setup, process("web", [need("@setup1", COMPLETED)]), provider="tensorlake")
    shop = replace(shop, sandboxes=(replace(shop.sandboxes[0], setup_cache="snapshot"),))
    assert str(plan_up(shop, MISSING)) == lines(
        "1. create sandbox main: does not exist",
        "2. start setup:1, after 1: not running",
        "3. wait until setup:1 is completed, after 2: web needs it",
        "4. snapshot sandbox main, after 3: its set-up is done",
        "5. start web, after 4: not running",
    )
    found = plan_up(shop, Observed((replace(seen(state=SandboxState.MISSING), setup_snapshot="s1"),)))
    assert str(found) == lines(
        "1. create sandbox main: does not exist; its set-up is restored from a snapshot",
        "2. start setup:1, after 1: not running",
        "3. wait until setup:1 is completed, after 2: web needs it",
        "4. start web, after 3: not running",
    )
    assert [step.action.restored for step in found if isinstance(step.action, Start)] == [True, False]
    assert "snapshot" not in str(plan_up(shop, world())), "one that exists may hold more than its set-up"
    here = replace(shop, provider="local")
    assert [note.kind for note in plan_up(here, MISSING).notes] == ["local"]
    assert "snapshot sandbox" not in str(plan_up(here, MISSING)), "the project's directory is no copy"
