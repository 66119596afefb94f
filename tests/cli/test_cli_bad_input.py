"""Every command in bad surroundings: never a traceback, one clear message, the exit code that the README promises.

A test is one kind of surroundings and goes through all commands, in forks of one server, so that it stays cheap.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from sbxcompose.cli.command_names import COMMANDS
from tests.cli.looking import FOREVER
from tests.support.command import COMMAND, LIMIT, Result, Sbx

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
CLOSED = (
    *("ls", "ps --json", "logs", "config", "exec web echo hi", "run job", "up -d --wait"),
    "cp web:/etc/passwd copied",
)
"""Some that also have to run with closed streams: cold, since those cannot be handed over, so not all of them."""
WITHOUT_PROJECT = ("ls", "schema", "host status", "doctor", "completion bash", "version")
"""Command lines that succeed anywhere."""
pytestmark = pytest.mark.time_limit(600)  # forty commands one after the other, on a machine that may be busy
ALONE = ("mcp", "top", "init", "convert", "host")
"""Commands with tests of their own: without their package or a terminal they end before they look at a project."""


def run(sbx: Sbx, words: str) -> Result:
    """Run a command line without a terminal."""
    return sbx.run(*words.split(), code=None)


def run_redirected(sbx: Sbx, words: str, redirections: str) -> Result:
    """Run a command line with redirections of a shell."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirections}', str(COMMAND), *words.split()],
        cwd=sbx.project,
        env=sbx.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=LIMIT,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def problems(results: Mapping[str, Result], codes: Mapping[str, int]) -> list[str]:
    """Return what is wrong with how the command lines ended; each has to end with the code that it has in `codes`."""
    return [f"{words}: {wrong}: {done}" for words, done in results.items() if (wrong := problem(done, codes[words]))]


def problem(done: Result, code: int) -> str | None:
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


def of_each_command(name: str) -> dict[str, str]:
    """One command line of each command, by its first word: what is refused before its options are looked at."""
    by_name = [words.replace("NAME", name) for words in BY_NAME]
    return {words.split()[0]: words for words in (*by_name, *WORKING, "down", "watch", "up")}


def test_every_command_is_in_this_matrix() -> None:
    covered = {words.split()[0] for words in (*WORKING, *BY_NAME)}
    assert covered | set(ALONE) == set(COMMANDS)


def test_without_a_file(sbx: Sbx) -> None:
    results = {words: run(sbx, words) for words in of_each_command("web").values()}
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
    lines = of_each_command("web")
    results = {words: run(sbx, f"-p nonesuch {words}") for words in lines.values()}
    assert results.pop("doctor").code == 3  # its report is its output
    codes = {words: 0 if words in WITHOUT_PROJECT else 2 for words in results}
    assert problems(results, codes) == []
    for name in ("ps", "logs", "why", "down", "stop", "kill", "stats"):
        assert "no project named `nonesuch`" in results[lines[name]].stderr, name


def test_a_name_that_does_not_exist(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    results = {words: run(sbx, words.replace("NAME", "wbe")) for words in BY_NAME}
    assert problems(results, dict.fromkeys(results, 2)) == []
    for words, done in results.items():
        assert "`wbe`" in done.stderr, words


def test_without_a_terminal(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    results = {words: run(sbx, words) for words in WORKING}
    assert problems(results, dict.fromkeys(results, 0)) == []


def test_closed_streams(sbx: Sbx) -> None:
    """Each alone: test_cli_streams.py."""
    sbx.write(FILE)
    sbx.run("up", "-d")
    results = {words: run_redirected(sbx, words, "<&- >&-") for words in CLOSED}
    assert problems(results, dict.fromkeys(results, 0)) == []


def test_what_needs_a_terminal_says_so(sbx: Sbx) -> None:
    sbx.write(FILE)
    results = {words: run(sbx, words) for words in ("top", "up --ui")}
    assert problems(results, dict.fromkeys(results, 2)) == []
    assert all("not a terminal" in done.stderr for done in results.values())
