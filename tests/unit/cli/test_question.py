"""A question on the terminal: nothing else is written there until it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sbxcompose.cli.context import GlobalOptions, Shell
from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.status_block import StatusBlock
from sbxcompose.plan.waits import Wait, WaitState


def test_lines_and_the_status_block_come_after_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(GlobalOptions())
    block = StatusBlock(False, str, shell.write)
    block.enabled = True
    shell.before_echo = block.make_room
    block.draw(Live(None, ((Wait("", name="db", standing=WaitState("starting")), 1.0),)))
    held: list[str] = []

    @contextmanager
    def hold() -> Iterator[None]:
        held.append("held")
        yield
        held.append("released")

    shell.hold_output = hold
    with shell.question("replace it? [y/N] "):
        shell.echo("web started")
        block.restore()
        block.draw(Live(None, ((Wait("", name="db", standing=WaitState("waiting")), 2.0),)))
        assert capsys.readouterr().err.endswith("\x1b[J\rreplace it? [y/N] ")
        assert held == ["held"]
    assert held == ["held", "released"]
    assert capsys.readouterr().err == (
        "web started\n\x1b[?7l  db  starting  1 s\x1b[?7h\r\r\x1b[K\x1b[C\x1b[J\r\x1b[?7l  db  waiting  2 s\x1b[?7h\r"
    )


def test_what_was_held_is_written_after_an_interrupt_too(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(GlobalOptions())

    def ask() -> None:
        with shell.question("replace it? [y/N] "):
            shell.echo("web started")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask()
    assert capsys.readouterr().err == "replace it? [y/N] web started\n"
