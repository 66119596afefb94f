"""The terminal is closed, or nobody reads any more: attached commands end what they hold, in order."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, Gate, alive, pids, web
from tests.support.command import COMMAND, LIMIT, Sbx
from tests.support.home import wait_gone

SLOW = "while :; do sleep 0.05; done"
CHAIN = f"""
processes:
  web:
    command: "trap 'echo web >> ended; exit' TERM; echo at your service; {SLOW}"
    depends_on: [db]
  db:
    command: "trap 'echo db >> ended; exit' TERM; echo is up; {SLOW}"
    ready_when: {{log: is up}}
"""


class OnTerminal:
    """A command on a terminal that can be closed, as a terminal's window can."""

    def __init__(self, sbx: Sbx, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            ["setsid", "--ctty", str(COMMAND), "--no-color", *arguments],
            cwd=sbx.project,
            env=sbx.env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)

    def wait_for(self, pattern: str) -> None:
        """Read until `pattern` was shown."""
        seen, deadline = "", time.monotonic() + LIMIT
        while not re.search(pattern, seen):
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"did not show {pattern!r}:\n{seen}"
            seen += os.read(self._master, 65536).decode(errors="replace")

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def close(self) -> None:
        """Close the terminal."""
        os.close(self._master)

    def wait(self) -> int:
        """The exit code."""
        try:
            return self._process.wait(LIMIT)
        finally:
            self._process.kill()
            self._process.wait()


def closed_terminal(sbx: Sbx, *arguments: str, after: str) -> int:
    """The exit code of a command whose terminal is closed once it has shown `after`."""
    running = OnTerminal(sbx, *arguments)
    running.wait_for(after)
    running.close()
    return running.wait()


@pytest.mark.parametrize("arguments", [["up"], ["up", "--watch"]], ids=" ".join)
def test_closing_the_terminal_of_up_stops_everything_in_reverse_order(sbx: Sbx, arguments: list[str]) -> None:
    sbx.write(CHAIN)
    assert closed_terminal(sbx, *arguments, after="at your service") != 0
    assert (sbx.project / "ended").read_text().split() == ["web", "db"]
    assert pids(sbx) == {}


def test_closing_the_terminal_of_up_that_is_stopping_does_not_kill(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web: {{command: "trap 'read _ < gate; echo web >> ended; exit' TERM; echo up; {SLOW}"}}
""")
    up = OnTerminal(sbx, "up")
    up.wait_for(r"\bup\r")
    up.press(b"\x03")
    up.wait_for("stopping")
    up.close()
    gate.open()
    up.wait()
    assert (sbx.project / "ended").read_text() == "web\n"


def test_down_finishes_though_its_terminal_is_closed(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web:
    command: "trap 'read _ < gate; exit' TERM; echo up; {SLOW}"
    depends_on: [db]
    ready_when: {{log: up}}
  db: {{command: {FOREVER}}}
  worker: {{command: {FOREVER}, depends_on: [web]}}
""")
    sbx.run("up", "-d", "--wait")
    down = OnTerminal(sbx, "down")
    down.wait_for("worker stopped")
    down.close()
    gate.open()
    assert down.wait() == 0
    assert pids(sbx) == {}


@pytest.mark.parametrize("arguments", [["logs", "-f"], ["watch"]], ids=" ".join)
def test_closing_the_terminal_of_a_command_that_only_looks_ends_it(sbx: Sbx, arguments: list[str]) -> None:
    sbx.write(f"""
processes:
  web: {{command: "echo at your service; {FOREVER}", watch: [{{path: src, action: restart}}]}}
""")
    (sbx.project / "src").mkdir()
    sbx.run("up", "-d")
    before = pids(sbx)
    closed_terminal(sbx, *arguments, after="at your service" if arguments[0] == "logs" else "watch")
    assert pids(sbx) == before


def test_closing_the_terminal_of_a_shell_ends_what_runs_in_it(sbx: Sbx) -> None:
    web(sbx)
    closed_terminal(sbx, "exec", "web", "sh", "-c", "echo $$ > pid; echo ready; read _; exec sleep 1000", after="ready")
    assert wait_gone([_pid(sbx)], LIMIT)


