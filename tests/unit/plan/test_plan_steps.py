"""Plans as JSON, summaries, and the names of things."""

from __future__ import annotations

import json

import pytest

from sbxcompose.errors import UnknownName, UnknownReplica, UsageError
from sbxcompose.plan.names import ProcessNames, Target, resolve_all
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, Phase
from sbxcompose.plan.options import PlanOptions
from tests.support.cases import each_case
from tests.support.plans import plan_down, plan_up
from tests.unit.plan.plan_worlds import CHECK, MISSING, V2, process, project, row, seen, world


def test_what_runs_and_is_not_in_the_file_has_a_name() -> None:
    observed = world(row("old"), row("web", replica=2), row("gone", Phase.EXITED))
    shop = project(process("web"))
    found = resolve_all(shop, ["old", "web.2", "main/old"], observed)
    assert found == frozenset({Target("main", "old"), Target("main", "web", 2)})
    for name in ("old", "web.2"):
        with pytest.raises(UnknownName):
            resolve_all(shop, [name])
    for name in ("gone", "web.3", "other/old"):
        with pytest.raises(UnknownName):
            resolve_all(shop, [name], observed)


def test_a_plan_as_json_has_all_that_a_program_wants() -> None:
    shop = project(process("db", check=CHECK), process("web", ["db"], digest=V2, replicas=2))
    found = plan_up(shop, world(row("db", check=True), row("web")))
    as_json = json.loads(json.dumps(found.to_json()))
    assert as_json["empty"] is False
    assert as_json["counts"] == {"copy": 0, "start": 1, "replace": 1, "stop": 0, "sandboxes": 0, "unchanged": 1}
    assert as_json["steps"][1] == {
        "number": 2,
        "action": "start",
        "subject": "web.1",
        "sandbox": "main",
        "process": "web",
        "replica": 1,
        "name": "web.22222222",
        "digest": "22222222",
        "run": None,
        "condition": None,
        "signal": None,
        "command": None,
        "grace": None,
        "copy": None,
        "reason": "definition changed",
        "after": [1],
    }


def test_every_action_has_the_same_keys() -> None:
    shop = project(process("db", check=CHECK), process("web", ["db"]), provider="tensorlake")
    steps = [
        *plan_up(shop, MISSING),
        *plan_down(shop, world(row("web"))),
        *plan_down(shop, world(row("web")), PlanOptions(terminate=True)),
    ]
    as_json = [step.to_json() for step in steps]
    assert {item["action"] for item in as_json} == {
        "create", "start", "await", "stop", "suspend", "terminate"
    }  # fmt: skip
    assert len({tuple(item) for item in as_json}) == 1
    wait = next(item for item in as_json if item["action"] == "await")
    assert (wait["process"], wait["name"], wait["condition"]) == ("db", "db.11111111", "ready")
    stop = next(item for item in as_json if item["action"] == "stop")
    assert (stop["name"], stop["signal"], stop["grace"], stop["run"]) == ("web.11111111", 15, 10.0, 1)
    create = next(item for item in as_json if item["action"] == "create")
    assert (create["sandbox"], create["name"], create["process"]) == ("main", "shop-main", None)


def test_notes_are_for_programs_too() -> None:
    found = plan_up(project(process("web")), world(row("web"), row("old")))
    assert found.to_json()["notes"] == [
        {
            "kind": "orphan",
            "sandbox": "main",
            "text": "old is not in the file; `--remove-orphans` stops it",
        }
    ]


@each_case(
    "rows, summary",
    [
        ([row("a"), row("b"), row("c")], "nothing to do, 3 unchanged"),
        ([row("a"), row("b", digest=V2)], "1 to start, 1 to replace, 1 unchanged"),
        ([row("a"), row("b"), row("c"), row("c", replica=2)], "1 to stop, 3 unchanged"),
        ([], "3 to start"),
    ],
)
def test_a_summary_in_one_line(rows: list[ObservedRow], summary: str) -> None:
    shop = project(process("a"), process("b"), process("c"))
    assert plan_up(shop, world(*rows)).summary == summary


