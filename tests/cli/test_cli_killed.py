"""Any program of ours killed at any moment: what runs goes on, no line is lost or doubled, `down` stops everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.looking import FOREVER, alive, json_lines, pids, rows, runs
from tests.support.command import LIMIT, Sbx
from tests.support.home import wait_gone
from tests.support.waiting import until


@contextmanager
def feeding(sbx: Sbx) -> Iterator[int]:
    """A descriptor; what is written to it, the process `echo` of the project writes to its standard output."""
    path = sbx.project / "feed"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


ECHO = f"""
processes:
  echo: {{command: "exec cat < feed"}}
  other: {{command: {FOREVER}}}
"""


def kill_host(sbx: Sbx) -> None:
    """Kill both parts of the host at once: each would start the other one again."""
    host = list(sbx.host_pids().values())
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in host:
            os.kill(pid, number)
    assert wait_gone(host, 60)


def feed(descriptor: int, begin: int, end: int) -> list[str]:
    """Write the numbered lines from `begin` on, up to and without `end`; what they are."""
    written = [f"line {number}" for number in range(begin, end)]
    os.write(descriptor, "".join(f"{line}\n" for line in written).encode())
    return written


def echoed(text: str) -> list[str]:
    """The lines of `echo` in what an attached command has shown."""
    return [line.removeprefix("echo  | ") for line in text.splitlines() if line.startswith("echo  | ")]


def test_what_runs_outlives_a_killed_command_and_down_stops_it(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'echo up; {FOREVER}'}}, job: {{command: {FOREVER}, restart: never}}}}\n")
    with sbx.start("up") as up:
        up.wait_for(r"web \| up")
        up.wait_for("job started")
        before = pids(sbx)
        up.signal(signal.SIGKILL)
        assert up.wait().code == -signal.SIGKILL
    assert pids(sbx) == before
    assert "nothing to do" in sbx.run("up", "-d").stderr
    sbx.run("down")
    assert not any(alive(pid) for pid in before.values())


def wait_for_successor(sbx: Sbx, part: str, pid: int) -> None:
    """Wait until the host names a successor of the part with that pid: for a moment it may still name the dead one."""
    until(lambda: sbx.host_pids().get(part, pid) != pid, what=f"no other {part}")


@pytest.mark.parametrize("part", ["server", "keeper"])
def test_a_killed_part_of_the_host_costs_no_line_and_no_process(sbx_alone: Sbx, part: str) -> None:
    sbx = sbx_alone
    sbx.write(ECHO)
    with feeding(sbx) as descriptor, sbx.start("up") as up:
        up.wait_for("echo started")
        up.wait_for("other started")
        before = pids(sbx)
        host = sbx.host_pids()
        written = feed(descriptor, 0, 500)
        up.wait_for("line 250\n")
        os.kill(host[part], signal.SIGKILL)
        written += feed(descriptor, 500, 1000)
        up.wait_for("line 999\n")
        assert wait_gone([host[part]], 60)
        wait_for_successor(sbx, part, host[part])
        assert pids(sbx) == before
        written += feed(descriptor, 1000, 1001)
        seen = up.wait_for("line 1000\n")
        assert echoed(seen) == written
        assert sbx.run("logs", "--no-log-prefix", "echo").stdout.splitlines() == written
        assert runs(sbx) == {"echo": 1, "other": 1}
        up.interrupt()
        assert up.wait().code == 130
    assert not any(alive(pid) for pid in before.values())


@pytest.mark.parametrize("part", ["server", "keeper"])
def test_down_after_a_killed_part_of_the_host_stops_everything(sbx_alone: Sbx, part: str) -> None:
    sbx = sbx_alone
    sbx.write(ECHO.replace("exec cat < feed", FOREVER))
    sbx.run("up", "-d")
    before = pids(sbx)
    os.kill(sbx.host_pids()[part], signal.SIGKILL)
    sbx.run("down")
    assert not any(alive(pid) for pid in before.values())
    assert {row["status"] for row in rows(sbx).values()} == {"stopped"}


def test_command_and_server_killed_together(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(ECHO)
    with feeding(sbx) as descriptor, sbx.start("up") as up:
        up.wait_for("echo started")
        up.wait_for("other started")
        before = pids(sbx)
        written = feed(descriptor, 0, 100)
        os.kill(sbx.host_pids()["server"], signal.SIGKILL)
        up.signal(signal.SIGKILL)
        up.wait()
        written += feed(descriptor, 100, 200)
        with sbx.start("logs", "-f", "--no-log-prefix", "echo") as logs:
            logs.wait_for("line 199\n")
            assert logs.out.text.splitlines() == written
        assert pids(sbx) == before
        sbx.run("down")
    assert not any(alive(pid) for pid in before.values())


def test_both_parts_of_the_host_killed_at_once_leaves_nothing_that_the_next_up_does_not_put_right(
    sbx_alone: Sbx,
) -> None:
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: 'echo up; {FOREVER}'}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    kill_host(sbx)
    up = sbx.run("up", "-d", "--wait")  # without `--wait` the next host may be about to restart it
    assert "Traceback" not in up.stderr
    after = pids(sbx)
    assert set(after) == {"web"}
    assert [pid for pid in (*before.values(), *after.values()) if alive(pid)] == list(after.values())


def test_an_attached_command_replaces_a_killed_host(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: 'echo up; {FOREVER}'}}, once: {{command: {FOREVER}, restart: never}}}}\n")
    with sbx.start("up") as up:
        up.wait_for(r"web +\| up")
        up.wait_for("once started")
        logs = sbx.start("logs", "-f", "web")
        logs.wait_for(r"web +\| up")
        before = pids(sbx)
        kill_host(sbx)
        up.wait_for(r"web +\| up", count=2)
        logs.wait_for(r"web +\| up", count=2)
        assert wait_gone(list(before.values()), LIMIT)
        assert set(pids(sbx)) == {"web"}
        up.interrupt()
        assert up.wait().code == 130
    assert "stopped" in sbx.run("ps", "--all").stdout


def test_restarts_are_counted_on_after_a_killed_server(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    os.mkfifo(sbx.project / "gate")
    sbx.write("processes: {web: {command: 'echo run; read _ < gate; exit 1', restart: {initial_backoff: 1ms}}}\n")
    sbx.run("up", "-d")
    for number in (2, 3):
        (sbx.project / "gate").write_text("\n")
        with sbx.start("logs", "-f", "--json") as logs:
            logs.wait_for('"line":"run"', count=number)
        if number == 2:
            os.kill(sbx.host_pids()["server"], signal.SIGKILL)
    assert rows(sbx)["web"]["restarts"] == 2
    said = json_lines(sbx.run("logs", "--json").stdout)
    assert [item["run"] for item in said if item["stream"] == "stdout"] == [1, 2, 3]


def test_a_stale_socket_of_a_killed_host_does_no_harm(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    sbx.run("down")
    kill_host(sbx)
    assert (sbx.home.runtime / "host.sock").exists()
    assert sbx.run("host", "status", code=3).stdout.startswith("host is not running")
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"web"}


def test_an_end_that_was_not_seen_is_reported(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    with sbx.start("exec", "web", "sh", "-c", f"echo up; {FOREVER}") as running:
        running.wait_for("up")
        kill_host(sbx)
        sbx.run("ps")
        done = running.wait()
    assert done.code == 1
    assert "exit code unknown" in done.stderr


def test_a_command_that_kills_the_server_as_the_first_thing_is_run_once(sbx_alone: Sbx) -> None:
    """The server dies before it has answered the start, or a moment after that."""
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    begun = ""
    for command in (["exec"], ["exec", "-t"], ["run"]):
        server = sbx.host_pids()["server"]
        script = f"printf x >> begun; kill -9 {server}; echo done; exit 7"
        assert sbx.run(*command, "web", "sh", "-c", script, code=7).stdout.split() == ["done"]
        begun += "x"
        assert (sbx.project / "begun").read_text() == begun
        wait_for_successor(sbx, "server", server)
