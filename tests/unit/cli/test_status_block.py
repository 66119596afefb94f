"""The status block: what it shows, how it fits narrow terminals, and that it is plain without colours."""

from __future__ import annotations

import pytest

from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.status_block import block_lines
from sbxcompose.files.transfer import TransferProgress
from sbxcompose.plan.waits import Wait, WaitState
from tests.support.cases import each_case

COPY = TransferProgress(3, 1_000, 1 << 20, 10 << 20)
DB = (Wait("", "web needs it", None, "db", WaitState("starting", "the last check saw: refused")), 12.4)
JOB = (Wait("", name="migrate", standing=WaitState("waiting", "for db")), 3.0)
CRASHED = (Wait("", name="flaky", standing=WaitState("backing off", "exited with code 3, restarts in 2 s")), 0.2)


def shown(live: Live, *, width: int = 80, rows: int = 30, colours: bool = False) -> list[str]:
    """What a terminal of that size shows."""
    return block_lines(live, (width + 1, rows), colours=colours, clean=str.strip)


def test_names_states_and_times_are_columns() -> None:
    assert shown(Live("1 of 4 processes ready", (DB, JOB, CRASHED)), width=100) == [
        "1 of 4 processes ready",
        "  db       starting     12 s  the last check saw: refused; web needs it",
        "  migrate  waiting       3 s  for db",
        "  flaky    backing off   0 s  exited with code 3, restarts in 2 s",
    ]


@each_case("width", [1, 12, 20, 40, 60, 80, 200])
@each_case("waits", [(DB,), (DB, JOB), (DB, JOB) * 6], ids=["one", "two", "many"])
def test_no_line_is_wider_than_the_terminal(width: int, waits: tuple[tuple[Wait, float], ...]) -> None:
    found = shown(Live(None, waits, (("app", COPY),)), width=width)
    assert max(map(len, found)) <= width
    assert len(found) == min(len(waits) + 1, 10)


def test_names_stay_whole_while_there_is_room() -> None:
    assert shown(Live(None, (DB, JOB)), width=20) == ["  db       starting…", "  migrate  waiting …"]


def test_what_does_not_fit_is_counted() -> None:
    found = shown(Live(None, (JOB,) * 12), rows=12)
    assert len(found) == 4
    assert found[-1] == "  and 9 more"


def test_wide_and_long_names_keep_the_columns() -> None:
    wide = (Wait("", name="日本語", standing=WaitState("starting", "x")), 1.0)
    long = (Wait("", name="a-process-with-a-very-long-name", standing=WaitState("starting", "x")), 1.0)
    first, second = shown(Live(None, (wide, long)))
    assert first.index("starting") == second.index("starting") - 3
    assert "a-process-with-a-very-l…  starting" in second


def test_brackets_in_a_name_are_text() -> None:
    assert shown(Live(None, ((Wait("", name="[red]x[/]"), 2.0),)))[0] == "  [red]x[/]  starting  2 s"


def test_without_colours_no_sequence_is_written() -> None:
    live = Live("1 of 2", (DB, JOB), (("app", COPY),))
    assert not any("\x1b" in line for line in shown(live))
    assert any("\x1b[36m" in line for line in shown(live, colours=True))


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_copy_is_a_bar_on_one_line(width: int) -> None:
    (line,) = shown(Live(copies=(("app", COPY),)), width=width)
    assert len(line) <= width
    assert width < 80 or line.endswith("3 files of 1 000, 1.0 MB of 10 MB")
