"""The table of signals against the one of the Linux that runs the tests."""

from __future__ import annotations

import signal

from sbxcompose import signals
from tests.support.cases import each_case


def test_it_is_the_table_of_linux() -> None:
    assert {name: int(number) for name, number in signal.Signals.__members__.items()} == signals.BY_NAME
    assert all(signals.name_of(number) == number.name for number in signal.Signals)
    assert signal.NSIG - 1 == signals.LAST


@each_case("word, number", [("TERM", 15), ("sigterm", 15), ("SIGCLD", 17), ("15", None), ("", None)])
def test_names_are_found_with_and_without_sig(word: str, number: int | None) -> None:
    assert signals.named(word) == number


def test_real_time_signals_between_the_first_and_the_last_have_no_name() -> None:
    assert signals.name_of(40) is None


def test_people_read_names_of_signals() -> None:
    assert [signals.shown(number) for number in (9, 1, 40)] == ["SIGKILL", "SIGHUP", "signal 40"]
