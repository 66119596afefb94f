from __future__ import annotations

from sbxcompose.errors import InvalidSpec, Mistake
from sbxcompose.spec.report import render, render_mistake


class Marked:
    """A style that can be seen."""

    def red(self, text: str) -> str:
        return f"<r>{text}</r>"

    def cyan(self, text: str) -> str:
        return f"<c>{text}</c>"

    def dim(self, text: str) -> str:
        return f"<d>{text}</d>"

    def bold(self, text: str) -> str:
        return f"<b>{text}</b>"


WRONG = Mistake("it is wrong", file="f.yaml", line=12, column=6, source="  a: oops", hint="mend it")


def test_a_mistake_shows_its_place_its_line_and_the_remedy() -> None:
    assert render(InvalidSpec([WRONG])) == ("f.yaml:12:6: it is wrong\n12 |   a: oops\n   |      ^\nhint: mend it")


def test_colours_are_the_callers() -> None:
    assert render_mistake(WRONG, Marked()) == (
        "<b>f.yaml:12:6:</b> <r>it is wrong</r>\n<d>12 |</d>   a: oops\n<d>   |</d>      <r>^</r>\n<c>hint:</c> mend it"
    )


def test_a_long_hint_is_shown_once_and_a_short_one_each_time() -> None:
    listed = "known here: " + ", ".join(f"`key{number}`" for number in range(40))
    mistakes = [Mistake("x", file="f", line=n, column=1, source="x: y", hint=listed) for n in range(1, 11)]
    shown = render(InvalidSpec([*mistakes, WRONG, *mistakes, WRONG]))
    assert shown.count("known here") == 1
    assert shown.index("known here") < shown.index("f:2:1")
    assert shown.count("hint: mend it") == 2


def test_a_mistake_without_a_place() -> None:
    assert render_mistake(Mistake("the file is empty", file="f")) == "f: the file is empty"
    assert render_mistake(Mistake("all is lost")) == "all is lost"


def test_the_caret_stands_under_its_character() -> None:
    def caret(source: str, column: int) -> str:
        return render_mistake(Mistake("x", file="f", line=1, column=column, source=source)).split("\n")[2]

    assert caret("\tb: c", 5) == "  | \t   ^"
    assert caret("日本: c", 5) == "  |       ^"
    assert caret("e\u0301: c", 5) == "  |    ^"


def test_a_long_line_is_cut_around_the_mistake() -> None:
    text = render_mistake(Mistake("x", file="f", line=1, column=501, source="a" * 500 + "!" + "b" * 500))
    _, source, caret = text.split("\n")
    assert len(source) < 180
    assert source.startswith("1 | …a")
    assert source.endswith("b…")
    assert source[caret.index("^")] == "!"


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = render_mistake(Mistake("\x1b[2J", file="\x07", line=1, column=1, source="\x1b]0;x\x07"))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_thousand_mistakes_are_shortened() -> None:
    text = render(InvalidSpec([WRONG] * 1000))
    assert text.count("it is wrong") == 50
    assert text.endswith("… and 950 more mistakes")
