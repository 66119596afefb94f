"""Every command explains itself, without a project and without a host."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from sbxcompose import __version__
from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.examples import EXAMPLES, typed
from sbxcompose.cli.main import HelpContext, cli, run
from tests.support.cases import each_case
from tests.support.command import Sbx


@each_case("name", COMMANDS)
def test_every_command_has_a_help_that_says_more_than_its_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"Usage: sbxcompose {name} ")
    assert shown.err == ""
    _, _, rest = shown.out.partition("\n\n")
    words = rest.partition("Options:")[0].split()
    assert len(words) >= 5, shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    assert all(example in shown.out for example, _ in EXAMPLES.get(name, ()))


def test_a_help_needs_no_project(tmp_path_factory: pytest.TempPathFactory, dry: Sbx) -> None:
    done = dry.run("up", "--help", cwd=tmp_path_factory.mktemp("nowhere"))
    assert done.stdout.startswith("Usage: sbxcompose up ")
    assert done.stderr == ""


def test_the_help_lists_every_command_and_teaches(dry: Sbx) -> None:
    shown = dry.run("--help").stdout
    for name, (_, text) in COMMANDS.items():
        assert f"  {name} " in shown
        assert text.split()[0] in shown
    assert "sbxcompose logs -f web   follow one process" in shown, "beside each other at 80 columns"
    assert "Exit codes" in shown
    assert dry.run("-h").stdout == shown


def test_without_a_command_it_shows_its_help(dry: Sbx) -> None:
    done = dry.run(code=None)
    assert done.code in (0, 2)
    assert "Usage: sbxcompose" in done.stdout + done.stderr


def test_version(dry: Sbx) -> None:
    for argument in ("--version", "-V", "version"):
        assert dry.run(argument).stdout == f"sbxcompose {__version__}\n"


def test_version_for_programs(dry: Sbx) -> None:
    assert dry.run("version", "--short").stdout == f"{__version__}\n"
    assert dry.run("version", "--json").json == {"version": __version__}


@each_case("name", ["serve", "status", "stop"])
def test_the_commands_of_host_explain_themselves(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["host", name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: sbxcompose host {name} ")


def test_help_fits_a_narrow_terminal_but_for_what_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    context = HelpContext(cli, info_name="sbxcompose")
    for columns in (40, 50, 60, 70, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name in ("", *COMMANDS):
            command = cli.get_command(context, name) if name else cli
            assert command is not None
            shown = command.get_help(HelpContext(command, parent=context if name else None, info_name=name or "sbx"))
            wide = [line for line in shown.splitlines() if len(line) > columns]
            assert all("sbxcompose " in line and "  " not in line.strip() for line in wide), (name, columns, wide)


def test_every_command_has_two_examples() -> None:
    assert all(len(examples) >= 2 for examples in EXAMPLES.values())
    assert {name.partition(" ")[0] for name in EXAMPLES} == COMMANDS.keys() - {"completion"}


def test_the_help_of_ps_names_every_key_of_a_filter(dry: Sbx) -> None:
    shown = dry.run("ps", "--help").stdout
    keys = dry.run("ps", "--filter", "none=x", code=2).stderr.partition("keys: ")[2].strip().split(", ")
    assert len(keys) > 5
    assert not [key for key in keys if f"`{key}`" not in shown]


def test_examples_can_be_typed_as_they_are_shown(dry: Sbx) -> None:
    assert "\n    sbxcompose convert -o sbxcompose.yaml " in dry.run("convert", "--help").stdout
    assert "\n    sbxcompose schema > sbxcompose.schema.json " in dry.run("schema", "--help").stdout
    every = [typed(example) for examples in EXAMPLES.values() for example, _ in examples]
    assert not [example for example in every if not re.search(r"(^|[|(] ?|&& )sbxcompose ", example)]


@each_case("example", [example for examples in EXAMPLES.values() for example, _ in examples])
def test_every_example_is_a_valid_command_line(example: str) -> None:
    _, called, own = example.rpartition("sbxcompose ")
    words = shlex.split(re.split(r" [>|] |\)", own if called else example)[0])
    while words[0].startswith("-"):  # an option of `sbxcompose` itself, and its value
        words = words[2:]
    context = click.Context(cli)
    command, rest = cli.get_command(context, words[0]), words[1:]
    while isinstance(command, click.Group):
        command, rest = command.get_command(context, rest[0]), rest[1:]
    assert command is not None
    command.make_context(words[0], rest, parent=context)
