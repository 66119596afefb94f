"""Which processes get the streams, when there are more processes than streams."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.engine.contract.follow_places import (
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
    SILENT,
    TURN,
    FollowPlaces,
    PlaceDecision,
)


def entered(places: int, processes: int, now: float = 0.0) -> FollowPlaces:
    """So many places, and processes by numbers from 0 on."""
    found = FollowPlaces(places)
    for number in range(processes):
        found.enter(number, now)
    return found


def full(places: int, processes: int) -> FollowPlaces:
    """As `entered`; the first ones have all the places, and have come to what is new."""
    found = entered(places, 0)
    for number in range(processes):
        found.enter(number, 0.0)
        found.decide(0.0)
        found.caught_up(number, 0.0)
    return found


def test_each_has_a_stream_where_they_suffice() -> None:
    places = entered(3, 3)
    assert sorted(places.decide(0.0).granted) == [0, 1, 2]
    assert places.decide(100.0) == PlaceDecision()
    assert places.parked == 0


def test_there_are_never_more_streams_than_places() -> None:
    places = entered(2, 5)
    assert len(places.decide(0.0).granted) == 2
    assert places.parked == 3
    assert places.decide(100.0) == PlaceDecision()


def test_a_process_with_news_gets_the_place_of_the_one_silent_for_longest() -> None:
    places = full(2, 3)
    places.heard(1, 1.0, 1)
    places.heard(0, 3.0, 1)
    places.want(2)
    assert places.decide(4.0) == PlaceDecision((), (1,), None)
    assert places.decide(5.0) == PlaceDecision()  # its stream is not closed yet
    places.released(1, 5.0)
    assert places.decide(5.0) == PlaceDecision((2,))


def test_one_that_is_needed_no_longer_makes_room_without_taking_any_place() -> None:
    places = full(1, 2)
    places.heard(0, 9.9, 1)
    places.want(1)
    places.leave(0)
    assert places.decide(10.0) == PlaceDecision((1,))


def test_a_free_place_goes_to_the_one_that_has_written_last() -> None:
    places = full(1, 1)
    places.enter(1, 1.0)
    places.enter(2, 2.0)
    places.enter(3, 1.5)
    places.leave(0)
    assert places.decide(3.0).granted == (2,)


def test_what_is_urgent_comes_first() -> None:
    places = full(1, 3)
    places.want(1)
    places.want(2, urgent=True)
    assert places.decide(2.0).revoked == (0,)
    places.released(0, 2.0)
    assert places.decide(2.0).granted == (2,)


def test_where_all_write_they_take_turns() -> None:
    places = full(2, 3)
    places.want(2)
    for tenth in range(1, 15):
        for number in (0, 1):
            places.heard(number, tenth / 10, 1)
        assert places.decide(tenth / 10) == PlaceDecision((), (), min(TURN, tenth / 10 + SILENT))
    for number in (0, 1):
        places.heard(number, TURN, 1)
    assert places.decide(TURN).revoked == (0,)
    places.released(0, TURN)
    assert places.decide(TURN).granted == (2,)
    assert places.parked == 0, "one that has just written waits for its next turn"


def test_a_turn_is_not_ended_before_it_has_come_to_what_is_new() -> None:
    places = entered(1, 2)
    (holder,) = places.decide(0.0).granted
    other = 1 - holder
    places.want(other)
    for second in range(1, 60):
        places.heard(holder, float(second), 0)  # it repeats what is known
        assert places.decide(float(second)).revoked == ()
    places.heard(holder, 60.0, 1)
    places.heard(holder, 61.0, 1)
    assert places.decide(61.0).revoked == (), "the turn lasts as long as that was worth"
    for second in range(61, 180):
        places.heard(holder, float(second), 1)
    places.heard(holder, 180.0, 1)
    assert places.decide(180.0).revoked == (holder,)


def test_a_stream_that_never_comes_to_what_is_new_gets_longer_turns() -> None:
    places = full(1, 2)
    patience = []
    now = 10.0
    for _ in range(3):
        places.want(1)
        assert places.decide(now).revoked == (0,)
        places.released(0, now)
        assert places.decide(now).granted == (1,)
        places.want(0)
        again = places.decide(now).again_at
        assert again is not None
        patience.append(again - now)
        assert places.decide(again).revoked == (1,)
        places.released(1, again)
        places.decide(again)
        places.caught_up(0, again, all_there=True)
        now = again
    assert patience == [SILENT, 2 * SILENT, 4 * SILENT]


def test_what_has_brought_everything_can_be_taken_at_once() -> None:
    places = full(1, 2)
    places.heard(0, 5.0, 3)
    places.caught_up(0, 5.0, all_there=True)
    places.want(1)
    assert places.decide(5.0).revoked == (0,)


def test_the_longer_a_process_is_silent_the_less_often_it_is_looked_at() -> None:
    places = full(1, 2)
    assert not places.is_due(0, 100.0), "it has a stream"
    looks, now = [], 0.0
    while now < 100.0:
        now += 0.25
        if places.is_due(1, now):
            looks.append(now)
            places.note_polled(1, now)
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert looks[0] == MIN_POLL_INTERVAL
    assert pauses == sorted(pauses)
    assert max(pauses) == MAX_POLL_INTERVAL


def test_while_a_place_is_free_no_process_is_looked_at() -> None:
    """It is about to get that place, however long ago it came."""
    places = entered(2, 1)
    assert not places.is_due(0, 100.0)


def test_how_late_a_line_can_be_grows_with_the_number_of_processes() -> None:
    assert entered(128, 200).lateness() == MAX_POLL_INTERVAL
    assert entered(128, 2000).lateness() == 30.0


@given(
    places=st.integers(1, 3),
    writes=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30)), max_size=60),
    parting=st.sets(st.integers(0, 7), max_size=6),
)
def test_each_line_is_read_however_few_streams_there_are(
    places: int, writes: list[tuple[int, int]], parting: set[int]
) -> None:
    """Time passes in steps; a stream needs one step to come to what is new, and brings all that is there then."""
    state = entered(places, 8)
    written, read, waiting = dict.fromkeys(range(8), 0), dict.fromkeys(range(8), 0), sorted(writes, key=lambda w: w[1])
    holders: dict[int, float] = {}
    for tick in range(1200):
        if tick > 140 and not waiting and read == written:
            break
        now = tick / 4
        while waiting and waiting[0][1] * 4 <= tick:
            written[waiting.pop(0)[0]] += 1
        for number in range(8):
            if state.is_due(number, now):
                if written[number] > read[number]:
                    state.want(number)
                else:
                    state.note_polled(number, now)
        decision = state.decide(now)
        for number in decision.revoked:
            del holders[number]
            state.released(number, now)
        holders |= dict.fromkeys(decision.granted, now)
        assert len(holders) <= places
        for number, since in holders.items():
            if since < now and written[number] > read[number]:
                state.heard(number, now, written[number] - read[number])
                read[number] = written[number]
        if tick == 140:
            for number in parting:
                state.leave(number)
                holders.pop(number, None)
                written[number] = read[number] = 0
    assert read == written
