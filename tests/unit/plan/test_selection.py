"""Names and patterns that select instances."""

from __future__ import annotations

import pytest

from sbxcompose.errors import UnknownName, UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.plan.selection import select
from sbxcompose.plan.targets import resolve_place
from sbxcompose.spec.scale import Scale
from tests.unit.plan.plan_worlds import process, project, row, seen

PROJECT = project(process("web", replicas=2), process("worker"), process("db"))
NAMES = ProcessNames(PROJECT)
OLD = Instance("main", "old")
WEB = [Instance("main", "web", replica) for replica in (1, 2)]
KNOWN = [*WEB, Instance("main", "worker"), Instance("main", "db"), OLD]


def selected(*texts: str) -> list[str]:
    return [NAMES.instance(instance) for instance in select(KNOWN, texts, NAMES, NAMES.instance)]


def test_names_patterns_and_orphans() -> None:
    assert selected("web") == ["web.1", "web.2"]
    assert selected("w*") == ["web.1", "web.2", "worker"]
    assert selected("*.2", "db") == ["web.2", "db"]
    assert selected("[dx]b") == ["db"]
    assert selected("main/w?rker") == ["worker"]
    assert selected("old") == ["old"]
    assert selected("web.2", "w*") == ["web.2", "web.1", "worker"], "each once"


def test_the_first_of_several_replicas_that_run_has_a_number_whatever_the_file_says() -> None:
    names = ProcessNames(project(process("web")), Observed((seen(row("web"), row("web", replica=2)),)))
    assert names.instance(Instance("main", "web")) == "web.1"
    names = ProcessNames(project(process("web")))
    names.include([Instance("main", "web", 2)])
    assert names.instance(Instance("main", "web")) == "web.1"


def test_a_setup_command_has_a_name_that_no_process_can_have() -> None:
    names = ProcessNames(project(process("@setup1"), process("@setup2"), process("web")))
    known = [Instance("main", name) for name in ("@setup1", "@setup2", "web")]

    def found(text: str) -> list[str]:
        return [names.instance(instance) for instance in select(known, [text], names, names.instance)]

    assert found("setup:2") == found("@setup2") == found("main/setup:2") == ["setup:2"]
    assert found("set*") == ["setup:1", "setup:2"]
    with pytest.raises(UnknownName) as caught:
        names.resolve("setup:3")
    assert caught.value.hint == "the file defines `setup:1`, `setup:2`, `web`"


def test_the_name_of_a_sandbox_is_answered_with_its_processes() -> None:
    shop = project(process("web"), process("db"), process("web", sandbox="ui"))
    with pytest.raises(UnknownName, match="no process named `main`") as caught:
        ProcessNames(shop).resolve("main")
    assert caught.value.hint == "`main` is a sandbox; its processes: `main/web`, `db`"
    with pytest.raises(UnknownName) as place:
        resolve_place(shop, "nope")
    assert place.value.hint == "the file defines `db`, `main`, `main/web`, `ui`, `ui/web`"
    with pytest.raises(UnknownName) as scaled:
        Scale({"nope": 2}, [("main", "web"), ("main", "db"), ("ui", "web")])
    assert scaled.value.hint == "the file defines `db`, `main/web`, `ui/web`"


def test_what_selects_nothing_is_an_error() -> None:
    with pytest.raises(UnknownName, match="no process named `wen`"):
        selected("wen")
    with pytest.raises(UsageError, match="no process matches `x\\*`"):
        selected("db", "x*")


def test_names_are_separated_by_blanks() -> None:
    with pytest.raises(UnknownName) as caught:
        ProcessNames(project(process("web"), process("db"))).resolve("web,db")
    assert caught.value.hint == "separate names by blanks"
