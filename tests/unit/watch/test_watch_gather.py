"""Single changes become batches; time is an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.watch.gather import LONGEST, ChangeKind, Gatherer, SeenChange
from sbxcompose.watch.rules import Root

ROOT = Root("/p/src", (), 0.05)
OTHER = Root("/p/lib", (), 0.05)
SLOW = Root("/p/slow", (), 5.0)


def seen(path: str, kind: ChangeKind = ChangeKind.CHANGED, root: Root = ROOT) -> list[SeenChange]:
    return [SeenChange(root, path, kind)]


def test_a_batch_is_due_once_it_has_been_quiet() -> None:
    gatherer = Gatherer()
    gatherer.add(seen("a"), 1.0)
    gatherer.add(seen("b"), 1.04)
    assert gatherer.due == 1.04 + 0.05
    assert gatherer.take(1.05) == {}
    assert gatherer.take(1.1) == {ROOT: ["a", "b"]}
    assert gatherer.due is None


def test_places_that_change_together_are_one_batch_unless_one_is_to_wait_longer() -> None:
    gatherer = Gatherer()
    gatherer.add([*seen("a"), *seen("s", root=SLOW)], 1.0)
    gatherer.add(seen("l", root=OTHER), 1.03)
    assert gatherer.take(1.09) == {ROOT: ["a"], OTHER: ["l"]}
    assert gatherer.due == 6.0


def test_what_is_never_quiet_is_handed_out_all_the_same() -> None:
    gatherer = Gatherer()
    for tick in range(300):
        gatherer.add(seen("a"), tick / 100)
    assert gatherer.due == LONGEST


def test_what_came_and_went_has_changed_nothing() -> None:
    gatherer = Gatherer()
    for kind in (ChangeKind.CREATED, ChangeKind.CHANGED, ChangeKind.DELETED):
        gatherer.add(seen("temporary", kind), 1.0)
    assert gatherer.take(2.0) == {}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([ChangeKind.CHANGED, ChangeKind.CREATED])), max_size=20)
)
def test_nothing_that_counts_is_lost_or_told_twice(changes: list[tuple[str, ChangeKind]]) -> None:
    gatherer = Gatherer()
    for number, (path, kind) in enumerate(changes):
        gatherer.add(seen(path, kind), number / 1000)
    told = gatherer.take(100.0).get(ROOT, [])
    assert sorted(told) == sorted({path for path, _ in changes})
    assert gatherer.take(200.0) == {}
