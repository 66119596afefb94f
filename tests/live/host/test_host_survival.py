"""Killing any part of the host at any moment loses no process, no line, no restart count."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from sbxcompose.engine.local_host import launch
from tests.live.host.answering import Answering
from tests.live.host.hosts import Box, LiveHost, client_of, ended, events, running, stopped
from tests.live.host.test_host_supervision import healthy
from tests.support.home import Home, alive_with, wait_gone
from tests.support.waiting import until

COUNTER = 'i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo "line $i"; done; echo end; exec sleep 1000'


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_what_runs_does_not_notice(host: LiveHost, victim: str) -> None:
    box = host.box()
    row = box.shell("echo up; read line; echo got $line; exec sleep 1000", "web", stdin_mode="pipe")
    box.wait_for_line("web", "up")
    host.kill(victim)
    assert box.row("web") == row
    assert ("the server has exited" if victim == "server" else "has taken its place") in host.log
    assert box.ask("POST", "/processes/web/stdin", content=b"it\n").status_code == 204
    box.wait_for_line("web", "got it")
    assert box.lines("web") == ["up", "got it"]
    box.delete("web")
    assert box.row("web")["signal"] == signal.SIGTERM


@pytest.mark.time_limit(300)
def test_no_line_is_lost_or_doubled_while_both_are_killed_in_turn(killed_host: LiveHost) -> None:
    box = killed_host.box()
    names = [f"count-{number}" for number in range(4)]
    for name in names:
        box.shell(COUNTER.format(lines=60_000), name)
    for victim in ["server", "keeper", "server", "server", "keeper"] * 2:
        killed_host.kill(victim)
    for name in names:
        wait_for_end(box, name)
        assert box.lines(name) == [*(f"line {number}" for number in range(1, 60_001)), "end"]
    assert all(running(row) and row["managed"]["restart_count"] == 0 for row in box.rows())


def wait_for_end(box: Box, name: str) -> None:
    """Wait for a counter's last line, over the death of whom we ask."""
    while True:
        try:
            return box.wait_for_line(name, "end", "stdout")
        except httpx.TransportError:
            continue


@pytest.mark.parametrize("victim", ["server", "keeper"])
@pytest.mark.parametrize("answered", [0, 1, 8])
def test_starts_under_way_are_done_once_or_not_at_all(killed_host: LiveHost, victim: str, answered: int) -> None:
    box = killed_host.box()
    script = "echo up; exec sleep 1000"
    starts = [{"op": "start", **box.start_body("sh", "-c", script, name=f"web-{number}")} for number in range(16)]
    status = killed_host.status
    done: list[dict[str, Any]] = []
    killed = threading.Event()
    with suppress(httpx.TransportError), client_of(killed_host.path) as http:
        request = http.build_request("POST", "/api/v1/batch", headers=box.headers, json={"operations": starts})
        for line in http.send(request, stream=True).iter_lines():
            done.append(json.loads(line))
            if len(done) > answered and not killed.is_set():
                os.kill(status["pid" if victim == "server" else "keeper_pid"], signal.SIGKILL)
                killed.set()
    assert killed.is_set()
    rows = {row["managed"]["name"]: row for row in box.rows()}
    assert {item["body"]["managed"]["name"] for item in done} <= rows.keys()
    assert all(row["status"] == "running" for row in rows.values())
    for name in rows:
        box.wait_for_line(name, "up")
        assert box.lines(name) == ["up"]
    # Some may still be the shell whose last words these are.
    alive = [pid for pid, command in alive_with(killed_host.home.marker).items() if command.endswith("sleep 1000")]
    assert sorted(alive) == sorted(row["pid"] for row in rows.values())


