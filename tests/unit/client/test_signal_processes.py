"""The signals that people and programs name."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from sbxcompose.client.signal_processes import signal_number
from sbxcompose.errors import UsageError
from tests.support.cases import each_case


@each_case(
    "given, number",
    [("HUP", 1), ("SIGHUP", 1), ("sighup", 1), ("9", 9), (9, 9), (64, 64), (signal.SIGTERM, 15), (signal.SIGUSR1, 10)],
)
def test_a_signal_by_its_name_or_number(given: str | int, number: int) -> None:
    assert signal_number(given) == number


@each_case(
    "given, hint",
    [
        ("TREM", "did you mean `TERM`?"),
        ("sigusr3", "did you mean `USR1`?"),
        ("NONSENSE", "examples: HUP, INT, TERM, USR1, 9"),
        ("", "examples: HUP, INT, TERM, USR1, 9"),
        (0, "examples: HUP, INT, TERM, USR1, 9"),
        (65, "examples: HUP, INT, TERM, USR1, 9"),
        ("-9", "examples: HUP, INT, TERM, USR1, 9"),
        (True, "examples: HUP, INT, TERM, USR1, 9"),
        (None, "examples: HUP, INT, TERM, USR1, 9"),
    ],
)
def test_what_is_not_a_signal_is_refused_with_what_is(given: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=f"invalid signal `{given}`") as caught:
        signal_number(given)
    assert caught.value.hint == hint
