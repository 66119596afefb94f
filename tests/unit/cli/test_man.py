"""Man pages: one for each command, complete, and nothing in them that roff would take for its own."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.main import cli
from sbxcompose.cli.man import pages, write_pages

PAGES = pages()


def test_there_is_a_page_for_every_command_and_subcommand() -> None:
    assert {f"sbxcompose-{name}.1" for name in COMMANDS} | {"sbxcompose.1"} <= set(PAGES)
    assert "sbxcompose-host-serve.1" in PAGES


def test_a_page_has_every_option() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        page = PAGES[f"sbxcompose-{name}.1"].replace("\\-", "-")
        options = [
            option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts
        ]
        assert [option for option in options if option not in page] == [], name


def test_a_page_has_its_sections_and_only_known_requests() -> None:
    for name, page in PAGES.items():
        sections = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
        assert sections[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"], name
        assert set(re.findall(r"^[.'](\w*)", page, re.MULTILINE)) <= {"TH", "SH", "PP", "TP"}, name
        assert "\n\n" not in page, name
        assert page.isascii(), name
        assert page.count("\\fB") == page.count("\\fR"), f"{name}: bold ends where it should"


def test_the_main_page_lists_the_commands_and_the_exit_codes() -> None:
    page = PAGES["sbxcompose.1"]
    assert all(f"\\fBsbxcompose\\-{name}\\fR(1)" in page for name in COMMANDS)
    assert "124 timed out" in page


def test_they_are_written_to_a_directory(tmp_path: Path) -> None:
    written = write_pages(tmp_path / "man")
    assert sorted(path.name for path in written) == sorted(PAGES)
    assert (tmp_path / "man" / "sbxcompose-up.1").read_text() == PAGES["sbxcompose-up.1"]