def test_restart_counts_run_numbers_and_limits_continue(killed_host: LiveHost) -> None:
    box = killed_host.box()
    box.shell(
        "echo run; exit 1",
        "web",
        restart={"max_restarts": 12, "initial_backoff_ms": 20, "max_backoff_ms": 40},
    )
    for count in (2, 4, 6, 8):
        box.wait("web", lambda row, count=count: row["managed"]["restart_count"] >= count)  # type: ignore[misc]
        killed_host.kill("server")
    row = box.wait("web", stopped)
    assert (row["managed"]["restart_count"], row["run"]) == (12, 13)
    assert box.lines("web") == ["run"] * 13
    assert row["managed"]["last_error"] == "gave up after 12 restarts"


def test_a_backoff_is_as_long_as_it_was_to_be(killed_host: LiveHost) -> None:
    box = killed_host.box()
    box.shell("exit 1", "web", restart={"initial_backoff_ms": 3_600_000, "max_backoff_ms": 3_600_000})
    before = box.wait("web", lambda row: row["managed"]["status"] == "backing_off")
    killed_host.kill("server")
    assert box.row("web") == before
    killed_host.kill("keeper")
    assert box.row("web") == before


def test_a_process_that_ends_while_there_is_no_server_is_judged_by_the_next(killed_host: LiveHost) -> None:
    box = killed_host.box(isolation="none")  # it reads from a pipe of this machine: no server could pass anything on
    fifo = killed_host.home.root / "fifo"
    os.mkfifo(fifo)
    box.shell(f"echo up; read line <{fifo}; echo last; exit 7", "web", restart={"policy": "never"})
    box.wait_for_line("web", "up")
    pid = box.row("web")["pid"]
    server = killed_host.status["pid"]
    os.kill(server, signal.SIGSTOP)
    fifo.write_text("go\n")
    assert wait_gone([pid], 60)
    os.kill(server, signal.SIGKILL)
    row = box.wait("web", stopped)
    assert (row["exit_code"], row["managed"]["stop_requested"]) == (7, False)
    assert box.lines("web") == ["up", "last"]


def test_a_stop_under_way_is_carried_through(killed_host: LiveHost) -> None:
    box = killed_host.box()
    script = "trap 'echo asked' TERM; sleep 1000 & echo up; while :; do wait; sleep 1000 & done"
    box.shell(script, "web", restart={"policy": "always"}, stop_grace_ms=1_000)
    box.wait_for_line("web", "up")
    delete_and_kill(box, "/api/v1/processes/web")
    row = box.wait("web", stopped)
    assert (row["signal"], row["managed"]["stop_requested"]) == (signal.SIGKILL, True)
    assert box.lines("web", "stdout") == ["up", "asked"]


def delete_and_kill(box: Box, path: str) -> None:
    """Ask for an end, and kill the server once the process has heard of it.

    Its output is followed from before: a sandbox that is being terminated refuses that.
    """
    pid = box.host.status["pid"]
    follow = "/api/v1/processes/web/output/follow"
    with (
        client_of(box.host.path) as http,
        ThreadPoolExecutor(1) as thread,
        box.host.http.stream("GET", follow, headers=box.headers) as answer,
    ):
        lines = (event.get("line") for event in events(answer))
        assert next(lines) == "up"
        deletion = thread.submit(http.delete, path, headers=box.headers)
        assert next(lines) == "asked"
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            deletion.result()


def test_health_continues(killed_host: LiveHost) -> None:
    box = killed_host.box()
    server = Answering(box)
    box.shell("exec sleep 1000", "web", health_check=server.check(), restart={"initial_backoff_ms": 1})
    box.wait("web", healthy)
    killed_host.kill("server")
    assert healthy(box.row("web"))
    server.answer(500)
    box.wait("web", lambda row: running(row) and row["run"] == 2)
    server.answer(200)
    box.wait("web", healthy)


def test_rows_of_ended_processes_and_their_output_stay(killed_host: LiveHost) -> None:
    box = killed_host.box()
    row = box.shell("echo plain; exit 3")
    box.wait_for_line(row["pid"], "plain")
    box.shell("echo named; exit 4", "web", restart={"policy": "never"})
    box.wait("web", stopped)
    before = box.rows()
    killed_host.kill("server")
    assert box.rows() == before
    assert box.lines(row["pid"]) == ["plain"]
    assert box.lines("web") == ["named"]


