"""Mistakes on the command line: one style, and a way out."""

from __future__ import annotations

import re

import pytest

from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.main import cli, run
from sbxcompose.cli.other_tools import COMMANDS_ELSEWHERE, OPTIONS_ELSEWHERE
from tests.support.cases import each_case

PROGRAM = "sbxcompose"


def said(capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    """What is said of a wrong command line, nothing of which may run."""
    assert run(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


@each_case(
    "line,message,hint",
    [
        ("list", "no command named `list`", "`sbxcompose ps` lists what runs"),
        ("status", "no command named `status`", "`sbxcompose ps` lists what runs"),
        ("connect", "no command named `connect`", "`sbxcompose attach` connects to a process"),
        ("monit", "no command named `monit`", "`sbxcompose top` shows everything"),
        ("tsart", "no command named `tsart`", "did you mean `start`?"),
        ("restrat", "no command named `restrat`", "did you mean `restart`?"),
        ("nonsense", "no command named `nonsense`", "`sbxcompose --help` lists the commands"),
        ("host strat", "no command named `strat`", "`sbxcompose host --help` lists the commands"),
        ("host srve", "no command named `srve`", "did you mean `serve`?"),
        ("up --force-recrate", "no option `--force-recrate` for `sbxcompose up`", "did you mean `--force-recreate`?"),
        ("up -dx", "no option `-x` for `sbxcompose up`", "`sbxcompose up --help` lists the options"),
        ("--nope ps", "no option `--nope` for `sbxcompose`", "`sbxcompose --help` lists the options"),
        (
            "up -f x.yaml",
            "no option `-f` for `sbxcompose up`",
            "it stands before the command: `sbxcompose -f FILE up`",
        ),
        (
            "up --color never",
            "no option `--color` for `sbxcompose up`",
            "it stands before the command: `sbxcompose --color auto|always|never up`",
        ),
        (
            "host serve --no-color",
            "no option `--no-color` for `sbxcompose host serve`",
            "it stands before the command: `sbxcompose --no-color host serve`",
        ),
        ("exec --rm web ls", "no option `--rm` for `sbxcompose exec`", "leave it out: a command that was run leaves"),
        ("run -xt web", "no option `-x` for `sbxcompose run`", "`sbxcompose run --help` lists the options"),
        ("down -v", "no option `-v` for `sbxcompose down`", "leave it out; `sbxcompose down --terminate` deletes"),
        ("up --quiet-pull", "no option `--quiet-pull` for `sbxcompose up`", "leave it out: nothing is pulled here"),
        ("ps --no-trunc", "no option `--no-trunc` for `sbxcompose ps`", "`sbxcompose ps | cat` prints whole commands"),
        ("run -v a:b web", "no option `-v` for `sbxcompose run`", "leave it out: processes see the files of the"),
        ("run -p 80:80 web", "no option `-p` for `sbxcompose run`", "leave it out: a process listens on its port"),
        ("up -V", "no option `-V` for `sbxcompose up`", "leave it out: there are no volumes here"),
        ("-v", "no option `-v` for `sbxcompose`", "`-V` shows the version"),
        ("-D", "no option `-D` for `sbxcompose`", "`sbxcompose up -d` runs everything in the background"),
        (
            "up -t=false",
            "`--timeout`: invalid duration `=false`; examples: `90s`, `500ms`, `1m30s`",
            "leave it out: `up`",
        ),
        (
            "up --tui=false",
            "no option `--tui` for `sbxcompose up`",
            "leave it out: `up` prints lines, and `--ui` shows",
        ),
        ("process start web", "no command named `process`", "`sbxcompose start PROCESS` starts processes"),
        ("process logs web", "no command named `process`", "`sbxcompose logs PROCESS` shows output"),
        ("process", "no command named `process`", "commands take names at once"),
        ("project state", "no command named `project`", "`sbxcompose ls` shows how many"),
        ("ps -o wide", "no option `-o` for `sbxcompose ps`", "`-l` shows more"),
        ("config --volumes", "no option `--volumes` for `sbxcompose config`", "leave it out: there are no volumes"),
        ("tree", "no command named `tree`", "`sbxcompose graph` shows which process needs which"),
        *(
            (
                f"stop -t {value}",
                f"`--timeout`: invalid duration `{value}`; examples: `90s`, `500ms`, `1m30s`",
                "`sbxcompose stop --help` shows what it takes",
            )
            for value in ("-1", "nan", "inf", "1e3")
        ),
        ("completion", "missing SHELL", "`sbxcompose completion --help` shows what it takes"),
        ("attach", "missing PROCESS", "`sbxcompose top` shows all processes"),
        ("run", "missing PROCESS", "`sbxcompose run PROCESS` runs a process"),
        ("exec web", "missing COMMAND", "`sbxcompose exec PROCESS COMMAND` runs a command"),
        ("logs --tail", "option `--tail` needs a value", "`sbxcompose logs --help` shows what it takes"),
        ("up --detach=3", "option `--detach` takes no value", "`sbxcompose up --help` shows what it takes"),
        ("version a b", "unexpected argument `a`", "`sbxcompose version --help` shows what it takes"),
        (
            "--color x ps",
            "invalid value `x` for `--color`; expected `auto`, `always` or `never`",
            "`sbxcompose --help` shows what it takes",
        ),
        (
            "host serve --port 70000",
            "invalid value `70000` for `--port`; expected a whole number from 0 to 65535",
            "`sbxcompose host serve --help` shows what it takes",
        ),
        (
            "stop -t x",
            "`--timeout`: invalid duration `x`; examples: `90s`, `500ms`, `1m30s`",
            "`sbxcompose stop --help` shows",
        ),
        (
            "up --scale web",
            "invalid value `web` for `--scale`; expected PROCESS=NUMBER, for example `web=3`",
            "`sbxcompose up --help` shows",
        ),
        (
            "up --wait-timeout x",
            "`--wait-timeout`: invalid duration `x`; examples: `90s`, `500ms`, `1m30s`",
            "`sbxcompose up --help` shows",
        ),
    ],
)
def test_a_mistake_is_reported_in_the_style_of_all_others(
    capsys: pytest.CaptureFixture[str], line: str, message: str, hint: str
) -> None:
    first, second = said(capsys, line)
    assert first == f"error: {message}"
    assert second.startswith(f"hint: {hint}")


def test_commands_of_other_tools_lead_to_ours(capsys: pytest.CaptureFixture[str]) -> None:
    for name in sorted(COMMANDS_ELSEWHERE.keys() - COMMANDS.keys()):
        _, hint = said(capsys, name)
        named = re.findall(r"`sbxcompose ([a-z]+)", hint) or re.findall(r"did you mean `([a-z]+)`", hint)
        assert name == "help" or (named and set(named) <= COMMANDS.keys()), name


def test_options_of_other_tools_lead_to_something_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    general = f"{PROGRAM} --help"
    for name, expected in OPTIONS_ELSEWHERE.items():
        called, _, option = name.rpartition(" ")
        words = (called or "graph").split() if called != PROGRAM else []
        _, hint = said(capsys, " ".join([*words, option]))
        assert hint == f"hint: {expected}", name
        assert general not in hint
        assert set(re.findall(r"`sbxcompose ([a-z]+)", hint)) <= COMMANDS.keys(), name


# What people type who know Docker Compose (reference of its command line, version 2) and process-compose by heart.
VOCABULARY = """
up --abort-on-container-failure --attach-dependencies --build --menu --no-build
up --no-start --pull --quiet-build --quiet-pull -V -y --yes --renew-anon-volumes
up -D -e -n -u -U -L -l --env --port --log-file --no-server --ordered-shutdown --tui --disable-dotenv --keep-project
up --keep-tui --detach-on-success --detached-with-tui --hide-disabled --dry-run --theme --sort --reverse --shortcuts
up --ref-rate --config --namespace --use-uds --unix-socket --address --token-file --logs-truncate --follow
attach --detach-keys --index
config --environment --hash --images --lock-image-digests --networks --no-interpolate --no-normalize
config --format -o --output --no-path-resolution --no-env-resolution --resolve-image-digests --volumes
cp --all --index
down --rmi -v --volumes
events --filter
exec --index --privileged
kill --remove-orphans
logs --index
port --index --protocol
ps --no-trunc --orphans
run --build --cap-add --cap-drop --entrypoint --env-from-file --name -p --publish --pull --quiet-build --quiet-pull
run --remove-orphans -P --service-ports --use-aliases -v --volume
start -c
stats -a --all
version -f --format
wait --down-project
watch --no-up
"""


@each_case("line", VOCABULARY.strip().splitlines())
def test_options_known_from_other_tools_are_answered(capsys: pytest.CaptureFixture[str], line: str) -> None:
    name, *options = line.split()
    unanswered = [option for option in options if f"{PROGRAM} {name} --help" in said(capsys, f"{name} {option}")[1]]
    assert not unanswered


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    run(["host"])
    captured = capsys.readouterr()
    assert "Usage: sbxcompose host" in captured.out + captured.err


@pytest.mark.parametrize("columns", [30, 40, 51])
@pytest.mark.parametrize("command", ["logs", "up", "host"])
def test_help_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, command: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    root = cli.make_context("sbxcompose", [], resilient_parsing=True)
    found = cli.get_command(root, command)
    assert found is not None
    page = found.make_context(command, [], parent=root, resilient_parsing=True).get_help().partition("Examples:")[0]
    assert [line for line in page.splitlines() if len(line) > columns and not line.startswith("  -")] == []
    assert "sandboxes" in page.split() or "output" in page.split(), "words are whole"
