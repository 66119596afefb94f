"""The status block: which waits it shows, how it fits narrow terminals, and that it can be taken away."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from sbxcompose.cli.view.copying import copy_bar
from sbxcompose.cli.view.status_block import block
from sbxcompose.files.transfer import Progress
from sbxcompose.plan.waits import Wait

DB = (Wait("db to be ready", "web needs it", "checks fail: connection refused"), 12.4)
JOB = (Wait("migrate to complete"), 3.0)


def shown(waits: list[tuple[Wait, float]], *, width: int = 80, room: int = 10, colours: bool = False) -> str:
    """What a terminal of that width shows."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, no_color=not colours, highlight=False, markup=False, emoji=False
    )
    console.print(block(waits, room, str.strip))
    return file.getvalue()


def lines(text: str) -> list[str]:
    """The lines without blanks at their ends and without control sequences."""
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in text.splitlines()]


def test_a_single_wait_is_a_sentence() -> None:
    assert lines(shown([DB], width=200)) == [
        "waiting for db to be ready (12 s; web needs it): checks fail: connection refused"
    ]


def test_several_waits_are_a_table() -> None:
    assert lines(shown([DB, JOB], width=100)) == [
        "waiting for db to be ready       12 s  web needs it: checks fail: connection refused",
        "            migrate to complete   3 s",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("waits", [[DB], [DB, JOB], [DB, JOB] * 6], ids=["one", "two", "many"])
def test_no_line_is_wider_than_the_terminal(width: int, waits: list[tuple[Wait, float]]) -> None:
    found = lines(shown(waits, width=width))
    assert max(map(len, found)) <= width
    assert len(found) == min(len(waits), 10) or waits == [DB]  # a sentence wraps, so that nothing of it is lost


def test_what_has_no_room_is_counted() -> None:
    found = lines(shown([JOB] * 12, room=4))
    assert len(found) == 4
    assert found[-1].strip() == "and 9 more"


def test_brackets_in_a_name_are_text() -> None:
    wait = (Wait("[red]x[/] to be ready"), 2.0)
    assert lines(shown([wait, JOB]))[0].startswith("waiting for [red]x[/] to be ready")


def test_without_colours_no_colour_is_written() -> None:
    assert "\x1b[36m" not in shown([DB, JOB])
    assert "\x1b[36m" in shown([DB, JOB], colours=True)


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_copy_is_a_bar_on_one_line(width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, no_color=True)
    console.print(copy_bar("app", Progress(3, 1_000, 1 << 20, 10 << 20)))
    (line,) = lines(file.getvalue())
    assert len(line) <= width
    assert width < 80 or line.endswith("3 files of 1 000, 1.0 MB of 10 MB")
