"""Whether a process is restarted for what it does itself: told by the moments at which a file changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.watch.loops import QUICK, SAME, SIMILAR, FileChange, LoopCriteria, LoopDetector, RestartLoop, pause

TICK = 1 / 1024
"""Seconds; multiples of it are added to the start of a run, and taken from it, without being rounded."""


def moments(first: float, last: float) -> st.SearchStrategy[float]:
    return st.integers(int(first / TICK), int(last / TICK)).map(lambda ticks: ticks * TICK)


OFFSETS = moments(0, 60)


def change(run: int, offset: float, *, ended: float | None = None) -> FileChange:
    return FileChange(run, 100.0 * run, 100.0 * run + offset, ended)


def verdicts(changes: Iterable[FileChange]) -> list[bool]:
    detector = LoopDetector()
    return [detector.judge("web", {"out/made": {"web.1": one_change}}) is not None for one_change in changes]


def runs(offsets: Sequence[float]) -> list[FileChange]:
    """One change in each of several runs."""
    return [change(run, offset) for run, offset in enumerate(offsets, 1)]


def unlike(likeness: LoopCriteria, offsets: Iterable[float]) -> list[float]:
    """Without those that are like the one before."""
    kept: list[float] = []
    for offset in offsets:
        if not kept or not likeness.holds(kept[-1], offset):
            kept.append(offset)
    return kept


def test_the_same_offset_in_three_runs_in_a_row_is_a_loop() -> None:
    assert verdicts(runs([2.0, 2.05, 1.97, 2.0])) == [False, False, True, True]


@given(moments(QUICK, 60), st.integers(3, 40))
def test_a_file_that_always_changes_at_the_same_offset_is_caught_with_the_third_run(offset: float, count: int) -> None:
    assert verdicts(runs([offset] * count)) == [False, False] + [True] * (count - 2)


@given(st.lists(OFFSETS, max_size=SIMILAR.runs - 1))
def test_fewer_saves_than_a_loop_needs_are_not_one_unless_three_moments_are_the_same(offsets: list[float]) -> None:
    assert not any(verdicts(runs(unlike(SAME, offsets))))


@given(st.lists(st.tuples(moments(0, 10), moments(30, 60)), max_size=40))
def test_moments_that_are_never_alike_are_not_a_loop_however_many(pairs: list[tuple[float, float]]) -> None:
    assert not any(verdicts(runs([offset for pair in pairs for offset in pair])))


@given(st.lists(moments(0, QUICK - TICK), max_size=10), moments(0, QUICK - TICK))
def test_ten_quick_saves_are_not_a_loop_even_at_the_same_moment(offsets: list[float], offset: float) -> None:
    assert not any(verdicts(runs(offsets)))
    assert not any(verdicts(runs([offset] * 10)))


@given(st.lists(moments(0, 0.25), min_size=SIMILAR.runs, max_size=SIMILAR.runs))
def test_similar_moments_in_many_runs_in_a_row_are_a_loop_on_a_loaded_machine(offsets: list[float]) -> None:
    assert verdicts(runs(offsets))[-1]


def test_what_is_known_to_loop_is_kept_by_similar_moments_and_released_by_another() -> None:
    offsets = [2.0, 2.0, 2.0, 2.4, 1.95, 9.0, 2.0, 2.0]
    assert verdicts(runs(offsets)) == [False, False, True, True, True, False, False, False]


def test_a_run_that_was_replaced_before_it_could_write_does_not_hide_a_loop() -> None:
    written = [run for run in range(1, 21) if run % 5]
    assert verdicts([change(run, 0.01) for run in written])[-1]


def test_a_start_that_was_noticed_late_does_not_hide_a_loop() -> None:
    assert verdicts(runs([0.01, -0.02, 0.0] * 5))[-1]


def test_a_run_without_the_change_ends_the_row() -> None:
    assert not any(verdicts([change(run, 2.0) for run in (1, 2, 4, 5, 7, 8)]))


def test_several_changes_in_one_run_are_one() -> None:
    assert not any(verdicts([change(1, 2.0)] * 20))


def test_a_run_that_writes_twice_is_caught_at_both_moments() -> None:
    both = [change(run, offset) for run in range(1, 5) for offset in (1.1, 3.0)]
    assert verdicts(both) == [False] * 4 + [True] * 4


def test_changes_before_a_run_or_after_its_end_are_not_its_own() -> None:
    assert not any(verdicts(runs([-0.2] * 20)))
    assert not any(verdicts([change(run, 2.5, ended=100.0 * run + 2.1) for run in range(1, 20)]))


def test_a_batch_with_a_file_saved_by_another_is_not_a_loop() -> None:
    detector = LoopDetector()
    for run in range(1, 4):
        detector.judge("web", {"made": {"web.1": change(run, 2.0)}})
    batch = {"made": {"web.1": change(4, 2.0)}, "app.py": {"web.1": change(4, 2.0)}}
    assert detector.judge("web", batch) is None


def test_a_replica_is_enough() -> None:
    detector = LoopDetector()
    found: list[RestartLoop | None] = []
    for run, offset in enumerate([7.0, 1.0, 4.0], 1):
        found.append(detector.judge("web", {"made": {"web.1": change(run, offset), "web.2": change(run, 2.0)}}))
    assert [loop is not None for loop in found] == [False, False, True]


def test_the_pause_grows_with_each_run_of_a_loop() -> None:
    detector = LoopDetector()
    found = [detector.judge("web", {"made": {"web.1": run}}) for run in runs([2.0] * 6)]
    assert [loop.pause for loop in found if loop is not None] == [1, 2, 4, 8]


def test_while_a_process_waits_its_own_files_do_not_end_that_but_others_do() -> None:
    detector = LoopDetector()
    for run in runs([2.0] * 3):
        detector.judge("web", {"made": {"web.1": run}})
    again = detector.judge("web", {"made": {"web.1": change(3, 7.0)}}, waits=True)
    assert again is not None
    assert again.pause == 1
    assert detector.judge("web", {"app.py": {"web.1": change(3, 7.1)}}, waits=True) is None


def test_the_pause_grows_to_a_minute_and_no_further() -> None:
    assert [pause(times) for times in (1, 2, 3, 7, 8, 10_000)] == [1, 2, 4, 60, 60, 60]


def test_the_moment_of_a_change_is_never_negative() -> None:
    moments = [RestartLoop("made", offset, 1.0).moment for offset in (-0.004, 0.0, 0.25)]
    assert moments == ["right after", "right after", "0.25s after"]
