"""Copying into a sandbox is a step of the plan, before everything else that happens in it."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.plan.copies import ToCopy
from sbxcompose.plan.observed import Observed, ObservedSandbox, SandboxState
from tests.support.plans import plan_down, plan_restart, plan_up
from tests.unit.plan.plan_worlds import V2, process, project, row, world

TWO = ToCopy(files=2, deleted=1, size=7, names=("a.py", "b.py", "c.py"))


def copying(observed: Observed, to_copy: ToCopy = TWO) -> Observed:
    return Observed(tuple(replace(sandbox, to_copy=to_copy) for sandbox in observed.sandboxes))


def test_it_comes_before_stops_and_starts() -> None:
    shop = project(process("web", digest=V2), process("job"))
    assert str(plan_up(shop, copying(world(row("web"))))) == (
        "1. sync main: 2 files changed, 1 file deleted (a.py, b.py, c.py)\n"
        "2. stop web, after 1: definition changed\n"
        "3. start web, after 2: definition changed\n"
        "4. start job, after 1: not running"
    )


def test_a_new_sandbox_is_made_first() -> None:
    missing = Observed((ObservedSandbox("main", SandboxState.MISSING, to_copy=TWO),))
    first, second, third = plan_up(project(process("web")), missing)
    assert (first.title, second.title, third.title) == ("create sandbox main", "sync main", "start web")
    assert (second.after, third.after) == ((1,), (2,))


def test_files_alone_restart_nothing() -> None:
    found = plan_up(project(process("web")), copying(world(row("web"))))
    assert [step.title for step in found] == ["sync main"]
    assert found.summary == "1 to copy into, 1 unchanged"
    assert found.to_json()["counts"]["copy"] == 1


def test_restart_copies_and_down_does_not() -> None:
    shop, seen = project(process("web")), copying(world(row("web")))
    assert [step.title for step in plan_restart(shop, seen)] == ["sync main", "stop web", "start web"]
    assert "sync" not in str(plan_down(shop, seen))


def test_what_is_to_be_copied_in_words() -> None:
    assert str(ToCopy(files=1, names=("a",))) == "1 file changed (a)"
    assert str(ToCopy(files=3, modes=9, names=("a", "b"))) == "12 files changed (a, b, …)"
    assert str(ToCopy(folders=2, names=("d", "e"))) == "2 folders changed (d, e)"
    assert str(ToCopy(deleted=2, folders=1, names=("a", "b"))) == "2 files deleted, 1 folder changed (a, b)"
