"""`depends_on` with `ended` and `required: false`; `autostart: false`; replicas that share a health check."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.plan.decisions import satisfies
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Exit, Instance, Phase
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.profiles import check_profiles
from sbxcompose.plan.why import Cause, why
from sbxcompose.spec.project import HealthCheck, Process
from tests.support.plans import plan_restart, plan_start, plan_up
from tests.unit.plan.plan_worlds import (
    ENDED,
    FAILED,
    GOOD,
    NEVER,
    V2,
    need,
    process,
    project,
    row,
    world,
)

LINT = process("lint", restart=NEVER)
REPORT = process("report", [need("lint", ENDED)])
CHECKS = project(LINT, REPORT)


def test_a_dependent_waits_for_the_end() -> None:
    running = world(row("lint", one_shot=True))
    assert str(plan_up(CHECKS, running)) == (
        "1. wait until lint is ended: report needs it\n2. start report, after 1: not running"
    )


def test_any_end_counts_except_a_stop_on_request() -> None:
    for end in (GOOD, FAILED, Exit(signal=9)):
        assert satisfies(row("lint", Phase.EXITED, exit=end, one_shot=True), ENDED, LINT, job=True)
    for phase in (Phase.STOPPED, Phase.RUNNING, Phase.BACKING_OFF):
        assert not satisfies(row("lint", phase, exit=FAILED, one_shot=True), ENDED, LINT, job=True)


def test_what_was_stopped_has_not_ended_by_itself() -> None:
    observed = world(row("lint", Phase.STOPPED, exit=FAILED, one_shot=True))
    assert str(plan_up(CHECKS, observed)) == (
        "1. start lint: was stopped\n2. wait until lint is ended, after 1: report needs it\n"
        "3. start report, after 2: not running"
    )


def test_the_end_of_an_older_definition_does_not_count() -> None:
    observed = world(row("lint", Phase.EXITED, exit=GOOD, one_shot=True, digest=V2))
    assert "wait until lint is ended" in str(plan_up(CHECKS, observed))


def test_what_is_not_required_is_waited_for_only_where_it_is_wanted() -> None:
    cache, web = process("cache", profiles=("cache",)), process("web", [need("cache", required=False)])
    assert str(plan_up(project(web, inactive=[cache]), world())) == "1. start web: not running"
    assert (
        str(plan_up(project(web, cache), world())) == "1. start cache: not running\n2. start web, after 1: not running"
    )


def test_an_inactive_profile_is_in_order_where_it_is_not_required() -> None:
    shop = project(process("web", [need("cache", required=False)]), inactive=[process("cache", profiles=("cache",))])
    check_profiles(shop, world(), PlanOptions())


def test_naming_both_gives_them_in_order() -> None:
    cache, web = process("cache", autostart=False), process("web", [need("cache", required=False)])
    shop = project(web, inactive=[cache])
    both = PlanOptions(targets=frozenset({Target("main", "web"), Target("main", "cache")}))
    assert str(plan_up(shop, world(), both)) == "1. start cache: not running\n2. start web, after 1: not running"


def test_an_unwanted_optional_need_blocks_nothing() -> None:
    shop = project(process("web", [need("cache", required=False)]), inactive=[process("cache", autostart=False)])
    found = why(shop, world(), Instance("main", "web"), 0)
    assert found.cause is Cause.NOT_STARTED


# -- autostart ---------------------------------------------------------------------------------------------

DEBUG = process("debug", autostart=False)
SHOP = project(process("web"), inactive=[DEBUG])


def test_what_does_not_start_by_itself_is_left_down() -> None:
    assert str(plan_up(SHOP, world(row("web")))) == ""
    assert str(plan_start(SHOP, world(row("web")))) == ""
    assert str(plan_restart(SHOP, world(row("web"), row("debug", Phase.STOPPED)))).count("debug") == 0


def test_once_it_runs_it_is_kept_as_the_file_says() -> None:
    old = world(row("web"), row("debug", digest=V2))
    assert str(plan_up(SHOP, old)) == ("1. stop debug: definition changed\n2. start debug, after 1: definition changed")
    assert str(plan_restart(SHOP, world(row("debug")))).count("debug") == 2


def test_why_says_that_it_waits_for_its_name() -> None:
    found = why(SHOP, world(row("web")), Instance("main", "debug"), 0)
    assert (found.cause, found.hint) == (Cause.INACTIVE, "`sbxcompose start debug` starts it")
    assert found.lines == ("debug is only started by name, or when another process needs it (`autostart: false`)",)


def test_a_crash_of_what_was_started_by_name_is_explained() -> None:
    found = why(SHOP, world(row("debug", Phase.EXITED, exit=FAILED, one_shot=True)), Instance("main", "debug"), 0)
    assert found.cause is Cause.FAILED


def test_a_description_follows_the_headline() -> None:
    shop = project(process("web", description="The web server"))
    found = why(shop, world(row("web")), Instance("main", "web"), 0)
    assert found.lines == ("web is running", "The web server", "it matches the file")


# -- ports of a Procfile -----------------------------------------------------------------------------------


def test_one_note_names_the_lines_of_a_procfile_that_get_no_port() -> None:
    def notes(*processes: Process, procfile: bool = True) -> list[str]:
        shop = replace(project(*processes), one_off=process("run") if procfile else None)
        return [note.text for note in plan_up(shop, world()).notes if note.kind == "port"]

    web = replace(process("web"), replica_env=((("PORT", "65535"),),))
    own = replace(process("own"), env=(("PORT", "80"),))
    assert notes(web, process("late")) == [
        "late gets no PORT: each line of a Procfile has 100 more than the one before, and ports end at 65535"
    ]
    (note,) = notes(replace(web, replicas=2), process("late"), own, process("@setup1"))
    assert note.startswith("web and 1 other get no PORT")
    assert notes(web, own) == []
    assert notes(process("late"), procfile=False) == []


# -- replicas ----------------------------------------------------------------------------------------------


def test_replicas_that_share_a_health_check_are_told_of_it() -> None:
    shared = process("web", check=HealthCheck("http", 8000), replicas=2)
    (note,) = [one_note for one_note in plan_up(project(shared), world()).notes if one_note.kind == "replicas"]
    assert note.text == (
        "web: its 2 replicas share the health check of port 8000: one that serves nothing counts as healthy; "
        "`port: 8000` gives each its own"
    )


def test_nothing_is_reported_where_each_has_its_own_or_nothing_starts() -> None:
    check = HealthCheck("http", 8000)
    silent = [
        (process("web", check=check, replicas=2, port=8000), world()),
        (process("web", check=check), world()),
        (process("web", check=check, replicas=2), world(row("web"), row("web", replica=2))),
    ]
    assert [plan_up(project(item), observed).notes for item, observed in silent] == [(), (), ()]
