"""Which instances a command is about."""

from __future__ import annotations

from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.names import Target
from sbxcompose.plan.options import PlanOptions
from tests.unit.plan.plan_worlds import process, project

SHOP = project(process("db", replicas=2), process("web", ["db"], replicas=2), process("docs"))


def about(*targets: Target, no_deps: bool = False, rerun: tuple[Target, ...] = ()) -> list[str]:
    named = frozenset(targets) or None
    found = instances_in_scope(SHOP, PlanOptions(targets=named, no_deps=no_deps, rerun=frozenset(rerun)))
    return [f"{instance.process}.{instance.replica}" for instance in found]


def test_without_names_all_are_meant() -> None:
    assert about() == ["db.1", "db.2", "web.1", "web.2", "docs.1"]


def test_of_a_replica_only_that_and_all_that_it_needs() -> None:
    assert about(Target("main", "web", 2)) == ["db.1", "db.2", "web.2"]
    assert about(Target("main", "web", 2), no_deps=True) == ["web.2"]


def test_a_replica_of_what_another_needs_stands_for_all() -> None:
    assert about(Target("main", "web", 2), Target("main", "db", 1)) == ["db.1", "db.2", "web.2"]
    assert about(Target("main", "web", 2), Target("main", "db", 1), no_deps=True) == ["db.1", "web.2"]


def test_a_process_named_as_a_whole_and_by_a_replica_is_whole() -> None:
    assert about(Target("main", "web"), Target("main", "web", 2), no_deps=True) == ["web.1", "web.2"]
