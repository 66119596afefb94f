"""What `down`, `stop`, `start` and `restart` plan."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.plan.diff import plan
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Foreign, Instance, LeftSandbox, Observed, Phase, SandboxState, StartFailure
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, Stop
from sbxcompose.spec.project import Project, StopPolicy
from tests.support.plans import plan_down, plan_restart, plan_start, plan_stop, plan_up
from tests.unit.plan.plan_worlds import (
    CHECK,
    COMPLETED,
    FAILED,
    MISSING,
    NEVER,
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

DB = process("db", check=CHECK)
WEB = process("web", ["db"])
SHOP = project(DB, WEB)
CLOUD = project(DB, WEB, provider="tensorlake")
RUNNING = world(row("db", check=True), row("web"))


def in_state(state: SandboxState) -> Observed:
    return Observed((replace(RUNNING.sandboxes[0], state=state),))


# down


def one_off(name: str | None, pid: int = 9) -> Foreign:
    return Foreign("main", pid, None, ("sh",), True, None if name is None else Instance("main", name))


def test_down_ends_one_off_commands_before_what_their_process_needs() -> None:
    observed = Observed((seen(*RUNNING.sandboxes[0].rows, foreign=[one_off("web"), one_off("gone", 8)]),))
    found = plan_down(SHOP, observed)
    assert str(found) == lines(
        "1. stop one-off command of gone (pid 8): down was asked for",
        "2. stop web: down was asked for",
        "3. stop one-off command of web (pid 9): down was asked for",
        "4. stop db, after 2, 3: down was asked for",
    )
    assert notes(found) == []
    assert found.to_json()["steps"][2]["command"] == ["sh"]


def test_the_end_of_up_leaves_the_commands_of_other_terminals_alone() -> None:
    other = replace(one_off("web"), attached=True)
    observed = Observed((seen(foreign=[other]),))
    assert plan_down(SHOP, observed).empty
    assert [step.title for step in plan_down(SHOP, observed, PlanOptions(attached=True))] == [
        "stop one-off command of web (pid 9)"
    ]


def test_down_ends_one_off_commands_before_a_sandbox_in_the_cloud_is_suspended() -> None:
    assert str(plan_down(CLOUD, Observed((seen(foreign=[one_off("web")]),)))) == lines(
        "1. stop one-off command of web (pid 9): down was asked for",
        "2. suspend sandbox main, after 1: down was asked for",
    )


def test_down_of_names_and_stop_leave_one_off_commands_alone() -> None:
    observed = Observed((seen(row("web"), foreign=[one_off("web"), one_off(None)]),))
    assert str(plan_down(SHOP, observed, targets("web"))) == "1. stop web: down was asked for"
    assert str(plan_stop(SHOP, observed)) == "1. stop web: stop was asked for"


def test_down_stops_dependents_first() -> None:
    assert str(plan_down(SHOP, RUNNING)) == lines(
        "1. stop web: down was asked for", "2. stop db, after 1: down was asked for"
    )


def test_down_suspends_a_sandbox_in_the_cloud() -> None:
    assert str(plan_down(CLOUD, RUNNING)) == lines(
        "1. stop web: down was asked for",
        "2. stop db, after 1: down was asked for",
        "3. suspend sandbox main, after 1, 2: down was asked for",
    )


@pytest.mark.parametrize("shop", [SHOP, CLOUD])
def test_down_ends_a_sandbox_only_when_asked(shop: Project) -> None:
    found = plan_down(shop, RUNNING, PlanOptions(terminate=True))
    assert str(found.steps[-1]) == "3. terminate sandbox main, after 1, 2: down --terminate was asked for"


def test_down_where_nothing_is_does_nothing() -> None:
    gone = Observed((seen(state=SandboxState.TERMINATED),))
    for observed in (MISSING, gone):
        for chosen in (PlanOptions(), PlanOptions(terminate=True)):
            assert plan_down(CLOUD, observed, chosen).empty


def test_down_resumes_a_suspended_sandbox_in_the_cloud_and_suspends_it_again() -> None:
    assert str(plan_down(CLOUD, in_state(SandboxState.SUSPENDED))) == lines(
        "1. resume sandbox main: is suspended",
        "2. stop web, after 1: down was asked for",
        "3. stop db, after 1, 2: down was asked for",
        "4. suspend sandbox main, after 2, 3: down was asked for",
    )


def test_what_completed_in_a_suspended_sandbox_gets_the_mark_of_a_down() -> None:
    jobs = project(process("job", restart=NEVER), provider="tensorlake")
    observed = Observed((seen(done("job"), state=SandboxState.SUSPENDED),))
    assert str(plan_down(jobs, observed)) == lines(
        "1. resume sandbox main: is suspended",
        "2. reset completed one-shots in main, after 1: down was asked for",
        "3. suspend sandbox main, after 2: down was asked for",
    )


def test_terminate_does_not_resume_a_suspended_sandbox() -> None:
    ended = plan_down(CLOUD, in_state(SandboxState.SUSPENDED), PlanOptions(terminate=True))
    assert str(ended) == "1. terminate sandbox main: down --terminate was asked for"


def test_down_resumes_a_suspended_sandbox_on_this_machine_to_stop_what_is_in_it() -> None:
    assert str(plan_down(SHOP, in_state(SandboxState.SUSPENDED))) == lines(
        "1. resume sandbox main: is suspended",
        "2. stop web, after 1: down was asked for",
        "3. stop db, after 1, 2: down was asked for",
    )


def test_a_suspended_sandbox_that_hides_its_processes_is_resumed_and_looked_into() -> None:
    hidden = Observed((replace(RUNNING.sandboxes[0], state=SandboxState.SUSPENDED, rows=()),))
    for found in (
        plan_down(SHOP, hidden),
        plan_down(CLOUD, hidden),
        plan_stop(SHOP, hidden),
        plan_stop(CLOUD, hidden, targets("web")),
    ):
        assert found.provisional
        assert str(found.sandboxes_first()) == "1. resume sandbox main: is suspended"
    assert plan_down(SHOP, hidden, PlanOptions(terminate=True)).steps[0].title == "terminate sandbox main"


def test_a_suspended_sandbox_without_targets_stays_suspended() -> None:
    hidden = Observed((replace(RUNNING.sandboxes[0], state=SandboxState.SUSPENDED, rows=()), seen(name="other")))
    shop = project(DB, WEB, process("api", sandbox="other"))
    assert plan_stop(shop, hidden, PlanOptions(targets=frozenset({Target("other", "api")}))).empty


def test_down_suspends_a_sandbox_that_is_still_being_made() -> None:
    assert str(plan_down(CLOUD, in_state(SandboxState.PENDING))) == ("1. suspend sandbox main: down was asked for")


def test_down_stops_what_its_profile_no_longer_wants() -> None:
    shop = project(process("web"), inactive=[process("debug", ["web"])])
    found = plan_down(shop, world(row("web"), row("debug")))
    assert [step.subject for step in found] == ["debug", "web"]


def test_down_stops_surplus_replicas_and_doubles() -> None:
    observed = world(row("web"), row("web", digest=V2), row("web", replica=4))
    assert len(plan_down(project(process("web")), observed).steps) == 3


def test_down_leaves_orphans_unless_asked() -> None:
    observed = world(row("web"), row("old"))
    shop = project(process("web"))
    assert str(plan_down(shop, observed)) == "1. stop web: down was asked for"
    assert notes(plan_down(shop, observed)) == ["old is not in the file; `--remove-orphans` stops it"]
    assert str(plan_down(shop, observed, PlanOptions(remove_orphans=True))) == lines(
        "1. stop old: not in the file", "2. stop web: down was asked for"
    )


def test_orphans_and_foreign_processes_end_with_their_sandbox() -> None:
    shell = Foreign("main", 7, None, ("sh",), running=True)
    observed = Observed((seen(row("old"), foreign=[shell]),))
    found = plan_down(project(process("web")), observed, PlanOptions(terminate=True))
    assert str(found) == lines(
        "1. stop old: not in the file",
        "2. terminate sandbox main, after 1: down --terminate was asked for",
    )
    assert notes(found) == ["sandbox main: 1 process that was not started from the file, ends with it"]


def test_stops_are_ordered_across_processes_that_are_not_running() -> None:
    shop = project(process("db"), process("migrate", ["db"]), process("web", ["migrate"]))
    assert str(plan_down(shop, world(row("db"), done("migrate"), row("web")))) == lines(
        "1. stop web: down was asked for",
        "2. stop db, after 1: down was asked for",
        "3. reset completed one-shots in main, after 1, 2: down was asked for",
    )
    assert str(plan_stop(shop, world(row("db"), done("migrate"), row("web")))) == lines(
        "1. stop web: stop was asked for", "2. stop db, after 1: stop was asked for"
    )


# What down ends.


def titles(plan: Plan) -> list[str]:
    return [step.title for step in plan]


def test_down_forgets_what_has_completed_and_what_may_complete_while_it_is_stopped() -> None:
    shop = project(process("job", restart=NEVER), process("web"))
    assert titles(plan_down(shop, world(row("web")))) == ["stop web"]
    assert titles(plan_down(shop, world(done("job")))) == ["reset completed one-shots in main"]
    in_flight = world(row("job", one_shot=True))
    assert titles(plan_down(shop, in_flight)) == ["stop job", "reset completed one-shots in main"]
    failed = world(row("job", Phase.EXITED, exit=FAILED, one_shot=True))
    assert plan_down(shop, failed).empty


def test_only_a_whole_down_forgets() -> None:
    shop = project(process("job", restart=NEVER), process("web"))
    here = world(done("job"), row("web"))
    assert titles(plan_down(shop, here, targets("web"))) == ["stop web"]
    assert titles(plan_stop(shop, here)) == ["stop web"]
    assert titles(plan_down(shop, here, PlanOptions(terminate=True))) == ["stop web", "terminate sandbox main"]


def test_set_up_commands_stay_completed_as_long_as_their_sandbox() -> None:
    shop = project(process("@setup1", restart=NEVER), process("web", [need("@setup1", COMPLETED)]))
    assert titles(plan_down(shop, world(done("@setup1"), row("web")))) == ["stop web"]


def test_in_the_cloud_down_forgets_before_the_sandbox_is_suspended() -> None:
    shop = project(process("job", restart=NEVER), provider="tensorlake")
    assert str(plan_down(shop, world(done("job")))) == lines(
        "1. reset completed one-shots in main: down was asked for",
        "2. suspend sandbox main, after 1: down was asked for",
    )


def test_what_ended_before_the_last_down_does_not_count() -> None:
    shop = project(process("job", restart=NEVER), process("web", [need("job", COMPLETED)]))
    past = world(replace(done("job"), past=True), replace(row("web", Phase.STOPPED), past=True))
    assert plan_down(shop, past).empty
    assert str(plan_up(shop, past)) == lines(
        "1. start job: not running",
        "2. wait until job is completed, after 1: web needs it",
        "3. start web, after 2: was stopped",
    )


def test_a_dead_hub_between_many_costs_no_square_of_arrows() -> None:
    below = [process(f"low{n}") for n in range(300)]
    hub = process("hub", [item.name for item in below])
    above = [process(f"top{n}", ["hub"]) for n in range(300)]
    live = [row(item.name) for item in [*below, *above]]
    found = plan_down(project(*below, hub, *above), world(*live))
    assert sum(len(step.after) for step in found) < 1000
    tops = {step.number for step in found if step.subject.startswith("top")}
    assert all(number > max(tops) for number in range(1, 601) if number not in tops)


def test_a_long_chain_stops_without_a_deep_stack() -> None:
    shop = project(*[process(f"p{n}", [f"p{n - 1}"] if n else []) for n in range(3000)])
    found = plan_down(shop, world(*[row(f"p{n}") for n in range(3000)]))
    assert found.steps[0].subject == "p2999"
    assert found.steps[-1].after == (2999,)


# stop


def test_stop_touches_the_targets_alone() -> None:
    assert str(plan_stop(SHOP, RUNNING, targets("db"))) == "1. stop db: stop was asked for"
    assert str(plan_down(SHOP, RUNNING, targets("db"))) == "1. stop db: down was asked for"


def test_stop_leaves_the_sandbox_as_it_is() -> None:
    assert [step.title for step in plan_stop(CLOUD, RUNNING)] == ["stop web", "stop db"]
    assert plan_stop(SHOP, world(row("web", Phase.STOPPED))).empty


def test_stop_can_mean_one_replica_and_another_grace() -> None:
    two = row("web", replica=2)
    shop = project(process("web", replicas=2, stop=StopPolicy(3, 7)))
    chosen = PlanOptions(targets=frozenset({Target("main", "web", 2)}))
    [step] = plan_stop(shop, world(row("web"), two), chosen)
    assert step.subject == "web.2"
    assert step.action == Stop(two, 3, 7)
    [step] = plan_stop(shop, world(row("web"), two), replace(chosen, grace=0.0))
    assert step.action == Stop(two, 3, 0)


def test_a_reason_can_be_given() -> None:
    [step, _] = plan_stop(SHOP, RUNNING, PlanOptions(because="Ctrl-C"))
    assert str(step) == "1. stop web: Ctrl-C"


# start


def test_start_starts_what_is_not_running_and_what_it_needs() -> None:
    assert [step.title for step in plan_start(SHOP, world(), targets("web"))] == [
        "start db",
        "wait until db is ready",
        "start web",
    ]
    assert plan_start(SHOP, RUNNING).empty


def test_start_leaves_an_older_definition_running() -> None:
    found = plan_start(project(process("web", digest=V2)), world(row("web")), targets("web"))
    assert found.empty
    assert notes(found) == ["web runs an older definition; `sbxcompose up web` replaces it"]


def test_start_runs_completed_work_again_only_if_it_is_named() -> None:
    job = process("job", restart=NEVER)
    for_web = plan_start(project(job, process("web", ["job"])), world(done("job"), row("web")), targets("job"))
    assert for_web.empty
    named = PlanOptions(targets=targets("job").targets, rerun=targets("job").targets or frozenset())
    assert str(plan_start(project(job), world(done("job")), named)) == "1. start job: named, so it runs again"


def test_start_of_the_dependents_of_a_job_replaces_its_older_definition() -> None:
    job = process("job", restart=NEVER, digest=V2)
    shop = project(job, process("web", [need("job", COMPLETED)]))
    assert [step.title for step in plan_start(shop, world(row("job", one_shot=True)), targets("web"))] == [
        "stop job",
        "start job",
        "wait until job is completed",
        "start web",
    ]


# restart


def test_restart_gives_the_target_a_new_run_of_its_present_definition() -> None:
    [_, step] = plan_restart(project(process("web", digest=V2)), world(row("web")), targets("web"))
    assert str(step) == "2. start web, after 1: restart was asked for"
    assert step.to_json()["digest"] == V2


def test_restart_starts_what_is_not_running() -> None:
    assert str(plan_restart(SHOP, world(row("db", check=True)), targets("web"))) == ("1. start web: not running")


def test_restart_leaves_the_needs_alone() -> None:
    shop = project(replace(DB, digest=V2), WEB)
    assert [step.title for step in plan_restart(shop, RUNNING, targets("web"))] == ["stop web", "start web"]


def test_restart_of_everything_keeps_the_order() -> None:
    assert str(plan_restart(SHOP, RUNNING)) == lines(
        "1. stop web: restart was asked for",
        "2. stop db, after 1: restart was asked for",
        "3. start db, after 2: restart was asked for",
        "4. wait until db is ready, after 3: web needs it",
        "5. start web, after 1, 4: restart was asked for",
    )


def test_restart_runs_completed_work_again_only_when_it_is_named() -> None:
    shop = project(process("job", restart=NEVER))
    assert plan_restart(shop, world(done("job"))).empty
    found = plan_restart(shop, world(done("job")), targets("job"))
    assert str(found) == "1. start job: restart was asked for"


def test_a_changed_file_is_the_reason_of_a_restart() -> None:
    chosen = replace(targets("web"), because="site/index.html changed")
    assert str(plan_restart(SHOP, RUNNING, chosen)) == lines(
        "1. stop web: site/index.html changed", "2. start web, after 1: site/index.html changed"
    )


def test_restart_of_one_replica_follows_with_all_replicas_of_dependents() -> None:
    web = process("web", [need("db", restart=True)], replicas=2)
    shop = project(process("db", replicas=2), web)
    observed = world(*[row(name, replica=n) for name in ("db", "web") for n in (1, 2)])
    chosen = PlanOptions(targets=frozenset({Target("main", "db", 2)}))
    assert [step.title for step in plan_restart(shop, observed, chosen)] == [
        "stop web.1",
        "stop web.2",
        "stop db.2",
        "start db.2",
        "start web.1",
        "start web.2",
    ]


def test_a_dependent_that_follows_from_outside_brings_what_it_needs() -> None:
    web = process("web", [need("db", restart=True), "cache"])
    shop = project(process("db"), process("cache"), web)
    observed = world(row("db"), row("web"), row("cache", Phase.EXITED, exit=FAILED))
    found = plan_restart(shop, observed, targets("db"))
    assert [step.title for step in found] == ["start cache", "stop web", "stop db", "start db", "start web"]
    assert found.steps[-1].after == (1, 2, 4)


def test_every_command_is_planned_the_same_way() -> None:
    for intent, function in (
        (Intent.UP, plan_up),
        (Intent.DOWN, plan_down),
        (Intent.START, plan_start),
        (Intent.STOP, plan_stop),
        (Intent.RESTART, plan_restart),
    ):
        assert function(SHOP, RUNNING) == plan(SHOP, RUNNING, intent)


def test_orphans_are_stopped_by_name() -> None:
    observed = world(row("web"), row("old"), row("older"))
    for found in (plan_stop(SHOP, observed, targets("old")), plan_down(SHOP, observed, targets("old"))):
        assert [step.title for step in found] == ["stop old"]
    both = plan_stop(SHOP, observed, targets("old", "web"))
    assert [step.title for step in both] == ["stop old", "stop web"]


def test_down_marks_where_a_start_has_failed() -> None:
    failure = StartFailure(Instance("main", "web"), V2, ("web",), "/", "no such file", 1.0)
    observed = Observed((replace(seen(), failures=(failure,)),))
    assert str(plan_down(SHOP, observed)) == "1. reset completed one-shots in main: down was asked for"


def test_down_in_the_cloud_says_what_may_cost() -> None:
    kept = [str(note) for note in plan_down(CLOUD, world(row("db"), row("web"))).notes if note.kind == "kept"]
    assert kept == ["sandbox main stays suspended, which may cost; `sbxcompose down --terminate` ends it"]
    for gone in (
        plan_down(CLOUD, MISSING),
        plan_down(CLOUD, world(row("db")), PlanOptions(terminate=True)),
        plan_stop(CLOUD, world(row("db"))),
    ):
        assert not [note for note in gone.notes if note.kind == "kept"]
    assert not [note for note in plan_down(SHOP, world(row("db"))).notes if note.kind == "kept"]


# -- sandboxes that the file no longer has -----------------------------------------------------------------


def test_sandboxes_that_the_file_no_longer_has_are_reported_or_taken_down() -> None:
    gone = LeftSandbox("old", "shop-old", "local", 2)
    moved = LeftSandbox("app", "shop-app", "tensorlake", None, moved_to="local")
    observed = replace(world(), left=(gone, moved))
    shop = project(process("web"))
    told = [
        "sandbox old is not in the file, and still runs 2 processes at local; "
        "`sbxcompose down --remove-orphans` stops it",
        "sandbox app may still exist at tensorlake, and the file has it at local now; "
        "`--provider tensorlake down --terminate` ends it",
    ]
    for up in (plan_up(shop, observed), plan_up(shop, observed, PlanOptions(remove_orphans=True))):
        assert [note.text for note in up.notes if note.kind == "left"] == told
        assert up.left == ()
    assert [note.text for note in plan_down(shop, observed).notes] == told
    assert plan_down(shop, observed).left == ()
    down = plan_down(shop, observed, PlanOptions(remove_orphans=True))
    assert (down.notes, down.left) == ((), (gone, moved))
    one = plan_down(shop, observed, PlanOptions(remove_orphans=True, targets=frozenset([Target("main", "web")])))
    assert (one.notes, one.left) == ((), ())