def test_a_command_whose_caller_died_with_the_server_is_killed(killed_host: LiveHost) -> None:
    box = killed_host.box()
    body = box.start_body("sh", "-c", "echo up; sleep 1000")
    seen: list[dict[str, Any]] = []

    def read() -> None:
        with killed_host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
            for event in events(answer):
                seen.append(event)
                if event.get("line") == "up":
                    os.kill(killed_host.status["pid"], signal.SIGKILL)

    with pytest.raises(httpx.TransportError):
        read()
    assert box.wait(seen[0]["pid"], ended)["signal"] == signal.SIGKILL


def test_a_sandbox_being_terminated_is_terminated(killed_host: LiveHost) -> None:
    box = killed_host.box()
    script = "trap 'echo asked' TERM; sleep 1000 & echo up; while :; do wait; sleep 1000 & done"
    box.shell(script, "web")
    box.wait_for_line("web", "up")
    delete_and_kill(box, "/sandboxes/box")
    while killed_host.http.get(f"/sandboxes/{box.id}").json()["status"] != "terminated":
        killed_host.http.delete(f"/sandboxes/{box.id}")
    assert killed_host.status["running_processes"] == 0


STUBBORN = "trap '' HUP PIPE TERM; echo up; sleep 1000"


@contextmanager
def killed_with_two_processes(home: Home) -> Iterator[tuple[str, list[int]]]:
    """A host whose both parts were killed at once; the sandbox, and the process ids of what it had started."""
    host = LiveHost(home, launch.ensure_host())
    box = host.box()
    rows = [box.shell(STUBBORN, "web", restart={"policy": "always"}), box.shell(STUBBORN, "job")]
    rows.append(box.shell(STUBBORN, "once", restart={"policy": "never"}))
    for name in ("web", "job", "once"):
        box.wait_for_line(name, "up")
    _kill_both(host)
    host.http.close()
    try:
        yield box.id, [row["pid"] for row in rows]
    finally:
        launch.stop(force=True)


def test_keeper_and_server_dead_at_once_is_the_end_of_a_run_and_not_of_supervision(host_environ: Home) -> None:
    with killed_with_two_processes(host_environ) as (sandbox, left):
        again = LiveHost(host_environ, launch.ensure_host())
        box = Box(again, sandbox)
        assert {row["managed"]["name"] for row in box.rows()} == {"web", "job", "once"}
        assert wait_gone(left, 0), "they end before anything is started or answered"
        for name in ("web", "job"):
            row = box.wait(name, lambda found: running(found) and found["run"] == 2)
            assert row["managed"]["restart_count"] == 1
            assert (row["managed"]["last_exit"]["exit_code"], row["managed"]["last_exit"]["signal"]) == (None, None)
        once = box.row("once")
        assert (once["status"], once["exit_code"], once["signal"]) == ("exited", None, None)
        assert once["managed"]["status"] == "stopped"
        assert once["managed"]["last_error"] == "the host ended while it ran"
        assert box.lines("once") == ["up"]
        again.http.close()


def test_after_a_restart_of_the_machine_nothing_is_started(host_environ: Home) -> None:
    with killed_with_two_processes(host_environ) as (sandbox, left):
        info = host_environ.state / "host.json"
        info.write_text(json.dumps({**json.loads(info.read_text()), "boot": "an earlier one"}))
        again = LiveHost(host_environ, launch.ensure_host())
        for row in Box(again, sandbox).rows():
            assert row["managed"]["status"] == "stopped"
            assert row["managed"]["last_error"] == "the machine was restarted while it ran"
        assert wait_gone(left, 0)
        again.http.close()


