"""Completion says what click would say, and passes over mistakes."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from sbxcompose.cli import quick_completion
from sbxcompose.cli.command_names import COMMANDS, VARIABLE
from sbxcompose.cli.completion import Completion
from sbxcompose.cli.main import cli
from sbxcompose.cli.option_table import table
from sbxcompose.cli.quick_completion import quick_answer
from sbxcompose.cli.quick_line import split_line
from sbxcompose.cli.quick_values import GLOBAL_OPTIONS, ValueRequest, values
from tests.support.cases import each_case

FILE = "processes: {web: {command: x}, worker: {command: x}, db: {command: x, profiles: [y]}}\n"
OFFERED = {
    "up --scale w": ["web=", "worker="],
    "up --scale=w": ["--scale=web=", "--scale=worker="],
    "up --scale web=2 --scale wo": ["worker="],
    "up --exit-code-from=d": ["--exit-code-from=db"],
    "scale web=2 w": ["web=", "worker="],
    "graph --format ": ["tree", "dot", "mermaid"],
    "up -dw d": ["db"],
    "up -dw --detac": [],
    "up -t5 d": ["db"],
    "up -t 5 d": ["db"],
    "up -t": ["-t"],
    "logs --tail ": [],
    "logs --tail=5 -- w": ["web", "worker"],
    "logs -x web -x w": ["worker"],
    "-f sbxcompose.yaml up d": ["db"],
    "--file=sbxcompose.yaml -p x up d": ["db"],
    "-f nonesuch.yaml up d": [],
    "--profile y": ["y"],
    "--provider=t": ["--provider=tensorlake"],
    "--color a": ["auto", "always"],
    "kill -s us": ["USR1", "USR2"],
    "ps --filter st": ["status="],
    "ps --filter status=un": ["status=unhealthy"],
    "shell ma": ["main"],
    "shell w": ["web", "worker"],
    "pause ": ["main"],
    "port web": ["web"],
    "port web ": [],
    "cp w": ["web:", "worker:"],
    "cp ./w": ["./w"],
    "cp web:/etc/h": [],
    "cp web:/etc/hosts h": ["h"],
    "completion ": ["bash", "zsh", "fish"],
    "host s": ["serve", "status", "stop"],
    "run web w": ["w"],
    "run -e A=1 w": ["web", "worker"],
    "exec web -": ["-"],
    "convert -o x y": ["y"],
    "logs 'w": ["web", "worker"],
    'logs "web" w': ["worker"],
    "logs we\\b w": ["worker"],
    "x": [],
    "nonesuch ": [],
    "nonesuch -": [],
    "host nonesuch w": [],
    "version web ": [],
    "up --nonesuch w": ["web", "worker"],
    "up --nonesuch=5 w": ["web", "worker"],
    "up --nonesuch --det": ["--detach"],
    "up -q w": ["web", "worker"],
    "up -qd --det": [],
    "up -qt 5 wo": ["worker"],
    "--nonesuch up wo": ["worker"],
}
"""What stands in the answer to a line; a file is completed by the shell, from what is there already."""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)


def asked(shell: str, line: str) -> dict[str, str]:
    """What the shell's script puts into the environment for a command line with the cursor at its end."""
    return {VARIABLE: f"{shell}_complete", "COMP_WORDS": f"sbxcompose {line}"}


def names(line: str = "up ") -> str | None:
    return quick_answer(asked("bash", line))


