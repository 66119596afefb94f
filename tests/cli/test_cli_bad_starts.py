"""What cannot be started, or is asked for in a way that makes no sense: the system's words, and who is at fault."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import pytest

from tests.cli.looking import FOREVER, pids, refused, rows
from tests.support.command import COMMAND, Sbx

WAITS = f"  next: {{command: {FOREVER}, depends_on: [web]}}\n  other: {{command: {FOREVER}}}\n"


BAD = {
    "not-found": ("command: [no-such-command]", ["command not found: no-such-command"]),
    "not-executable": ("command: [./plain.txt]", ["not executable", "plain.txt"]),
    "directory": ("command: [./folder]", ["folder"]),
    "workdir": ("command: ['true'], workdir: nowhere", ["no such directory", "nowhere"]),
    "workdir-is-file": ("command: ['true'], workdir: plain.txt", ["plain.txt"]),
    "user": ("command: ['true'], user: nobody-by-this-name", ["nobody-by-this-name"]),
    "interpreter": ("command: [./script]", ["script", "no-such-interpreter"]),
    "empty": ("command: ['no such', \"\"]", ["no such"]),
}
"""By a name, the keys of a process that cannot be started, and words about it."""


def test_what_cannot_be_started_is_named_and_holds_up_only_its_dependents(sbx: Sbx) -> None:
    sbx.write("words\n", "plain.txt")
    sbx.write("#!/no-such-interpreter\n", "script").chmod(0o755)
    (sbx.project / "folder").mkdir()
    needs = "".join(f"  after-{name}: {{command: {FOREVER}, depends_on: [{name}]}}\n" for name in BAD)
    others = f"{needs}  other: {{command: {FOREVER}}}\n"
    sbx.write("processes:\n" + "".join(f"  {name}: {{{keys}}}\n" for name, (keys, _) in BAD.items()) + others)
    said = sbx.run("up", "-d", code=1).stderr
    assert "Traceback" not in said
    for name, (_, words) in BAD.items():
        (line,) = [line for line in said.splitlines() if f"{name} could not be started" in line]
        assert [word for word in words if word not in line] == []
        assert f"after-{name} was not started: held up by {name}" in said
    assert set(pids(sbx)) == {"other"}
    sbx.write("processes:\n" + "".join(f"  {name}: {{command: {FOREVER}}}\n" for name in BAD) + others)
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {*BAD, *(f"after-{name}" for name in BAD), "other"}, "the next `up` puts it right"


def test_attached_up_names_what_cannot_be_started(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: [no-such-command]}}\n")
    up = sbx.run("up", code=1)
    assert "command not found: no-such-command" in up.stdout
    assert "command not found: no-such-command" in up.stderr


def test_up_wait_names_what_cannot_be_started(sbx: Sbx) -> None:
    sbx.write(f"processes:\n  web: {{command: [no-such-command]}}\n{WAITS}")
    up = sbx.run("up", "--wait", code=1)
    assert "web could not be started: command not found: no-such-command" in up.stderr
    assert "next waits for web" in up.stderr


def test_a_shell_command_that_is_not_found_shows_the_shells_words(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: no-such-command --now, restart: never}
  next: {command: x, depends_on: {web: completed}}
""")
    up = sbx.run("up", "-d", code=1)
    assert "web exited with code 127" in up.stderr
    assert "no-such-command: not found" in up.stderr


def test_a_port_that_is_taken_is_reported_by_the_process_itself(sbx: Sbx) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sbx.write(f"""
processes:
  web: {{command: "python3 -m http.server --bind 127.0.0.1 {port}", restart: never, ready_when: {{log: Serving}}}}
  next: {{command: "true", depends_on: [web]}}
""")
        up = sbx.run("up", "-d", code=1)
    assert "Address already in use" in up.stderr
    assert "next was not started: held up by web" in up.stderr