def test_a_host_that_is_stopped_and_started_knows_its_sandboxes(host_environ: Home, tmp_path: Path) -> None:
    host = LiveHost(host_environ, launch.ensure_host())
    box = host.box(project_directory=str(tmp_path))
    box.shell("echo up; exec sleep 1000", "web", log="web.1")
    box.wait_for_line("web", "up")
    host.close()
    again = LiveHost(host_environ, launch.ensure_host())
    try:
        info = again.http.get("/sandboxes/box").json()
        assert (info["id"], info["project_directory"]) == (box.id, str(tmp_path))
        box = Box(again, box.id)
        assert box.row("web")["managed"]["stop_requested"] is True
        row = box.shell("echo again; exec sleep 1000", "web", log="web.1")
        assert row["run"] == 2
    finally:
        again.close()


HIDDEN = {
    "an emptied environment": "exec env -i sleep 1000",
    "an emptied environment, in a session of its own": "setsid env -i sleep 1000 & exec env -i sleep 1000",
    "an emptied environment and a reset limit": "ulimit -S -m unlimited; exec env -i sleep 1000",
    "a child of such": "ulimit -S -m unlimited; env -i sleep 1000 & exec env -i sleep 1000",
    "an orphan in the leader's session": "(ulimit -S -m unlimited; env -i sleep 1000 &) ; exec env -i sleep 1000",
}


def test_what_hides_its_origin_is_found_after_both_were_killed(host_environ: Home) -> None:
    host = LiveHost(host_environ, launch.ensure_host())
    # A duration of its own for each: the marker in the environment is gone.
    marks = {f"{os.getpid()}.{number}": script for number, script in enumerate(HIDDEN.values())}
    box = host.box()
    found = []
    for mark, script in marks.items():
        box.shell(script.replace("1000", f"1000{mark}"), f"web-{mark}", restart={"policy": "never"})
        found += _wait_for_sleepers(mark, script.count("sleep"))
    _kill_both(host)
    successor = LiveHost(host_environ, launch.ensure_host())
    try:
        assert all(stopped(Box(successor, box.id).row(f"web-{mark}")) for mark in marks)
        assert wait_gone(found, 0)
    finally:
        for pid in [pid for mark in marks for pid in _sleepers(mark)]:
            os.kill(pid, signal.SIGKILL)
        successor.close()


def _wait_for_sleepers(mark: str, count: int) -> list[int]:
    return until(lambda: _sleepers(mark), lambda found: len(found) >= count)


def test_what_was_just_being_started_is_found_after_both_were_killed(host_environ: Home) -> None:
    host = LiveHost(host_environ, launch.ensure_host())
    box = host.box()
    starts = [{"op": "start", **box.start_body("sleep", "1000", name=f"web-{number}")} for number in range(150)]
    body = {"env": {}, "operations": starts}
    for _ in range(3):
        with suppress(httpx.HTTPError):
            _begin_and_kill(host, box, body)
        host.http.close()
        host = LiveHost(host_environ, launch.ensure_host())
        box = Box(host, box.id)
        listed = until(box.rows, lambda rows: all(row["managed"]["status"] != "starting" for row in rows))
        known = {row["pid"] for row in listed if not stopped(row)}
        assert {pid for pid, command in alive_with(host_environ.marker).items() if command == "sleep 1000"} == known
    host.close()


def _begin_and_kill(host: LiveHost, box: Box, batch: dict[str, Any]) -> None:
    with host.http.stream("POST", "/api/v1/batch", headers=box.headers, json=batch) as answer:
        next(answer.iter_lines())
        _kill_both(host)


def _kill_both(host: LiveHost) -> None:
    """Kill keeper and server at once: each would start the other one again."""
    victims = [host.status["keeper_pid"], host.status["pid"]]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in victims:
            os.kill(pid, number)
    assert wait_gone(victims, 60)


def _sleepers(mark: str) -> list[int]:
    """The processes `sleep 1000<mark>`."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if Path("/proc", name, "cmdline").read_bytes() == f"sleep\0001000{mark}\0".encode():
                found.append(int(name))
    return found
