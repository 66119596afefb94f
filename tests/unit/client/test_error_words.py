"""Errors as programs see them: their text, and what a traceback shows below it."""

from __future__ import annotations

from pathlib import Path

import pytest

import sbxcompose
from sbxcompose.client.error_words import error_words
from sbxcompose.errors import InvalidSpec, Mistake, SpecNotFound


def test_the_text_of_mistakes_names_the_first_one() -> None:
    first = Mistake("unknown key `x`", file="f.yaml", line=3, column=5)
    second = Mistake("the file does not exist", file="g.yaml")
    assert str(InvalidSpec([first])) == "the file has a mistake: f.yaml:3:5: unknown key `x`"
    assert str(InvalidSpec([first, second])) == "the file has 2 mistakes: f.yaml:3:5: unknown key `x`, and 1 more"
    assert str(InvalidSpec([second])) == "the file has a mistake: g.yaml: the file does not exist"
    assert str(InvalidSpec([])) == "the file has 0 mistakes"


def test_a_traceback_shows_all_mistakes_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "sbxcompose.yaml").write_text("processes: {a: {comand: x}, b: 3}\n")
    with pytest.raises(InvalidSpec) as raised:
        sbxcompose.load(directory=tmp_path)
    [note] = raised.value.__notes__
    assert "unknown key `comand`" in note
    assert "`b` must be a mapping" in note
    assert "1 | processes:" in note
    assert error_words(raised.value) == note


def test_a_traceback_shows_what_to_do_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(SpecNotFound) as raised:
        sbxcompose.load(directory=tmp_path)
    assert raised.value.__notes__ == [f"hint: {raised.value.hint}"]
