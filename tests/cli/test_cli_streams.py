"""Colours, narrow terminals, no terminal, full disks and closed descriptors: whatever our own streams are."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
import yaml

from tests.cli.looking import FOREVER, pids
from tests.support.command import COMMAND, Sbx

ESCAPE = "\x1b["
WEB = f"processes: {{web: {{command: 'echo hello; {FOREVER}', ready_when: {{log: hello}}}}}}\n"


def on_terminal(sbx: Sbx, *arguments: str, **env: str) -> str:
    """Everything that a command shows on a terminal."""
    with sbx.start(*arguments, terminal=True, env=env) as running:
        result = running.wait()
    assert result.code == 0, str(result)
    return result.stdout


def up(sbx: Sbx) -> None:
    sbx.write(WEB)
    sbx.run("up", "-d", "--wait")


@pytest.mark.parametrize("arguments", [["ps"], ["logs"], ["up", "-d", "--wait"]], ids=" ".join)
def test_colours_on_a_terminal_unless_told_otherwise(sbx: Sbx, arguments: list[str]) -> None:
    up(sbx)
    assert ESCAPE in on_terminal(sbx, *arguments)
    assert ESCAPE not in on_terminal(sbx, *arguments, NO_COLOR="1")
    assert ESCAPE not in on_terminal(sbx, "--no-color", *arguments)


def test_colours_are_off_on_a_dumb_terminal_and_when_told_so(sbx: Sbx) -> None:
    up(sbx)
    assert ESCAPE not in on_terminal(sbx, "--color", "never", "ps")
    assert ESCAPE not in on_terminal(sbx, "ps", TERM="dumb")


@pytest.mark.parametrize("arguments", [["ps"], ["logs"], ["up", "-d", "--wait"]], ids=" ".join)
def test_no_colours_into_pipes_unless_told_otherwise(sbx: Sbx, arguments: list[str]) -> None:
    up(sbx)

    def said(*command: str, **env: str) -> str:
        result = sbx.run(*command, env=env)
        return result.stdout + result.stderr

    assert ESCAPE not in said(*arguments)
    assert ESCAPE in said(*arguments, FORCE_COLOR="1")
    assert ESCAPE in said("--color", "always", *arguments)
    assert ESCAPE not in said(*arguments, FORCE_COLOR="1", NO_COLOR="1")
    if arguments == ["ps"]:
        assert ESCAPE not in said(*arguments, FORCE_COLOR="0")


def test_json_is_never_coloured(sbx: Sbx) -> None:
    up(sbx)
    for arguments in (["ps", "--json"], ["logs", "--json"], ["plan", "--json"], ["config", "--json"]):
        assert ESCAPE not in sbx.run(*arguments, env={"FORCE_COLOR": "1"}).stdout


@pytest.mark.parametrize("option", [["--no-color"], ["--color", "never"]], ids=" ".join)
def test_the_option_holds_for_errors_too(dry: Sbx, option: list[str]) -> None:
    dry.write("processes: {web: {comand: x}}\n")
    env = {"FORCE_COLOR": "1"}
    assert ESCAPE in dry.run("config", code=2, env=env).stderr
    assert ESCAPE not in dry.run("config", code=2, env={"NO_COLOR": "1"}).stderr
    assert ESCAPE not in dry.run(*option, "config", code=2, env=env).stderr


def test_a_table_fits_into_a_narrow_terminal(sbx: Sbx) -> None:
    sbx.write(
        f"processes: {{web: {{command: 'echo {'long ' * 40}; {FOREVER}'}}, a-rather-long-name: {{command: x}}}}\n"
    )
    sbx.run("up", "-d", "web")
    with sbx.start("ps", terminal=True, env={"NO_COLOR": "1"}) as wide:
        wide.resize(24, 100)
        shown = wide.wait().stdout.replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 100
    assert any(line.endswith("…") for line in shown)
    assert any("long long" in line for line in sbx.run("ps").stdout.splitlines() if len(line) > 150), (
        "not cut in a pipe"
    )


def test_a_table_fits_into_forty_columns(sbx: Sbx) -> None:
    up(sbx)
    with sbx.start("ps", terminal=True, env={"NO_COLOR": "1", "COLUMNS": "40"}) as narrow:
        shown = narrow.wait().stdout.replace("\r", "").splitlines()
    assert max(map(len, shown)) <= 40


def test_a_narrow_terminal_is_not_an_error(sbx: Sbx) -> None:
    up(sbx)
    for columns, arguments in (("40", ["why", "web"]), ("10", ["ps"]), ("1", ["ps"]), ("1", ["logs"]), ("1", ["-h"])):
        assert "Traceback" not in on_terminal(sbx, *arguments, COLUMNS=columns)


def with_shell(sbx: Sbx, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which `$SBX` is the command."""
    env = {**sbx.env, "SBX": str(COMMAND)}
    return subprocess.run(["sh", "-c", script], cwd=sbx.project, env=env, capture_output=True, text=True, check=False)


