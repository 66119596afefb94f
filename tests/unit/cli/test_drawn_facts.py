"""Lists of facts, as `doctor` and `host status` show them on a terminal."""

from __future__ import annotations

import pytest

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view import drawn
from sbxcompose.cli.view.drawn_facts import fact_lines
from sbxcompose.cli.view.facts import Fact, FactList
from sbxcompose.cli.view.host_status import status_lines
from sbxcompose.text_width import text_width
from tests.support.cases import each_case

GOOD, BAD = Colored("✓", "green"), Colored("✗", "red")
FOUND = [
    FactList([Fact("file", "sbxcompose.yaml", mark=GOOD)], "project"),
    FactList(
        [Fact("fork server", "it does not answer, and has not for three days", "`kill 4711` ends it", BAD)], "local"
    ),
]
HOST = {
    "version": "1.2",
    "uptime_secs": 70,
    "pid": 41,
    "keeper_pid": 40,
    "socket": "/run/user/1000/sbxcompose/host.sock",
    "tcp": None,
    "state_directory": "/home/me/.local/state/sbxcompose",
    "sandboxes": 1,
    "running_processes": 2,
    "damaged": {"directory": "/aside", "files": ["a.json"], "left": ["/b.json"]},
}
SERVERS = [{"version": "1.2", "uptime_secs": 4_000, "pid": 50, "commands": 1}]


def test_texts_and_remedies_stand_below_each_other() -> None:
    assert fact_lines(FOUND, 60, colors=False) == [
        "project",
        "  ✓ file         sbxcompose.yaml",
        "local",
        "  ✗ fork server  it does not answer, and has not for three",
        "                 days",
        "                 hint: `kill 4711` ends it",
    ]


def test_on_a_narrow_terminal_texts_stand_below_their_names() -> None:
    assert fact_lines(FOUND, 30, colors=False) == [
        "project",
        "  ✓ file",
        "    sbxcompose.yaml",
        "local",
        "  ✗ fork server",
        "    it does not answer, and",
        "    has not for three days",
        "    hint: `kill 4711` ends it",
    ]


def test_marks_and_titles_have_colours() -> None:
    assert fact_lines(FOUND, 60, colors=True)[:2] == [
        "\x1b[1mproject\x1b[0m",
        "  \x1b[32m✓\x1b[0m file         sbxcompose.yaml",
    ]


def test_numbers_of_the_host_have_their_plurals() -> None:
    several = [{**SERVERS[0], "commands": 2}]
    lines = status_lines({**HOST, "sandboxes": 6, "running_processes": 1}, None, several, Style(False), None)
    assert "6 sandboxes, 1 process running" in lines
    assert lines[-1].endswith(", 2 commands run")


def test_the_host_is_a_table_on_a_terminal_and_sentences_elsewhere() -> None:
    assert status_lines(HOST, "sandboxes are isolated", SERVERS, Style(False), None) == [
        "host 1.2, up for 1m, pid 41, keeper 40",
        "socket /run/user/1000/sbxcompose/host.sock",
        "state in /home/me/.local/state/sbxcompose",
        "1 sandbox, 2 processes running",
        "damaged files, set aside in /aside:",
        "  a.json",
        "damaged, and cannot be moved away: /b.json",
        "sandboxes are isolated",
        "fork server 1.2, up for 1h, pid 50, 1 command run",
    ]
    assert status_lines(HOST, "sandboxes are isolated", SERVERS, Style(False), 80) == [
        "host         1.2, up for 1m, pid 41, keeper 40",
        "socket       /run/user/1000/sbxcompose/host.sock",
        "state        /home/me/.local/state/sbxcompose",
        "running      1 sandbox, 2 processes",
        "damaged      damaged files, set aside in /aside:",
        "               a.json",
        "             damaged, and cannot be moved away: /b.json",
        "isolation    sandboxes are isolated",
        "fork server  1.2, up for 1h, pid 50, 1 command run",
    ]


@each_case("width", [30, 50, 80, 120])
def test_what_is_wider_than_the_terminal_is_a_word_that_can_be_copied(width: int) -> None:
    for line in status_lines(HOST, "sandboxes are isolated", SERVERS, Style(False), width):
        assert text_width(line) <= width or len(line.split()) == 1
    for line in status_lines(None, None, [], Style(False), width):
        assert text_width(line) <= width


def test_a_host_that_is_absent_is_started_when_needed() -> None:
    words = "not running; it starts automatically when needed"
    assert status_lines(None, None, [], Style(False), None) == [f"host is {words}"]
    assert status_lines(None, None, [], Style(False), 80) == [f"host  {words}"]


def test_nothing_is_filled_with_blanks_up_to_a_width_that_no_terminal_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laid out for a million columns, lines that are filled up take a hundred times as long."""
    seen: list[int] = []

    class Stripping:
        def sub(self, _: str, line: str) -> str:
            seen.append(len(line))
            return line

    monkeypatch.setattr(drawn, "_PADDING", Stripping())
    for width in (30, 80):
        fact_lines(FOUND, width, colors=False)
        assert max(seen) <= width