def test_kept_names_are_those_of_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert names() == "plain,web\nplain,worker\nplain,db\n"
    monkeypatch.setattr("sbxcompose.cli.context.Shell.project", None)  # from now on it is not read again
    assert names() == "plain,web\nplain,worker\nplain,db\n"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "sbxcompose.yaml"
    file.write_text("include: ['${MORE}.yaml']\nprocesses: {api: {command: x}}\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"processes: {{{name}: {{command: x}}}}\n")
        monkeypatch.setenv("MORE", name)
        assert names(f"up {name}") == f"plain,{name}\n"
    (tmp_path / "sbxcompose.override.yaml").write_text("processes: {late: {command: x}}\n")
    assert names("up l") == "plain,late\n"
    file.unlink()
    (tmp_path / "sbxcompose.override.yaml").unlink()
    assert names() == ""


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n\n", b"1 2\nx"])
def test_kept_names_that_are_damaged_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert names("up d") == "plain,db\n"
    (kept,) = (tmp_path / "cache" / "sbxcompose").glob("names-*")
    for damaged in (content, kept.read_bytes()[:-3], kept.read_bytes() + b"more"):
        kept.write_bytes(damaged)
        assert names("up d") == "plain,db\n"


def by_click(
    _: Completion, context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The values of a parameter at a place that click has found."""
    completion = parameter._custom_shell_complete
    assert isinstance(completion, Completion)
    given = context.params.get(parameter.name or "") or ()
    # Where an option lacks its value, click has parsed no arguments: what may be names is left in `args`.
    names = context.params.get("names") or context.args
    root = context.find_root().params
    options = {name: root[name] for name in GLOBAL_OPTIONS.values() if root.get(name)}
    request = ValueRequest(options, given if isinstance(given, tuple) else (), names)
    found = values(completion.source, incomplete, request)
    return [CompletionItem(value, type=kind) for kind, value, _ in found]


def by_name(_: click.Group, context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The commands that begin so, with the texts of the table: click would import them all."""
    found = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
    return found or click.Command.shell_complete(cli, context, incomplete)


SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


def click_answers(line: str) -> dict[str, str]:
    """What click prints for each shell; what it offers is the same for all of them."""
    *given, incomplete = line.split(" ")
    made = {shell: kind(cli, {}, "sbxcompose", VARIABLE) for shell, kind in SHELLS.items()}
    items = made["bash"].get_completions(given, incomplete)
    return {shell: "".join(f"{printer.format_completion(item)}\n" for item in items) for shell, printer in made.items()}


def test_it_says_what_click_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Completion, "__call__", by_click)
    monkeypatch.setattr(type(cli), "shell_complete", by_name)
    lines = ["", "s", "host ", "host s", "host -", "host --"]
    lines += [
        "-",
        "--p",
        "x",
        "up -d w",
        "up --wait --w",
        "up --attach web --a",
        "up --timeout 5 web -",
        "logs -f --tail 5 w",
    ]
    lines += [
        "host -",
        "host serve --",
        "exec -",
        "host stop --f",
        "--provider ",
        "--profile ",
        "shell ",
        "cp w",
        "cp ",
    ]
    lines += ["up --scale w", "up --attach ", "kill -s ", "ps --filter ", "port ", "convert ", "exec web ", "-f x "]
    for line in lines:
        assert {shell: quick_answer(asked(shell, line)) for shell in SHELLS} == click_answers(line), line
    commands = [name for name in COMMANDS if name != "host"]
    for line in [f"{name} {rest}" for name in commands for rest in ("", "w", "web ", "web w", "zz", "-", "--", "--w")]:
        assert names(line) == click_answers(line)["bash"], line


def test_the_table_of_options_is_that_of_the_commands() -> None:
    written = Path(quick_completion.__file__).with_name("options.tsv").read_text()
    assert written == table(), "write it anew: make options"


@each_case("line", OFFERED)
def test_values_are_offered_where_they_belong(line: str) -> None:
    answer = quick_answer({VARIABLE: "bash_complete", "COMP_WORDS": f"sbxcompose {line}"})
    assert answer is not None
    assert [row.partition(",")[2] for row in answer.splitlines()] == OFFERED[line]


def test_bash_replaces_only_what_stands_behind_its_last_break() -> None:
    asked_for = {VARIABLE: "bash_complete", "COMP_WORDS": "sbxcompose up --scale=wo", "COMP_CURRENT": "wo"}
    assert quick_answer(asked_for) == "plain,worker=\n"
    assert quick_answer({**asked_for, "COMP_WORDS": "sbxcompose up --scale=", "COMP_CURRENT": ""}) == (
        "plain,web=\nplain,worker=\nplain,db=\n"
    )


@each_case("line", ["a b", " a  'b c' d\\ e ", "--x='y z' \"w\" ''", "a 'b", 'a "b c'])
def test_lines_are_split_as_shells_do(line: str) -> None:
    words, unfinished = split_line(line)
    closed = line + "".join(quote for quote in "'\"" if line.count(quote) % 2)
    assert words == shlex.split(closed)
    assert unfinished == (not line.endswith(" "))


def test_a_project_of_its_own_is_kept_for_each_set_of_global_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "other.yaml").write_text("processes: {other: {command: x}}\n")
    for _ in range(2):
        assert names("up ") == "plain,web\nplain,worker\nplain,db\n"
        assert (
            quick_answer({VARIABLE: "bash_complete", "COMP_WORDS": "sbxcompose -f other.yaml up "}) == "plain,other\n"
        )
        monkeypatch.setattr("sbxcompose.cli.context.Shell.project", None)  # the second time both are known


def test_that_there_is_nothing_is_kept_until_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "sbxcompose.yaml"
    file.write_text("processes: [")
    assert names() == ""
    with monkeypatch.context() as patched:
        patched.setattr("sbxcompose.cli.context.Shell.project", None)
        assert names() == ""
    file.write_text(FILE)
    assert names("up d") == "plain,db\n"


@each_case("value", [None, "", "bash", "bash_source", "tcsh_complete"])
def test_another_request_has_no_answer(value: str | None) -> None:
    assert quick_answer({} if value is None else {VARIABLE: value, "COMP_WORDS": "sbxcompose up "}) is None


def test_a_file_with_mistakes_completes_nothing_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sbxcompose.yaml").write_text("processes: [")
    assert quick_answer(asked("bash", "logs ")) == ""
    assert capsys.readouterr().err == ""
