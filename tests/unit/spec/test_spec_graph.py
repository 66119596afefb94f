from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.spec.graph import dependency_order, find_cycles

GRAPHS = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4), max_size=13)


def test_needs_come_first_and_else_the_order_given() -> None:
    assert dependency_order({"web": ["db", "migrate"], "migrate": ["db"], "db": [], "log": []}) == [
        "db",
        "log",
        "migrate",
        "web",
    ]


def test_unknown_needs_do_not_count() -> None:
    assert dependency_order({"web": ["nobody"]}) == ["web"]


def test_a_cycle_is_shown_in_the_order_of_need() -> None:
    assert find_cycles({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}) == [["a", "b", "c"]]


def test_each_separate_cycle_is_found() -> None:
    assert find_cycles({"a": ["a"], "b": ["c"], "c": ["b"], "d": ["b"], "e": []}) == [["a"], ["b", "c"]]


def test_ten_thousand_in_a_row_are_put_in_order() -> None:
    chain = {number: [number + 1] for number in range(10_000)}
    assert dependency_order(chain)[0] == 9999
    assert find_cycles(chain | {10_000: [0]}) == [list(range(10_001))]


@given(GRAPHS)
def test_the_order_respects_every_need(needs: dict[int, list[int]]) -> None:
    order = dependency_order(needs)
    place = {key: number for number, key in enumerate(order)}
    assert len(place) == len(order)
    for key in order:
        assert all(place[need] < place[key] for need in needs[key] if need in needs)


@given(GRAPHS)
def test_there_is_a_cycle_exactly_if_something_is_left_out(needs: dict[int, list[int]]) -> None:
    cycles = find_cycles(needs)
    assert bool(cycles) == (len(dependency_order(needs)) < len(needs))
    for cycle in cycles:
        for key, need in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            assert need in needs[key]
