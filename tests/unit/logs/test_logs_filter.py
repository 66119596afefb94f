"""`--grep`: which lines are kept, as they are, and what a pattern is matched with."""

from __future__ import annotations

from sbxcompose.logs.filter import LineFilter
from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.output import LogOutput
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import PrefixedRenderer
from sbxcompose.logs.sanitize import cleaner
from sbxcompose.logs.screen import Screen
from sbxcompose.logs.secrets import KnownSecrets
from tests.unit.logs.test_logs_screen import Terminal

LINES = b"GET /a 200\nget /b 500\n\nPOST /c 200\n"


def test_lines_that_match_anywhere() -> None:
    assert LineFilter("200$").matching(LINES) == b"GET /a 200\nPOST /c 200\n"
    assert LineFilter("^GET").matching(LINES) == b"GET /a 200\n"
    assert LineFilter("404").matching(LINES) == b""
    assert LineFilter("").matching(LINES) == LINES


def test_case_and_inversion() -> None:
    assert LineFilter("^get", ignore_case=True).matching(LINES) == b"GET /a 200\nget /b 500\n"
    assert LineFilter("200", invert=True).matching(LINES) == b"get /b 500\n\n"


def test_colours_and_line_ends_of_other_systems_do_not_count() -> None:
    line = b"\x1b[32mGE\x1b[0mT\r\n"
    assert LineFilter("^GET$").matching(line) == line


def test_bytes_that_are_not_text_stay_as_they_are() -> None:
    assert LineFilter("x").matching(b"\xffx\n") == b"\xffx\n"


def test_no_pattern_finds_out_a_secret() -> None:
    terminal = Terminal()
    log = LogOutput(
        PrefixedRenderer(Prefixes(["web"])),
        terminal,
        clean=cleaner(terminal=True, colours=False),
        secrets=KnownSecrets(["hunter2"]),
        screen=Screen(lambda: (80, 24)),
        lines=LineFilter("hunter2|[*]{3}"),
    )
    log.feed(LineSource("web"), b"it is hunter2\nit is not\nhalf a lin", 0)
    log.tick(float("inf"))
    assert terminal.text == "web | it is ***\n"
