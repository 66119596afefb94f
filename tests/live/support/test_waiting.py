"""Waiting for an answer: the first good one, and what was seen last where there is none."""

from __future__ import annotations

import pytest

from tests.support.waiting import until


def test_it_returns_the_first_good_answer() -> None:
    answers = iter([0, 1, 2, 3])
    assert until(lambda: next(answers), lambda number: number >= 2) == 2
    assert next(answers) == 3


def test_a_true_answer_is_good_where_nothing_else_is_asked_for() -> None:
    answers = iter(["", None, "there"])
    assert until(lambda: next(answers)) == "there"


def test_when_the_time_is_over_the_last_answer_is_shown() -> None:
    with pytest.raises(AssertionError, match="no server answers; the last answer: 'starting'"):
        until(lambda: "starting", lambda answer: answer == "running", what="no server answers", seconds=0)