def test_a_project_in_a_folder_that_is_gone(dry: Sbx) -> None:
    gone = dry.project / "gone"
    gone.mkdir()
    dry.write("processes: {}\n")
    done = dry.run("--project-directory", str(gone / "nix"), "ps", code=None)
    assert "Traceback" not in done.stderr
    assert done.code in (0, 2)


def test_no_traceback_when_the_working_directory_was_removed(dry: Sbx) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && exec {os.fspath(COMMAND)} ps"
    done = subprocess.run(
        ["sh", "-c", script], cwd=dry.project, env=dry.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["ups"], ["no command named `ups`", "did you mean `up`?"]),
        (["xyzzy"], ["no command named `xyzzy`", "--help"]),
        (["up", "--detatch"], ["--detatch", "--detach"]),
        (["--fiel", "x", "up"], ["--fiel", "--file"]),
        (["logs", "--tial", "3"], ["--tial", "--tail"]),
        (["up", "--wait-timeout"], ["--wait-timeout"]),
        (["down", "--timeout", "soon"], ["--timeout", "soon"]),
        (["wait", "--for", "christmas"], ["christmas", "ready"]),
        (["host", "sit"], ["sit"]),
        (["exec"], ["PROCESS"]),
        (["--color", "pink", "ps"], ["pink"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_answered_with_what_may_have_been_meant(
    dry: Sbx, arguments: list[str], words: list[str]
) -> None:
    dry.write("processes: {web: {command: 'true'}}\n")
    said = refused(dry, *arguments)
    for word in words:
        assert word in said, said


def test_an_interrupted_command_reports_only_the_interrupt(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  web: {{command: "echo up; {FOREVER}"}}
  job: {{command: "true", restart: never}}
""")
    sbx.run("up", "-d")
    with sbx.start("wait", "--for", "exit") as wait, sbx.start("logs", "-f") as logs:
        wait.wait_for("job exited")
        logs.wait_for("up")
        for one_wait in (wait, logs):
            one_wait.signal(signal.SIGINT)
            done = one_wait.wait()
            assert done.code == 130
            assert "Traceback" not in done.stderr


FAILS = """
processes:
  web: {command: [./run.sh, --key, not-for-your-eyes], env: {KEY: not-for-your-eyes}, secrets: [KEY]}
  dir: {command: "true", workdir: nowhere}
"""


def test_a_failed_start_is_remembered_over_a_restart_of_the_host_until_one_succeeds(sbx_alone: Sbx) -> None:
    sbx_alone.write(FAILS)
    sbx_alone.run("up", "-d", code=1)
    for _ in range(2):
        said = sbx_alone.run("why", code=1).stdout
        assert "web could not be started" in said
        assert "no such file: ./run.sh" in said
        assert "`./run.sh --key ***`" in said
        assert f"no such directory: {sbx_alone.project}/nowhere" in said
        row = rows(sbx_alone)["web"]
        assert (row["status"], row["last_error"]) == ("failed to start", "no such file: ./run.sh")
        sbx_alone.run("host", "stop")
    sbx_alone.write("#!/bin/sh\nexec sleep 1000\n", "run.sh").chmod(0o755)
    sbx_alone.run("up", "-d", "web")
    assert "could not" not in sbx_alone.run("why", "web").stdout
    assert rows(sbx_alone)["web"]["status"] == "running"


def test_why_reports_a_failed_start_after_good_ones(sbx: Sbx) -> None:
    sbx.write(FAILS)
    script = sbx.write("#!/bin/sh\nexec sleep 1000\n", "run.sh")
    script.chmod(0o755)
    sbx.run("up", "-d", "web")
    script.unlink()
    sbx.run("restart", "web", code=1)
    assert "no such file: ./run.sh" in sbx.run("why", "web", code=1).stdout
    assert rows(sbx)["web"]["status"] == "failed to start"


def test_a_failed_start_is_forgotten_after_down(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: [./missing.sh]}}\n")
    sbx.run("up", "-d", code=1)
    assert "failed" in rows(sbx)["web"]["status"]
    sbx.run("down")
    assert rows(sbx)["web"]["status"] == "not started"
