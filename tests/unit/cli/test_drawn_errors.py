"""Mistakes of a file on a terminal: each on its line, with a caret in its column, at every width."""

from __future__ import annotations

import itertools
import re

import pytest

from sbxcompose.cli.context import GlobalOptions, Shell
from sbxcompose.cli.style import Style
from sbxcompose.cli.view.drawn_errors import mistake_lines
from sbxcompose.cli.view.errors import error_text, mistake_words
from sbxcompose.errors import InvalidSpec, Mistake, SpecError, UnknownName
from sbxcompose.spec.report import render
from sbxcompose.text_width import text_width
from tests.support.cases import each_case


def drawn(*mistakes: Mistake, width: int = 80, colors: bool = False, ascii_only: bool = False) -> list[str]:
    return mistake_lines(InvalidSpec(list(mistakes)), width, colors=colors, ascii_only=ascii_only)


def wrong(source: str, column: int, **more: str) -> Mistake:
    return Mistake("it is wrong", file="f.yaml", line=12, column=column, source=source, **more)


def test_a_mistake_shows_its_place_its_line_and_the_remedy() -> None:
    mistake = wrong("  a: oops", 6, hint="mend it")
    assert drawn(mistake) == ["f.yaml:12:6: it is wrong", "12 │   a: oops", "   │      ^", "hint: mend it"]
    assert drawn(mistake, ascii_only=True)[1:3] == ["12 |   a: oops", "   |      ^"]


@each_case("columns", [30, 40, 50, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    source = f"  db: {{{'a: b, ' * 30}comand: x, {'c: d, ' * 30}}}"
    hint = "known here: " + ", ".join(f"`key{number}`" for number in range(40))
    for column in (1, 60, source.index("comand") + 1, len(source)):
        lines = drawn(wrong(source, column, hint=hint), width=columns)
        assert max(map(text_width, lines)) <= columns
        source_line, caret = next((a, b) for a, b in itertools.pairwise(lines) if b.endswith("^"))
        assert source_line[caret.index("^")] == source[column - 1]
        assert "".join(lines).count("`key39`") == 1


@each_case("width", [30, 60, 80])
@each_case(
    "source",
    [
        "日本語" * 60 + "!" + "日本語" * 60,
        "日" * 30 + "!",
        "!" + "日" * 40,
        "a" * 99 + "!" + "b" * 99,
        "\t\t日\t" * 20 + "!" + "\tb" * 20,
        "e\u0301" * 70 + "!",
        "'a: \"' #" * 500 + "!" + "a: b" * 500,
    ],
)
def test_the_caret_stands_under_its_character(source: str, width: int) -> None:
    _, shown, caret = drawn(wrong(source, source.index("!") + 1), width=width)
    assert text_width(shown) <= width
    assert text_width(shown[: shown.index("!")]) == text_width(caret) - 1
    assert "\t" not in shown + caret


def test_what_is_cut_off_has_begun_a_string() -> None:
    source = '  web: {env: {GREETING: "a text that is long"}, comand: x}'
    shown = drawn(wrong(source, source.index("comand") + 1), width=30, colors=True)[1]
    assert '…\x1b[32mat is long"\x1b[0m}, \x1b[36mcomand\x1b[0m: x}' in shown


def test_colours_are_taken_from_the_sixteen_of_the_terminal_and_change_no_text() -> None:
    mistake = wrong("  a: 'oops'  # why", 6, hint="mend it")
    coloured = drawn(mistake, colors=True)
    assert {*re.findall(r"\x1b\[([0-9;]*)m", "".join(coloured))} == {"0", "1", "2", "31", "1;31", "32", "36"}
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == drawn(mistake)


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = "\n".join(drawn(Mistake("\x1b[2J", file="\x07", line=1, column=1, source="\x1b]0;x\x07", hint="\x1b[5m")))
    assert not re.search("[\x1b\x07]", text)


def test_a_long_hint_is_shown_once_and_of_a_thousand_mistakes_fifty() -> None:
    shown = drawn(*[wrong("x: y", 1, hint="known here: " + "`a` " * 40)] * 1000)
    assert sum(line.startswith("hint: known") for line in shown) == 1
    assert sum("it is wrong" in line for line in shown) == 50
    assert shown[-1] == "… and 950 more mistakes"


def test_a_mistake_without_a_place() -> None:
    assert drawn(Mistake("the file is empty", file="f")) == ["f: the file is empty"]
    assert drawn(Mistake("all is lost")) == ["all is lost"]


def test_a_pipe_gets_the_lines_without_rich() -> None:
    mistake = InvalidSpec([wrong("\ta: oops", 5, hint="mend it")])
    assert error_text(mistake, Style(False), None).startswith(render(mistake))
    assert "12 | \ta: oops\n   | \t   ^" in error_text(mistake, Style(False), None)


def test_a_file_that_cannot_be_applied_is_shown_with_the_remedy() -> None:
    hint = "run `sbxcompose down` with the old file, then `up` with the new one"
    error = SpecError("the name has changed", hint=hint)
    assert mistake_words(error) == f"the name has changed\nhint: {hint}"
    assert mistake_words(error, 40).splitlines() == [
        "the name has changed",
        "hint: run `sbxcompose down` with the old",
        "  file, then `up` with the new one",
    ]


def test_a_note_is_broken_between_words_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(GlobalOptions())
    said: list[str] = []
    monkeypatch.setattr(shell, "write", said.append)
    for width in (None, 60, 20):
        monkeypatch.setattr(Shell, "err_width", width)
        shell.note("main is suspended; its events follow")
    assert said == [
        "note: main is suspended; its events follow\n",
        "note: main is suspended; its events follow\n",
        "note: main is\n  suspended; its\n  events follow\n",
    ]


def test_an_error_is_broken_beside_its_first_line() -> None:
    error = UnknownName("process", "wbe", ["db", "web"])
    shown = error_text(error, Style(True), 30).split("\n")
    assert all(line.startswith(("\x1b[31merror:\x1b[0m", "\x1b[36mhint:\x1b[0m", "  ")) for line in shown)
    assert " ".join(" ".join(shown).split()) == " ".join(error_text(error, Style(True), None).split())
