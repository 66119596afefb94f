"""Every command in bad surroundings: never a traceback, one clear message, the exit code that the README promises.

A test is one kind of surroundings and goes through all commands, in forks of one server, so that it stays cheap.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from sbxcompose.cli.command_names import COMMANDS
from tests.cli.looking import FOREVER
from tests.support.command import COMMAND, LIMIT, Sbx

FILE = f"""
processes:
  web: {{command: "echo hello; {FOREVER}", stdin: pipe}}
  job: {{command: 'true', restart: never}}
"""
WORKING = (
    "ls", "ps", "ps --json", "logs", "logs --json", "why", "why --json", "plan", "events --since 1h --until 0s",
    "stats --no-stream", "wait web", "config", "schema", "host status", "doctor", "completion bash", "version",
    "port", "kill -s CONT web", "exec web echo hi", "run job", "run web echo hi", "cp web:/etc/passwd copied",
    "shell web", "pause", "unpause", "stop job", "start web", "restart job", "up -d", "up -d --wait",
    "graph", "graph --json", "graph --format dot", "scale web=1",
)  # fmt: skip
"""Command lines that succeed in a project that is up, and end by themselves."""
BY_NAME = (
    "up NAME", "up -d NAME", "up --exit-code-from NAME", "down NAME", "start NAME", "stop NAME", "restart NAME",
    "watch NAME", "kill NAME", "run NAME", "exec NAME true", "attach NAME", "shell NAME", "port NAME 80",
    "cp NAME:/x y", "cp x NAME:/y", "ps NAME", "stats NAME", "logs NAME", "logs -f NAME", "why NAME", "plan NAME",
    "events NAME", "wait NAME", "pause NAME", "unpause NAME", "up --scale NAME=2",
    "graph NAME", "scale NAME=2",
)  # fmt: skip
"""Command lines that name a process or a sandbox."""
WITHOUT_PROJECT = ("ls", "schema", "host status", "doctor", "completion bash", "version")
"""Command lines that succeed anywhere."""
pytestmark = pytest.mark.time_limit(600)  # sixty commands one after the other, on a machine that may be busy
ALONE = ("mcp", "top", "init", "convert", "host")
"""Commands with tests of their own: without their package or a terminal they end before they look at a project."""


@dataclass(frozen=True)
class Done:
    """How a command ended; `stdout` is empty where nobody could read it."""

    code: int
    stdout: str
    stderr: str


def run(sbx: Sbx, words: str, *, stdin: str = "</dev/null", stdout: str = "", pipe: int | None = None) -> Done:
    """Run a command line without a terminal, with redirections of a shell."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {stdin} {stdout}', str(COMMAND), *words.split()],
        cwd=sbx.project,
        env=sbx.env,
        stdout=subprocess.PIPE if pipe is None else pipe,
        stderr=subprocess.PIPE,
        start_new_session=True,
        timeout=LIMIT,
        check=False,
    )
    return Done(done.returncode, (done.stdout or b"").decode(), done.stderr.decode())


def problems(results: Mapping[str, Done], codes: Mapping[str, int]) -> list[str]:
    """Return what is wrong with how the command lines ended; each has to end with the code that it has in `codes`."""
    return [f"{words}: {wrong}: {done}" for words, done in results.items() if (wrong := problem(done, codes[words]))]


def problem(done: Done, code: int) -> str | None:
    lines = done.stderr.splitlines()
    if "Traceback" in done.stdout + done.stderr or "internal error" in done.stderr:
        return "failed by itself"
    if done.code != code:
        return f"did not end with {code}"
    if code not in (2, 3):
        return "has an error" if any(line.startswith("error: ") for line in lines) else None
    if not lines or not lines[0].startswith("error: ") or sum(line.startswith("error: ") for line in lines) != 1:
        return "is not one message"
    if sum(line.startswith("hint: ") for line in lines) > 1 or len(lines) > 2:
        return "has more than one remedy"
    return f"wrote {done.stdout!r}" if done.stdout else None


def in_no_project(names: str) -> tuple[str, ...]:
    """All command lines; those by name with a name that could be one."""
    return (*dict.fromkeys((*WORKING, *(words.replace("NAME", names) for words in BY_NAME))), "down", "watch", "up")


def test_every_command_is_in_this_matrix() -> None:
    covered = {words.split()[0] for words in (*WORKING, *BY_NAME)}
    assert covered | set(ALONE) == set(COMMANDS)


def test_without_a_file(sbx: Sbx) -> None:
    results = {words: run(sbx, words) for words in in_no_project("web")}
    codes = {words: 0 if words in WITHOUT_PROJECT else 2 for words in results}
    assert problems(results, codes) == []
    for words, done in results.items():
        if codes[words] == 2:
            assert "no `sbxcompose.yaml`" in done.stderr, words


def test_a_file_of_another_tool_is_offered_for_conversion(sbx: Sbx) -> None:
    sbx.write("services: {db: {image: x}}\n", "compose.yaml")
    results = {
        words: run(sbx, words) for words in ("up", "up -d web", "ps", "logs", "down", "exec web true", "run job")
    }
    assert problems(results, dict.fromkeys(results, 2)) == []
    for words, done in results.items():
        assert "convert compose.yaml" in done.stderr, words


def test_a_project_that_does_not_exist(sbx: Sbx) -> None:
    results = {words: run(sbx, f"-p nonesuch {words}") for words in in_no_project("web")}
    assert results.pop("doctor").code == 3  # its report is its output
    codes = {words: 0 if words in WITHOUT_PROJECT else 2 for words in results}
    assert problems(results, codes) == []
    for words in ("ps", "logs", "why", "down", "stop job", "kill -s CONT web", "stats --no-stream"):
        assert "no project named `nonesuch`" in results[words].stderr, words


def test_a_name_that_does_not_exist(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    results = {words: run(sbx, words.replace("NAME", "wbe")) for words in BY_NAME}
    assert problems(results, dict.fromkeys(results, 2)) == []
    for words, done in results.items():
        assert "`wbe`" in done.stderr, words


@pytest.mark.parametrize("streams", ["closed", "no reader", "no terminal"])
def test_streams_that_are_not_there(sbx: Sbx, streams: str) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    results = {}
    for words in WORKING:
        match streams:
            case "closed":  # each alone: test_cli_streams.py; such a command runs cold
                results[words] = run(sbx, words, stdin="<&-", stdout=">&-")
            case "no reader":
                read, write = os.pipe()
                os.close(read)
                results[words] = run(sbx, words, pipe=write)
                os.close(write)
            case _:
                results[words] = run(sbx, words)
    codes = dict.fromkeys(results, 0)
    if streams == "no reader":  # what has written something ends as by SIGPIPE
        codes = {words: 141 if done.code == 141 else 0 for words, done in results.items()}
        assert {codes[words] for words in ("ps", "config", "plan", "exec web echo hi")} == {141}
    assert problems(results, codes) == []


def test_what_needs_a_terminal_says_so(sbx: Sbx) -> None:
    sbx.write(FILE)
    results = {words: run(sbx, words) for words in ("top", "up --ui")}
    assert problems(results, dict.fromkeys(results, 2)) == []
    assert all("not a terminal" in done.stderr for done in results.values())
