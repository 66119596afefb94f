"""What is masked in whose lines."""

from __future__ import annotations

from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.secrets import KnownSecrets

WEB, DB = ("main", "web", 1), ("main", "db", 1)


def line(known: KnownSecrets, process: str, run: int, text: str = "today first second third") -> str:
    masked = known.masker(LineSource(process, 1, run, "main", process, 1)).mask(text.encode())
    return masked.decode()


def test_a_run_hides_what_it_was_started_with_and_what_is_secret_today() -> None:
    known = KnownSecrets(["today"])
    known.note(WEB, 1, 100, ["first"])
    known.note(WEB, 3, 300, ["second"])
    assert line(known, "web", 1) == line(known, "web", 2) == "*** *** second third"
    assert line(known, "web", 3) == line(known, "web", 9) == "*** first *** third"


def test_a_value_that_is_no_longer_secret_is_shown_by_runs_that_began_after_that() -> None:
    known = KnownSecrets()
    known.note(WEB, 1, 100, ["first"])
    known.note(WEB, 2, 200, [])
    assert line(known, "web", 1) == "today *** second third"
    assert line(known, "web", 2) == "today first second third"


def test_a_run_hides_what_others_were_started_with_while_it_may_have_lived() -> None:
    known = KnownSecrets()
    for run, moment, value in ((1, 100, "first"), (2, 200, "second"), (3, 300, "third")):
        known.note(DB, run, moment, [value])
    known.note(WEB, 1, 250, [])
    assert line(known, "web", 1) == "today first *** ***"
    known.note(WEB, 2, 350, [])
    assert line(known, "web", 1) == "today first *** ***"
    assert line(known, "web", 2) == "today first second ***"
    assert line(known, "other", 1) == "today *** *** ***", "of which nothing is known"


def test_what_is_told_of_no_run_in_particular_hides_all() -> None:
    known = KnownSecrets(["today"])
    known.note(WEB, 1, 100, ["first"])
    assert known.hide("today first second") == "*** *** second"
    assert line(known, "web", 0) == "*** *** second third"
    known.add_current(["second"])
    assert known.hide_all({"a": ["second", 1, None], "b": "first"}) == {"a": ["***", 1, None], "b": "***"}
    known.note(DB, 1, 50, ["third"])
    known.note(DB, 1, 50, ["third"])
    assert known.hide("third") == "***"
