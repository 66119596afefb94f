"""Supervision by a real host: policies, backoff, health checks (contract, section 3.4). Waits for events only."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.live.host.answering import Answering
from tests.live.host.hosts import Box, Row, running, stopped
from tests.live.host.listeners import listening
from tests.support.ports import free_port


@pytest.fixture
def box(kept_box: Box) -> Box:
    """A sandbox, by one way to the host: which one does not matter here."""
    return kept_box


def backing_off(row: Row) -> bool:
    return bool(row["managed"]["status"] == "backing_off")


QUICK = {"initial_backoff_ms": 1, "max_backoff_ms": 2}


@pytest.mark.parametrize(
    "policy, script, runs",
    [
        ("never", "exit 1", 1),
        ("on_failure", "exit 0", 1),
        ("on_failure", "exit 1", 4),
        ("on_failure", "kill -9 $$", 4),
        ("always", "exit 0", 4),
    ],
)
def test_a_policy_decides_how_often_it_runs(box: Box, policy: str, script: str, runs: int) -> None:
    box.shell(f"echo run; {script}", "web", restart={"policy": policy, "max_restarts": 3, **QUICK})
    row = box.wait("web", stopped)
    assert box.lines("web") == ["run"] * runs
    assert (row["managed"]["restart_count"], row["run"]) == (runs - 1, runs)
    assert row["managed"]["stop_requested"] is False
    gave_up = "gave up after 3 restarts" if runs == 4 else None
    assert row["managed"]["last_error"] == gave_up


def test_failed_runs_are_counted_until_one_is_good(box: Box) -> None:
    box.shell("echo run; exit 1", "web", restart={"max_restarts": 2, **QUICK})
    assert box.wait("web", stopped)["managed"]["failed_runs"] == 3
    assert box.ask("POST", "/processes/web/restart").status_code == 200
    assert box.wait("web", stopped)["managed"]["failed_runs"] == 1, "one that is asked for begins anew"
    lasting = {"max_restarts": 1, **QUICK}
    box.shell("[ -e was ] && sleep 1.1; touch was; exit 1", "lasting", restart=lasting)
    assert box.wait("lasting", stopped)["managed"]["failed_runs"] == 0


def test_the_backoff_is_announced_and_doubles(box: Box) -> None:
    hour = 3_600_000
    box.shell("exit 5", "web", restart={"initial_backoff_ms": hour, "max_backoff_ms": 3 * hour})
    for run, pause in ((1, hour), (2, 2 * hour), (3, 3 * hour)):
        row = box.wait("web", lambda row, run=run: backing_off(row) and row["run"] == run)  # type: ignore[misc]
        assert row["managed"]["last_exit"]["exit_code"] == row["exit_code"] == 5
        assert pause <= row["managed"]["next_restart_at"] - row["ended_at"] < pause + 60_000
        assert box.ask("POST", "/processes/web/restart").status_code == 200


def test_a_long_backoff_can_be_cut_short_by_hand_or_ended(box: Box) -> None:
    slow = {"initial_backoff_ms": 3_600_000, "max_backoff_ms": 3_600_000}
    box.shell("echo run; exit 1", "web", restart=slow)
    box.wait("web", backing_off)
    assert box.refused("POST", "/processes/web/signal", json={"signal": 1})[:2] == (400, "NOT_RUNNING")
    assert box.ask("POST", "/processes/web/restart").status_code == 200
    row = box.wait("web", lambda row: backing_off(row) and row["run"] == 2)
    assert row["managed"]["restart_count"] == 1
    box.delete("web")
    row = box.row("web")
    assert (row["managed"]["status"], row["managed"]["next_restart_at"]) == ("stopped", None)
    assert box.lines("web") == ["run", "run"]


def test_a_follow_continues_across_restarts_until_the_supervisor_stops(box: Box) -> None:
    box.shell("echo run; exit 1", "web", restart={"max_restarts": 5, **QUICK})
    answer = box.ask("GET", "/processes/web/output/follow")
    assert answer.text.count('"line":"run"') == 6
    assert answer.text.endswith("event: eof\ndata: {}\n\n")


@pytest.mark.not_isolated
def test_a_program_that_vanishes_counts_as_a_failed_run(box: Box, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nrm $0\nexit 1\n")
    program.chmod(0o755)
    box.begin(str(program), name="web", restart={"max_restarts": 2, **QUICK})
    row = box.wait("web", stopped)
    assert "program" in row["managed"]["last_error"]
    assert "gave up after 2 restarts" in row["managed"]["last_error"]


def test_each_run_gets_a_fresh_input(box: Box) -> None:
    box.shell("read line; echo got $line; exit 1", "web", stdin_mode="pipe", restart=QUICK)
    for number in (1, 2, 3):
        box.wait("web", lambda row, number=number: running(row) and row["run"] == number)  # type: ignore[misc]
        assert box.ask("POST", "/processes/web/stdin", content=b"%d\n" % number).status_code == 204
        box.wait_for_line("web", f"got {number}")


def test_what_a_crashed_run_left_behind_is_gone_before_the_next(box: Box) -> None:
    script = "(trap '' TERM HUP; sleep 987.6 & setsid sleep 987.6 &) ; ps -eo args | grep -c '^sleep 987.6'; exit 1"
    box.shell(script, "web", restart={"max_restarts": 2, **QUICK})
    box.wait("web", stopped)
    assert len(box.lines("web", "stdout")) == 3
    assert set(box.lines("web", "stdout")) <= {"0", "1", "2"}


# -- health --------------------------------------------------------------------------------------------------


def healthy(row: dict[str, Any]) -> bool:
    return bool(row["managed"]["health_status"] == "healthy")


def test_a_success_counts_at_once_although_the_initial_delay_is_long(box: Box) -> None:
    server = Answering(box)
    row = box.shell("exec sleep 1000", "web", health_check=server.check(path="/healthz"))
    assert row["managed"]["health_check"]["failure_threshold"] == 3
    box.wait("web", healthy)
    assert server.paths()[0] == "/healthz"


def test_failures_during_the_initial_delay_do_not_count(box: Box) -> None:
    server = Answering(box, status=503)
    box.shell("exec sleep 1000", "web", health_check=server.check())
    row = box.wait("web", lambda row: row["managed"]["last_check"] is not None)
    assert row["managed"]["last_check"] == f"GET :{server.port}/ answered 503"
    assert row["managed"]["health_check"]["path"] == "/"
    assert row["managed"]["consecutive_health_failures"] == 0
    server.answer(200)
    assert box.wait("web", healthy)["managed"]["last_check"] is None


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_an_answer_from_outside_the_sandbox_is_not_a_success(box: Box, kind: str) -> None:
    def answer(connection: socket.socket) -> None:
        if connection.recv(4096):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listening(answer) as port:
        patient = {"timeout_ms": 60_000, "initial_delay_ms": 60_000}
        check = {"type": kind, "port": port, "interval_ms": 10, **patient}
        box.shell("exec sleep 1000", "web", health_check=check)
        row = box.wait("web", lambda row: row["managed"]["last_check"] is not None)
        assert row["managed"]["health_status"] == "starting"
        assert f" (pid {os.getpid()}), which is not part of the sandbox" in row["managed"]["last_check"]
        box.delete("web")


def test_a_worker_that_has_left_its_parents_still_counts(box: Box) -> None:
    """As daemons do: forked twice, in a session of its own, with another process of the sandbox being checked."""
    port = free_port()
    script = (
        "import os, signal, socket\n"
        f"server = socket.create_server(('127.0.0.1', {port}))\n"
        "if os.fork(): server.close(); signal.pause()\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "signal.pause()"
    )
    check = {"type": "tcp", "port": port, "initial_delay_ms": 60_000, "interval_ms": 10}
    box.begin(box.python, "-S", "-c", script, name="web", health_check=check)
    box.wait("web", healthy)
    box.shell("exec sleep 1000", "other", health_check=check)
    box.wait("other", healthy)


def test_an_unhealthy_process_is_stopped_and_started_again(box: Box) -> None:
    server = Answering(box)
    script = "trap 'echo asked; exit 0' TERM; echo run; sleep 1000 & wait"
    box.shell(script, "web", health_check=server.check(), restart=QUICK)
    box.wait("web", healthy)
    server.answer(500)
    box.wait("web", lambda row: running(row) and row["run"] == 2)
    server.answer(200)
    row = box.wait("web", healthy)
    assert row["managed"]["restart_count"] == 1
    assert row["managed"]["last_exit"]["exit_code"] == 0
    assert box.first_lines("web", 3, "stdout") == ["run", "asked", "run"]


def test_an_unhealthy_process_that_is_never_restarted_is_stopped(box: Box) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        tcp = {"type": "tcp", "port": port, "initial_delay_ms": 0, "interval_ms": 1, "failure_threshold": 2}
        box.shell("exec sleep 1000", "web", health_check=tcp, restart={"policy": "never"})
        row = box.wait("web", stopped)
    assert row["signal"] == 15
    assert row["managed"]["stop_requested"] is False
    assert row["managed"]["last_error"] == f"unhealthy: TCP :{port}: connection refused"


def test_a_process_that_listens_itself_gets_healthy_over_tcp(box: Box) -> None:
    port = free_port()
    script = (
        "import signal, socket\n"
        f"server = socket.create_server(('127.0.0.1', {port}))\n"
        "print('listening', flush=True)\nsignal.pause()"
    )
    tcp = {"type": "tcp", "port": port, "interval_ms": 10}
    box.begin(box.python, "-S", "-c", script, name="web", health_check=tcp)
    box.wait("web", healthy)
    assert box.lines("web") == ["listening"]


def test_a_stop_wins_over_bad_health(box: Box) -> None:
    server = Answering(box)
    box.shell("exec sleep 1000", "web", health_check=server.check(), restart={"policy": "always", **QUICK})
    box.wait("web", healthy)
    server.answer(500)
    box.delete("web")
    row = box.row("web")
    assert (row["managed"]["status"], row["managed"]["stop_requested"]) == ("stopped", True)


def test_states_are_json_all_the_way(box: Box) -> None:
    box.shell("exit 0", "web")
    assert json.loads(json.dumps(box.wait("web", stopped)))["command"] == "sh"


@pytest.mark.parametrize("kind, missing", [("http", "port"), ("tcp", "port"), ("exec", "command")])
def test_a_check_without_what_it_asks_is_refused(box: Box, kind: str, missing: str) -> None:
    body = box.start_body("sleep", "1000", health_check={"type": kind})
    status, _, error = box.refused("POST", "/processes", json=body)
    assert (status, error) == (422, f"health_check.{missing} is missing")


def test_a_check_by_a_command_runs_beside_the_process_and_is_in_no_list(box: Box) -> None:
    check = {"type": "exec", "command": ["sh", "-c", "echo $WORD > seen"], "interval_ms": 10, "timeout_ms": 60_000}
    box.shell("exec sleep 1000", "web", health_check=check, env={"WORD": "hello"})
    row = box.wait("web", lambda row: row["managed"]["health_status"] == "healthy")
    assert [one_row["managed"]["name"] for one_row in box.rows()] == ["web"]
    assert box.lines("web") == []
    assert row["managed"]["health_check"]["command"] == check["command"]
