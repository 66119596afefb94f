"""How long a bring-up took: starts, readiness, what each waited for, and the critical path."""

from __future__ import annotations

import pytest

from sbxcompose.plan.observed import Instance
from sbxcompose.plan.timings import Moments, Timings, timings
from tests.unit.plan.plan_worlds import CHECK, COMPLETED, NEVER, STARTED, need, process, project

DB, CACHE, MIGRATE, WEB, WORKER = (Instance("main", name) for name in ("db", "cache", "migrate", "web", "worker"))
SHOP = project(
    process("db", check=CHECK),
    process("cache", check=CHECK),
    process("migrate", ["db"], restart=NEVER),
    process("web", [need("migrate", COMPLETED), "cache"], check=CHECK),
    process("worker", [need("cache", STARTED)]),
)
SEEN = {
    DB: Moments(100.5, 103.5),
    CACHE: Moments(100.6, 101.0),
    MIGRATE: Moments(103.6, 105.1),
    WEB: Moments(105.2, 107.2),
    WORKER: Moments(100.7),
}


def parts(found: Timings) -> list[tuple[str, float | None]]:
    return [(part.label, None if part.seconds is None else round(part.seconds, 3)) for part in found.path]


def test_the_critical_path_is_what_was_fulfilled_last_and_adds_up() -> None:
    found = timings(SHOP, SEEN, 100.0)
    assert parts(found) == [("db", 3.1), ("migrate", 1.6), ("web", 2.0)]
    assert round(found.total, 3) == 7.2
    assert round(0.5 + sum(part.seconds or 0 for part in found.path), 3) == 7.2
    assert not any(part.settling for part in found.path)


def test_each_instance_in_the_order_of_starts_with_what_it_waited_for() -> None:
    rows = [(timing.label, round(timing.started, 3), timing.after) for timing in timings(SHOP, SEEN, 100.0).all]
    assert rows == [
        ("db", 0.5, None),
        ("cache", 0.6, None),
        ("worker", 0.7, "cache"),
        ("migrate", 3.6, "db"),
        ("web", 5.2, "migrate"),
    ]


def test_without_a_check_a_process_is_ready_after_a_second_but_blocks_nothing() -> None:
    shop = project(process("db"), process("web", ["db"]))
    found = timings(shop, {DB: Moments(100.1), WEB: Moments(100.2)}, 100.0)
    assert parts(found) == [("db", 0.1), ("web", 1.0)]
    assert found.path[-1].settling
    assert round(found.total, 3) == 1.2


def test_what_was_not_ready_has_no_time() -> None:
    found = timings(SHOP, {DB: SEEN[DB], MIGRATE: Moments(103.6)}, 100.0)
    assert parts(found) == [("db", 3.1), ("migrate", None)]
    assert found.all[-1].took is None
    assert found.to_json()["processes"][-1]["ready"] is None


def test_a_need_whose_readiness_was_not_seen_was_ready_by_the_start_of_what_waited() -> None:
    found = timings(SHOP, {DB: Moments(100.5), MIGRATE: Moments(103.6, 105.1)}, 100.0)
    assert parts(found) == [("db", 3.1), ("migrate", 1.5)]


def test_what_ran_already_or_is_not_in_the_file_is_left_out() -> None:
    found = timings(SHOP, {WEB: SEEN[WEB], Instance("main", "gone"): Moments(1.0)}, 100.0)
    assert [timing.label for timing in found.all] == ["web"]
    assert not timings(SHOP, {}, 100.0)
    assert timings(SHOP, {}, 100.0).to_json() == {"seconds": 0.0, "processes": [], "critical_path": []}


def test_what_was_not_ready_when_a_bring_up_failed_never_was() -> None:
    shop = project(process("db"), process("web", ["db"], check=CHECK))
    seen = {DB: Moments(100.0), WEB: Moments(100.1, 100.4)}
    at = {failed_at: timings(shop, seen, 100.0, failed_at).all for failed_at in (None, 100.5, 101.5)}
    assert {failed_at: [timing.ready for timing in every] for failed_at, every in at.items()} == {
        None: [1.0, pytest.approx(0.4)], 100.5: [None, pytest.approx(0.4)], 101.5: [1.0, pytest.approx(0.4)]
    }  # fmt: skip


def test_what_ended_took_as_long_as_it_ran() -> None:
    shop = project(process("tests", restart=NEVER), process("slow", restart=NEVER))
    tests, slow = Instance("main", "tests"), Instance("main", "slow")
    seen = {tests: Moments(100.0, ended=100.25), slow: Moments(100.1, ended=140.1)}
    found = timings(shop, seen, 100.0).all
    assert [(timing.ready, timing.lasted) for timing in found] == [
        (0.25, 0.25),
        (pytest.approx(1.1), pytest.approx(40.0)),
    ]
    assert [timing.ended for timing in timings(shop, seen, 100.0, 101.0).all] == [0.25, None]


def test_what_fails_before_it_is_stable_is_not_ready() -> None:
    shop = project(process("db"), process("cache"), process("worker"))
    seen = {
        DB: Moments(100.0, failed_early=True),
        CACHE: Moments(100.1, restarted=103.0),
        WORKER: Moments(100.2, ended=100.3, failed_early=True),
    }
    found = timings(shop, seen, 100.0).all
    assert [timing.ready for timing in found] == [None, 4.0, None]
    assert [timing.lasted for timing in found] == [None, pytest.approx(3.9), pytest.approx(0.1)]


def test_what_was_not_ready_when_a_bring_up_timed_out_has_cost_all_that_time() -> None:
    seen = {DB: Moments(100.5), CACHE: SEEN[CACHE]}
    found = timings(SHOP, seen, 100.0, failed_at=103.0)
    assert parts(found) == [("db", 2.5)]
    assert found.path[-1].unready
    assert found.total == 3.0
    assert [(timing.took, timing.lasted) for timing in found.all] == [(None, 2.5), (pytest.approx(0.4),) * 2]


def test_what_failed_is_on_the_critical_path_and_not_what_was_still_starting() -> None:
    seen = {DB: SEEN[DB], MIGRATE: Moments(103.6, ended=103.7), CACHE: Moments(100.6)}
    found = timings(SHOP, seen, 100.0, failed_at=103.9)
    assert parts(found) == [("db", 3.1), ("migrate", 0.1)]
    assert [part.unready for part in found.path] == [False, True]
