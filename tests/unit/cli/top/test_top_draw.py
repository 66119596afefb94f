"""The screen of `top` as text, at many sizes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.color import ColorSystem

from sbxcompose.cli.top.draw import pane_lines, screen, table_lines
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.spans import TextSpan, columns, from_ansi, marked, plain, wrapped
from sbxcompose.cli.top.table import table
from sbxcompose.cli.top.theme import style_of
from sbxcompose.client.stats import UsageNow, UsageReport
from sbxcompose.plan.observed import Phase
from tests.support.cases import each_case
from tests.unit.cli.top.project import NOW, model

SNAPSHOTS = Path(__file__).parent / "screens"


def painted(span: TextSpan) -> str:
    """The span as a terminal with sixteen colours gets it."""
    return style_of(span.style, True).render(span.text, color_system=ColorSystem.STANDARD)


@each_case("width", [20, 60, 80, 200])
@each_case("colours", [False, True], ids=["plain", "coloured"])
def test_the_screen_is_as_in_its_snapshot(width: int, colours: bool) -> None:
    """With `UPDATE_SNAPSHOTS=1` the files are written anew: read the difference."""
    if colours:
        drawn = screen(model(), width, 20, NOW, colour=True)
        shown = "".join("".join(map(painted, line)) + "\n" for line in drawn)
    else:
        shown = "".join(f"{plain(line).rstrip()}\n" for line in screen(model(), width, 20, NOW))
    path = SNAPSHOTS / f"{width}{'-coloured' if colours else ''}.txt"
    if "UPDATE_SNAPSHOTS" in os.environ:
        path.write_text(shown)
    assert shown == path.read_text()


@each_case("height", [1, 3, 10, 60])
def test_every_size_is_filled_exactly(height: int) -> None:
    for width in (1, 2, 20, 33, 80, 250):
        shown = model()
        shown.logs.add("web", 1, "wide 漢字漢字漢字漢字漢字漢字 é \x1b[31mred", "wide 漢字漢字漢字漢字漢字漢字 é red")
        for key in ("", "z", "w", "?", "f"):
            shown.press(key)
            lines = screen(shown, width, height, NOW, colour=True)
            assert len(lines) <= height, (width, key)
            assert {columns(line) for line in lines} == {width}, key


def test_without_colours_nothing_is_coloured() -> None:
    shown = model()
    shown.search = "get"
    for line in screen(shown, 80, 20, NOW, colour=False):
        for span in line:
            assert style_of(span.style, False).color is None, span
            assert style_of(span.style, False).bgcolor is None, span


def test_the_colours_of_a_process_are_kept() -> None:
    lines = pane_lines(model(), 80, 10, colour=True)
    found = [span for span in lines[0] if "127.0.0.1" in span.text]
    assert style_of(found[0].style, True).color is not None
    assert plain(from_ansi("\x1b[31mred\x1b[0m\tx")) == "red     x"


def test_matches_are_marked_across_colours() -> None:
    line = marked(from_ansi("\x1b[31mab\x1b[0mcd abcd"), "bc", "match")
    assert [(span.text, span.style == "match") for span in line if span.style == "match"] == [
        ("b", True), ("c", True), ("bc", True)
    ]  # fmt: skip
    assert plain(line) == "abcd abcd"


def test_wide_characters_are_not_cut_in_half() -> None:
    pieces = wrapped(from_ansi("漢字漢字"), 3)
    assert [columns(piece) for piece in pieces] == [3, 3, 2]


@each_case(
    "text, width, expected",
    [
        ("one two three", 9, ["one two ", "three"]),
        ("one two three", 7, ["one two", " three"]),
        ("a " + "x" * 12, 6, ["a xxxx", "xxxxxx", "xx"]),
        ("漢字 漢字 漢字", 10, ["漢字 漢字 ", "漢字"]),
        ("fits", 4, ["fits"]),
    ],
)
def test_lines_are_broken_behind_words(text: str, width: int, expected: list[str]) -> None:
    assert [plain(piece) for piece in wrapped([TextSpan(text[:3]), TextSpan(text[3:], "bad")], width)] == expected


def test_what_has_not_been_started_says_how() -> None:
    empty = TopModel("shop", "local")
    empty.update(model().entries[-1:])
    assert "press u to start everything" in "".join(plain(line) for line in screen(empty, 80, 10, NOW))


def test_processes_that_do_not_fit_are_counted() -> None:
    shown = model()
    assert "↓" not in plain(table_lines(shown, 80, 7, NOW)[0])
    assert plain(table_lines(shown, 80, 4, NOW)[0]).endswith(" ↓3 ")
    shown.selected = shown.entries[3].instance
    assert plain(table_lines(shown, 80, 4, NOW)[0]).endswith(" ↑2 ↓1 ")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_name_does_not_cut_states(width: int) -> None:
    entries = [
        replace(entry, label=f"{entry.label}-with-a-rather-long-name")
        for entry in model().entries
        if entry.row is not None
    ]
    _, lines = table(entries, UsageReport({}, {}), width, NOW)
    shown = "\n".join(map(plain, lines))
    assert "completed " in shown
    assert "backing off" in shown


@each_case("width", [34, 60, 80, 120, 200])
def test_columns_stay_where_they_are_when_values_change(width: int) -> None:
    def header(phase: Phase, cpu: float, memory: int) -> str:
        [first, *rest] = model().entries
        assert first.row is not None
        row = replace(first.row, phase=phase, next_restart_at=NOW + 12, pid=7)
        usage = UsageReport({first.instance: UsageNow(cpu, memory, 1)}, {})
        return table([replace(first, row=row), *rest], usage, width, NOW)[0]

    shown = {
        header(phase, cpu, memory)
        for phase in (Phase.RUNNING, Phase.BACKING_OFF, Phase.STOPPED)
        for cpu, memory in ((0.0, 900), (99.9, 99 << 20))
    }
    assert len(shown) == 1, shown