EVERY = ["ps", "config", "plan", "logs", "schema", "--help", "host status", "version", "--version"]
"""Commands that write data to standard output."""
WRITING = (
    *("ps", "ps --json", "config", "plan", "schema", "logs", "logs -f", "events --since 1h", "ls", "why"),
    *("graph", "stats --no-stream", "exec web echo hi"),
)
"""Those that do here, as soon as they begin."""


def test_a_full_disk_under_standard_output_is_reported_in_one_line(sbx: Sbx) -> None:
    up(sbx)
    for arguments in EVERY:
        done = with_shell(sbx, f"$SBX {arguments} > /dev/full")
        assert done.returncode not in (0, 120), f"{arguments}: what was not written was not a success"
        assert "Traceback" not in done.stderr, arguments
        assert "o space left" in done.stderr, arguments
        assert "a defect of sbxcompose" not in done.stderr, arguments


def test_a_closed_standard_input_does_not_matter(sbx: Sbx) -> None:
    up(sbx)
    for arguments in ("up -d", "exec web true"):
        done = with_shell(sbx, f"$SBX {arguments} <&-")
        assert "Traceback" not in done.stderr
        assert done.returncode == 0, f"{arguments}: {done.stderr}"


def without_reader(sbx: Sbx, arguments: str) -> tuple[int, str]:
    """The exit code and the words of a command whose standard output nobody reads from the beginning on."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as pipe:
        command = [str(COMMAND), *arguments.split()]
        done = subprocess.run(command, cwd=sbx.project, env=sbx.env, stdout=pipe, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode()


def test_a_reader_that_is_gone_is_the_same_exit_code_everywhere_and_no_message(sbx: Sbx) -> None:
    up(sbx)
    assert {words: without_reader(sbx, words) for words in WRITING} == dict.fromkeys(WRITING, (141, ""))
    for words in ("--help", "host status", "version"):
        assert without_reader(sbx, words)[1] == "", words


def test_output_into_a_file_is_complete_and_plain(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: 'seq 5000', restart: never}}\n")
    done = with_shell(sbx, "$SBX up > out.txt 2> err.txt < /dev/null")
    assert done.returncode == 0
    text = (sbx.project / "out.txt").read_text()
    assert [line.removeprefix("a | ") for line in text.splitlines() if line.startswith("a | ")] == [
        str(number) for number in range(1, 5001)
    ]
    assert ESCAPE not in text
    assert re.search("all processes have exited", (sbx.project / "err.txt").read_text())
    assert pids(sbx) == {}


# Each starts cold. More of them with two closed streams: test_cli_bad_input.py.
READ_ONLY_COMMANDS = ["plan", "logs", "why web", "--version"]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_like_dev_null(sbx: Sbx, closed: str) -> None:
    up(sbx)
    for arguments in READ_ONLY_COMMANDS:
        done = with_shell(sbx, f"$SBX {arguments} {closed}")
        assert (done.returncode, done.stderr) == (0, ""), arguments
        if "2>" not in closed:
            assert done.stdout == "", arguments


def test_an_error_has_its_exit_code_though_it_cannot_be_printed(dry: Sbx) -> None:
    for stream in ("2>&-", ">&- 2>&-", "2>/dev/full"):
        done = with_shell(dry, f"$SBX nonsense {stream}")
        assert (done.returncode, done.stdout) == (2, ""), stream


def test_a_full_disk_under_standard_error_does_not_end_what_was_begun(sbx: Sbx) -> None:
    sbx.write(WEB)
    assert with_shell(sbx, "$SBX up -d --wait 2>/dev/full").returncode == 0
    assert list(pids(sbx)) == ["web"]
    assert with_shell(sbx, "$SBX down 2>/dev/full").returncode == 0
    assert pids(sbx) == {}


def test_what_the_encoding_does_not_have_is_escaped(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'echo grüße 日本; {FOREVER}', env: {{WORD: ü日}}}}}}\n")
    sbx.run("up", "-d")
    commands = {"ascii": ("ps", "plan", "why web", "why nobody-é"), "latin-1": ("ps", "why nobody-é")}  # all cold
    for encoding, lines in commands.items():
        env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
        for arguments in lines:
            done = sbx.run(*arguments.split(), code=2 if "nobody" in arguments else 0, env=env)
            assert "Traceback" not in done.stderr + done.stdout
            assert "internal error" not in done.stderr
            assert "defect" not in done.stderr
        assert sbx.run("config", "--json", env=env).json == sbx.run("config", "--json").json, "escaped as JSON has it"
        assert yaml.safe_load(sbx.run("config", env=env).stdout) == yaml.safe_load(sbx.run("config").stdout)


@pytest.mark.parametrize("arguments", ["logs -f", "events --since 1h", "up", "up --json"])
def test_what_follows_ends_with_its_reader_although_nothing_more_is_written(sbx: Sbx, arguments: str) -> None:
    """As `logs -f | grep -m1 hello` does it."""
    up(sbx)
    command = [str(COMMAND), *arguments.split()]
    with subprocess.Popen(command, cwd=sbx.project, env=sbx.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdout
        assert one.stderr
        assert one.stdout.readline()
        one.stdout.close()
        assert one.wait(120) == 141
        assert b"error" not in one.stderr.read()