def test_the_summary_counts_sandboxes() -> None:
    assert plan_up(project(process("a")), MISSING).summary == "1 sandbox to change, 1 to start"
    two = project(process("a"), process("b", sandbox="other"))
    assert plan_up(two, MISSING).summary == "2 sandboxes to change, 2 to start"


# Names.

SHOP = project(
    process("web", sandbox="app", replicas=2),
    process("web", sandbox="admin"),
    process("db", sandbox="app"),
    inactive=[process("debug", sandbox="app")],
)


@each_case(
    "text, target",
    [
        ("db", Target("app", "db")),
        ("app/db", Target("app", "db")),
        ("app/web", Target("app", "web")),
        ("app/web.2", Target("app", "web", 2)),
        ("admin/web.1", Target("admin", "web", 1)),
        ("web.2", Target("app", "web", 2)),
        ("debug", Target("app", "debug")),
    ],
)
def test_people_name_processes_as_short_as_they_can(text: str, target: Target) -> None:
    assert ProcessNames(SHOP).resolve(text) == target


@each_case(
    "text,hint",
    [
        ("wbe", "did you mean `admin/web` or `app/web`?"),
        ("app/wbe", "did you mean `app/web`?"),
        ("ap/web.2", "did you mean `admin/web` or `app/web`?"),
        ("nowhere/db", "did you mean `db`?"),
        ("nowhere/db.2", "did you mean `db`?"),
        ("", "the name is empty: is a variable of the shell not set?"),
        (".", "the file defines `admin/web`, `app/web`, `db`, `debug`"),
        ("/", "the file defines `admin/web`, `app/web`, `db`, `debug`"),
    ],
)
def test_unknown_names_are_answered_with_similar_ones_or_all(text: str, hint: str) -> None:
    with pytest.raises(UnknownName) as caught:
        ProcessNames(SHOP).resolve(text)
    assert caught.value.hint == hint


def test_what_runs_and_is_not_in_the_file_is_suggested_too() -> None:
    names = ProcessNames(SHOP, Observed((seen(row("legacy"), name="app"),)))
    with pytest.raises(UnknownName) as caught:
        names.resolve("legcy")
    assert caught.value.hint == "did you mean `legacy`?"


@each_case("text", ["db.2", "app/db.2", "db.0", "db.", "db.x", "db.²", "db." + "9" * 5000])
def test_replicas_that_do_not_exist_are_answered_with_how_many_do(text: str) -> None:
    with pytest.raises(UnknownReplica) as caught:
        ProcessNames(SHOP).resolve(text)
    assert "db` has one replica in the file" in (caught.value.hint or "")
    with pytest.raises(UnknownReplica, match=r"no replica named `app/web.9`"):
        ProcessNames(SHOP).resolve("app/web.9")


def test_a_name_in_two_sandboxes_has_to_be_distinguished() -> None:
    with pytest.raises(UsageError) as caught:
        ProcessNames(SHOP).resolve("web")
    assert caught.value.hint == "say which one: `app/web` and `admin/web`"


def test_a_big_file_is_not_recited() -> None:
    big = project(*[process(f"worker-{n}") for n in range(30)], process("frontend"))
    with pytest.raises(UnknownName) as caught:
        ProcessNames(big).resolve("fronted")
    assert caught.value.hint == "did you mean `frontend`?"
    with pytest.raises(UnknownName) as caught:
        ProcessNames(big).resolve("quux")
    assert caught.value.hint is None


def test_no_names_mean_all() -> None:
    assert resolve_all(SHOP, []) is None
    both = frozenset({Target("app", "db"), Target("app", "web")})
    assert resolve_all(SHOP, ["db", "app/web"]) == both


@each_case(
    "instance, label",
    [
        (Instance("app", "db"), "db"),
        (Instance("app", "web"), "app/web.1"),
        (Instance("app", "web", 2), "app/web.2"),
        (Instance("admin", "web"), "admin/web"),
        (Instance("app", "old"), "app/old"),
    ],
)
def test_labels(instance: Instance, label: str) -> None:
    orphans = Observed((seen(row("old", sandbox="app"), name="app"), seen(row("old"), name="admin")))
    assert ProcessNames(SHOP, orphans).instance(instance) == label