def test_a_full_disk_under_up_stops_everything(sbx: Sbx) -> None:
    sbx.write(CHAIN)
    with open("/dev/full", "wb") as full:
        up = subprocess.run(
            [COMMAND, "up"],
            cwd=sbx.project,
            env=sbx.env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=LIMIT,
            check=False,
        )
    assert up.returncode == 1
    assert b"cannot write to standard output: no space left" in up.stderr
    assert b"Traceback" not in up.stderr
    assert pids(sbx) == {}


# exec and run

WRITES_FOR_EVER = ["sh", "-c", "echo $$ > pid; exec yes"]
SILENT = ["sh", "-c", "echo $$ > pid; echo ready; exec sleep 1000"]


def _pid(sbx: Sbx) -> int:
    return int(next(path for path in (sbx.project / "sub/pid", sbx.project / "pid") if path.exists()).read_text())


@pytest.mark.parametrize("command", ["exec", "run"])
def test_a_command_whose_output_is_not_read_is_ended(sbx: Sbx, command: str) -> None:
    """As `exec web yes | head -1` does it."""
    web(sbx)
    arguments = [str(COMMAND), command, "web", *WRITES_FOR_EVER]
    with subprocess.Popen(
        arguments, cwd=sbx.project, env=sbx.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as done:
        assert done.stdout
        assert done.stdout.readline() == b"y\n"
        done.stdout.close()
        assert done.wait(LIMIT) == 141
    assert wait_gone([_pid(sbx)], LIMIT)


@pytest.mark.parametrize("command", ["exec", "run"])
def test_a_hangup_ends_the_command_even_if_it_ignores_it(sbx: Sbx, command: str) -> None:
    web(sbx)
    deaf = "trap '' HUP; echo $$ > pid; echo ready; while :; do sleep 0.05; done"
    with sbx.start(command, "-T", "web", "sh", "-c", deaf) as running:
        running.wait_for("ready")
        running.signal(signal.SIGHUP)
        running.wait()
    assert wait_gone([_pid(sbx)], LIMIT)
    assert alive(pids(sbx)["web"])


def test_exec_without_standard_output_writes_into_nothing_else(sbx: Sbx) -> None:
    """Else the next file or socket that is opened has the number of standard output, and gets what is printed."""
    web(sbx)
    script = f"exec {COMMAND} exec -T web sh -c 'echo hello; exit 3' >&- <&-"
    done = subprocess.run(
        ["sh", "-c", script], cwd=sbx.project, env=sbx.env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "")


def test_the_command_ends_when_we_are_killed(sbx: Sbx) -> None:
    web(sbx)
    with sbx.start("exec", "-T", "web", *SILENT) as running:
        running.wait_for("ready")
        running.signal(signal.SIGKILL)
    assert wait_gone([_pid(sbx)], LIMIT)
    assert alive(pids(sbx)["web"])


def test_the_command_on_a_terminal_ends_when_we_are_killed(sbx: Sbx) -> None:
    web(sbx)
    with sbx.start("exec", "web", *SILENT, terminal=True) as running:
        running.wait_for("ready")
        running.signal(signal.SIGKILL)
        assert wait_gone([_pid(sbx)], LIMIT)


def test_a_detached_command_stays(sbx: Sbx) -> None:
    web(sbx)
    pid = int(sbx.run("exec", "-d", "web", "sleep", "1000").stdout)
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_in_the_cloud_a_command_whose_output_is_not_read_is_ended_by_the_contract(cloud: CloudSbx) -> None:
    cloud.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    cloud.run("up", "-d")
    arguments = [str(COMMAND), "exec", "web", *WRITES_FOR_EVER]
    with subprocess.Popen(
        arguments, cwd=cloud.project, env=cloud.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as done:
        assert done.stdout
        assert done.stdout.readline() == b"y\n"
        done.stdout.close()
        assert done.wait(LIMIT) == 141
    assert wait_gone([_pid(cloud)], LIMIT)
