"""Which commands may not go ahead because a need is in an inactive profile."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.errors import InactiveNeed
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Observed, Phase
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.profiles import check_profiles
from tests.support.plans import plan_up
from tests.unit.plan.plan_worlds import COMPLETED, FAILED, MISSING, NEVER, done, need, process, project, row, world

FOO = process("foo", profiles=("extra",))
SHOP = project(process("bar", ["foo"]), process("solo"), process("far", ["bar"]), inactive=[FOO, process("x", ["foo"])])

SOLO = Target("main", "solo")


def refused(observed: Observed = MISSING, *names: str, no_deps: bool = False) -> str | None:
    targets = frozenset(Target("main", name) for name in names) or None
    try:
        check_profiles(SHOP, observed, PlanOptions(targets=targets, no_deps=no_deps))
    except InactiveNeed as error:
        return error.message
    return None


def test_what_would_start_it_is_refused() -> None:
    words = "`bar` needs `foo`, whose profile (`extra`) is not active"
    assert refused() == refused(MISSING, "bar") == refused(MISSING, "far") == words


def test_the_hint_names_the_profile() -> None:
    with pytest.raises(InactiveNeed) as caught:
        check_profiles(SHOP, MISSING, PlanOptions())
    assert caught.value.hint is not None
    assert "`--profile extra`" in caught.value.hint


def test_what_does_not_need_it_is_not_concerned() -> None:
    assert refused(MISSING, "solo") is None
    assert refused(MISSING, "bar", no_deps=True) is None


def test_a_named_process_is_wanted_whatever_its_profile_with_its_needs() -> None:
    assert refused(MISSING, "bar", "foo") is None
    assert refused(MISSING, "x") is None


def test_a_need_that_runs_or_has_completed_is_there() -> None:
    assert refused(world(row("foo"))) is None
    assert refused(world(row("foo", Phase.EXITED, exit=FAILED))) is not None
    job = process("foo", restart=NEVER, profiles=("extra",))
    shop = project(process("bar", [need("foo", COMPLETED)]), inactive=[job])
    check_profiles(shop, world(done("foo")), PlanOptions())


def test_a_plan_notes_profiles_of_the_environment_that_no_process_has() -> None:
    plan = plan_up(replace(SHOP, unknown_profiles=("typo",)), MISSING, PlanOptions(targets=frozenset({SOLO})))
    assert [(note.kind, note.text) for note in plan.notes] == [
        ("profile", "SBXCOMPOSE_PROFILES: no process has the profile `typo`")
    ]
