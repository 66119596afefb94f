from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.overwrite import final_state, is_overwritten, shortened
from tests.support.cases import each_case

PIECES = st.sampled_from(
    ["a", "bc", "日", "e\u0301", " ", "\r", "\b", "\x1b[K", "\x1b[2K", "\x1b[1G", "\x1b[31m", "\x1b[0m"]
)
LINES = st.lists(PIECES, max_size=30).map("".join)


def seen(line: str) -> str:
    """The final state without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", final_state(line))


@each_case(
    "line, state",
    [
        ("10%\r20%\r100%", "100%"),
        ("abcdef\rxyz", "xyzdef"),
        ("10%\r20%\r", "20%"),
        ("spin \\\b|\b/\b-\bdone", "spin done"),
        ("long line\r\x1b[Kshort", "short"),
        ("longer?\rName? ", "Name? ?"),
        ("\r\rName? ", "Name? "),
        ("long line\x1b[2K\rshort", "short"),
        ("100 %\x1b[K\r5%", "5%0 %"),
        ("abcdef\x1b[3D\x1b[K", "abc"),
        ("abcdef\x1b[3G\x1b[1K", "   def"),
        ("12345\r\x1b[3Cx", "123x5"),
        ("12345\r\x1b[2P", "345"),
        ("12345\r\x1b[2X", "  345"),
        ("\x1b[32mok\r\x1b[2Kdone", "\x1b[32mdone\x1b[0m"),
        ("\x1b[31mlong text\x1b[0m\rab", "ab\x1b[31mng text\x1b[0m"),
        ("\x1b[31ma\r\x1b[1mb\r\x1b[0mc", "c"),
        ("日本\rx", "x 本"),
        ("e\u0301x\ra", "ax"),
        ("a\x1b]0;title\x07b\rc", "cb"),
        ("\x1b[99999Cx\ry", "y" + "x"),
    ],
)  # fmt: skip
def test_the_final_state_is_what_a_terminal_would_show(line: str, state: str) -> None:
    assert is_overwritten(line)
    assert final_state(line) == state


@given(LINES)
def test_a_final_state_is_final(line: str) -> None:
    state = final_state(line)
    assert not is_overwritten(state)
    assert final_state(state) == state
    assert re.fullmatch(r"(?:[^\x00-\x1f]|\x1b\[[0-9;]*m)*", state)


@given(LINES, LINES)
def test_a_shortened_line_comes_to_the_same_state(line: str, more: str) -> None:
    assert seen(shortened(line) + more) == seen(line + more)


def test_a_progress_bar_that_runs_for_days_stays_short() -> None:
    line = ""
    for percent in range(2000):
        line = shortened(line + f"\r{percent % 100:3}% done")
    assert len(line) < 30
