"""What was not started because something before it failed, in words."""

from __future__ import annotations

from sbxcompose.cli.view.held_up import held_up
from sbxcompose.engine.down_mark import words
from sbxcompose.engine.result import HeldUp, Result
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Start, Step
from tests.unit.plan.plan_worlds import process


def start(name: str) -> Step:
    return Step(1, Start(process(name), Instance("main", name), f"{name}.1"), name, "changed")


def test_what_could_not_be_stopped_is_not_held_up_by_itself() -> None:
    assert held_up(Result(held_up=(HeldUp(start("web"), start("web")),))) == ["web was not started: still running"]


def test_what_others_hold_up_is_named_with_them() -> None:
    waiting = tuple(HeldUp(start(name), start("db")) for name in ("web", "db"))
    assert held_up(Result(held_up=waiting)) == ["web and db were not started: held up by db"]


def test_the_run_that_marks_a_down_is_not_shown_by_its_name() -> None:
    refused = "@down.00000000: @down.00000000 cannot be recorded: no space left on device"
    assert words(refused) == "`down` cannot be recorded: no space left on device"
