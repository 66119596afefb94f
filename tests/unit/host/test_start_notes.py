"""What runs were started with, kept beside their logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.host.supervise import start_notes
from sbxcompose.host.supervise.start_notes import MOST, StartNotes, note_of


def note(run: int, up: int | None = None, *secrets: str, log: str = "web.1") -> StartNote:
    return StartNote(log, run, run * 10, up, None, list(secrets))


def opened(path: Path, added: list[StartNote] | None = None) -> StartNotes:
    notes = StartNotes(path, (added if added is not None else []).append)
    notes.load()
    return notes


def test_only_what_is_new_is_noted_and_all_of_it_is_found_again(tmp_path: Path) -> None:
    added: list[StartNote] = []
    notes = opened(tmp_path / "starts", added)
    for item in (note(1, 5, "secret"), note(2, 5, "secret"), note(3, 6, "secret"), note(1, 5, "x", log="db.1")):
        notes.add(item)
    wanted = [note(1, 5, "secret"), note(3, 6, "secret"), note(1, 5, "x", log="db.1")]
    assert list(notes) == added == list(opened(tmp_path / "starts")) == wanted
    assert (tmp_path / "starts").stat().st_mode & 0o077 == 0


def test_a_line_that_was_cut_short_loses_only_itself(tmp_path: Path) -> None:
    notes = opened(tmp_path / "starts")
    notes.add(note(1, 1))
    notes.add(note(2, 2))
    path = tmp_path / "starts"
    path.write_bytes(path.read_bytes()[:-7])
    again = opened(path)
    assert list(again) == [note(1, 1)]
    again.add(note(3, 3))
    assert list(opened(path)) == [note(1, 1), note(3, 3)]


def test_notes_do_not_grow_with_the_number_of_ups(tmp_path: Path) -> None:
    path = tmp_path / "starts"
    notes = opened(path)
    for run in range(1, 100):
        notes.add(note(run, run // 2, "old" if run < 50 else "new"))
    kept = [note(1, 0, "old"), note(50, 25, "new"), note(98, 49, "new")]
    assert list(notes) == list(opened(path)) == kept


def test_of_very_many_the_oldest_are_merged_and_no_secret_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact = 2 * MOST
    monkeypatch.setattr(start_notes, "COMPACT", compact)
    path = tmp_path / "starts"
    notes = opened(path)
    for run in range(1, compact + 100):
        notes.add(note(run, run, f"secret {run % 300}"))
    kept = list(notes)
    assert len(kept) == MOST
    assert kept[0].run == 1
    assert {secret for item in kept for secret in item.secrets} == {f"secret {number}" for number in range(300)}
    assert list(opened(path)) == kept
    assert len(path.read_bytes().splitlines()) < compact


def test_the_values_are_those_of_the_variables_that_are_named() -> None:
    request = StartRequest(
        command="x", log="web.1", env={"A": "a", "B": "b", "C": ""}, secrets=["A", "C", "D"], up_ms=7
    )
    assert note_of(request, 3, 30) == StartNote("web.1", 3, 30, 7, None, ["a"])
    assert note_of(StartRequest(command="x"), 1, 1) is None
