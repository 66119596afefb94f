"""Who is to blame for a change: told by cause, not by how often it happens."""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.watch.loops import ChangePattern, Evidence, before, pause, weigh


def verdicts(many: Iterable[Evidence]) -> list[bool]:
    found, known = [], None
    for each in many:
        own, known = weigh(known, each)
        found.append(own)
    return found


def runs(moments: Iterable[float], wrote: int | None = 100, ended: float | None = None) -> list[Evidence]:
    """A change in each of several runs, so many seconds after its start."""
    return [
        Evidence(number, 10.0 * number, 10.0 * number + each, ended=ended, wrote=wrote, size=50)
        for number, each in enumerate(moments, 1)
    ]


def test_the_same_moment_in_three_runs_that_wrote_enough_is_their_own_doing() -> None:
    assert verdicts(runs([0.1, 0.11, 0.09, 0.1])) == [False, False, True, True]


def test_whoever_saves_at_any_moment_is_no_loop_however_often() -> None:
    assert not any(verdicts(runs([0.3, 1.2, 0.5, 2.0, 0.8, 0.3, 1.1, 0.6, 1.9, 0.4])))


def test_a_run_that_has_not_written_as_much_is_not_to_blame() -> None:
    assert not any(verdicts(runs([0.1] * 10, wrote=49)))


def test_who_is_seen_to_write_just_as_much_is_to_blame_instead() -> None:
    many = [Evidence(n, n, n + 0.01, wrote=100, elsewhere=True, size=50) for n in range(1, 11)]
    assert not any(verdicts(many))


def test_without_a_count_it_takes_one_run_more() -> None:
    assert verdicts(runs([0.1] * 4, wrote=None)) == [False, False, False, True]


def test_who_has_the_file_open_for_writing_is_caught_at_once() -> None:
    assert verdicts([Evidence(1, 0.0, 5.0, holds=True, wrote=0, size=10)]) == [True]


def test_changes_before_a_run_or_after_its_end_are_not_its_own() -> None:
    assert not any(verdicts(runs([-0.1] * 5)))
    assert not any(verdicts([Evidence(n, n, n + 0.5, ended=n + 0.1, size=1) for n in range(1, 6)]))


def test_several_changes_of_one_run_are_one() -> None:
    assert not any(verdicts([Evidence(1, 0.0, 0.1, wrote=100, size=1)] * 5))


def test_what_was_written_long_before_the_change_does_not_count() -> None:
    assert before(ChangePattern(1, 0.02, 1)) is None
    assert before(ChangePattern(1, 1.0, 1)) == 0.6


def test_the_pause_grows_to_a_minute_and_no_further() -> None:
    assert [pause(each) for each in (1, 2, 3, 7, 8, 10_000)] == [1, 2, 4, 60, 60, 60]
