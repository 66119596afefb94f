"""The process routes of a real host: started, listed, stopped, signalled, written to; bad input (contract, 3.1-3.6)."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.host.hosts import Box, LiveHost, events, running, stopped

SLEEP = "echo up; exec sleep 1000"


def exits_at(box: Box, word: str, code: int) -> tuple[str, ...]:
    """A command that ends with `code` at that signal, and at no other that can be caught."""
    script = (
        "import signal, sys\n"
        "for each in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT): signal.signal(each, signal.SIG_IGN)\n"
        f"signal.signal(signal.{word}, lambda *_: sys.exit({code}))\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()\n"
    )
    return (box.python, "-S", "-c", script)


def test_health_and_info(box: Box) -> None:
    assert box.ask("GET", "/health").json() == {"healthy": True}
    box.shell(SLEEP)
    info = box.ask("GET", "/info").json()
    assert info.keys() == {"version", "uptime_secs", "running_processes", "total_processes"}
    assert (info["running_processes"], info["total_processes"]) == (1, 1)


def test_an_unmanaged_process_from_start_to_end(box: Box) -> None:
    before = time.time() * 1000
    row = box.shell("echo out; echo err >&2; exit 3")
    assert row["managed"] is None
    assert row["handle"] == 1
    assert before - 1000 < row["started_at"] < time.time() * 1000 + 1000
    with box.host.http.stream("GET", f"/api/v1/processes/{row['pid']}/output/follow", headers=box.headers) as answer:
        seen = [event for event in events(answer) if "line" in event]
    assert sorted((item["stream"], item["line"]) for item in seen) == [("stderr", "err"), ("stdout", "out")]
    ended = box.row(row["pid"])
    assert (ended["status"], ended["exit_code"], ended["signal"]) == ("exited", 3, None)
    assert ended["ended_at"] >= ended["started_at"]
    assert box.lines(row["pid"], "stdout") == ["out"]
    assert box.lines(row["pid"], "stderr") == ["err"]


def test_null_is_as_good_as_nothing_and_what_is_unknown_is_ignored(box: Box) -> None:
    headers = {**box.headers, "X-Tensorlake-Request-Timeout-Ms": "1", "traceparent": "00-1-1-01"}
    body = {**box.start_body("sleep", "1000"), "args": ["1000"], "user": None, "restart": None, "new": {"field": 1}}
    answer = box.host.http.post("/api/v1/processes", headers=headers, json=body)
    assert answer.status_code == 201
    assert answer.json()["managed"] is None
    assert box.begin("true", **{"working_dir": None, "name": None})["args"] == []
    null = box.ask("POST", "/processes", json={**box.start_body("true"), "args": None})
    assert null.json()["args"] == []


def test_a_managed_process_is_found_by_name_and_pid(box: Box) -> None:
    row = box.shell(SLEEP, "my web")
    assert row["managed"]["id"] == row["managed"]["name"] == "my web"
    assert row["managed"]["restart"] == {
        "policy": "on_failure",
        "max_restarts": None,
        "initial_backoff_ms": 500,
        "max_backoff_ms": 30_000,
    }
    assert box.row("my%20web") == box.row(row["pid"]) == row
    assert [one_row["pid"] for one_row in box.rows()] == [row["pid"]]


def test_a_live_name_is_taken_and_a_stopped_one_is_replaced(box: Box) -> None:
    first = box.shell(SLEEP, "web")
    body = box.start_body("sleep", "1000", name="web")
    assert box.refused("POST", "/processes", json=body)[:2] == (409, "ALREADY_EXISTS")
    box.delete("web")
    assert box.row("web")["managed"]["status"] == "stopped"
    second = box.shell(SLEEP, "web")
    assert [row["pid"] for row in box.rows()] == [second["pid"]]
    assert box.refused("GET", f"/processes/{first['pid']}")[:2] == (404, "NOT_FOUND")


def test_a_start_that_fails_leaves_nothing_and_gives_the_name_back(box: Box) -> None:
    box.shell("echo first; exit 0", "web")
    box.wait("web", stopped)
    body = box.start_body("no-such-command", name="web")
    assert box.refused("POST", "/processes", json=body) == (
        500,
        "SPAWN_FAILED",
        "command not found: no-such-command",
    )
    assert box.lines("web") == ["first"]
    assert len(box.rows()) == 1


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"command": "no-such-command"}, "command not found: no-such-command"),
        ({"command": "/etc/passwd"}, "permission denied: /etc/passwd"),
        ({"command": "sleep", "working_dir": "/no/such/place"}, "no such directory: /no/such/place"),
        ({"command": "sleep", "user": "no-such-user"}, "user not found: no-such-user"),
    ],
)
def test_what_cannot_be_started_is_reported_in_the_systems_words(box: Box, fields: dict[str, Any], words: str) -> None:
    body = {**box.start_body("x", "1000"), **fields}
    status, _, error = box.refused("POST", "/processes", json=body)
    assert status == 500
    assert words in error
    assert box.rows() == []


def test_bad_starts_are_refused(box: Box) -> None:
    expected = {
        b"": 422,
        b"{": 400,
        b"[]": 422,
        b'{"command": 5}': 422,
        b'{"command": ""}': 400,
        b'{"command": "x", "name": "a/b"}': 400,
        b'{"command": "x", "name": "123"}': 400,
        b'{"command": "x", "name": ""}': 400,
        b'{"command": "x", "name": ".."}': 400,
        b'{"command": "x", "env": {"": "1"}}': 400,
        b'{"command": "x", "env": {"A=B": "1"}}': 400,
        b'{"command": "x", "log": ""}': 400,
        b'{"command": "x", "health_check": {"type": "icmp", "port": 1}}': 422,
    }
    refused = {body: box.refused("POST", "/processes", content=body) for body in expected}
    assert {body: status for body, (status, *_) in refused.items()} == expected
    assert all(words for _, _, words in refused.values())
    assert box.rows() == []


def test_what_does_not_exist_is_reported(box: Box) -> None:
    expected = {
        ("GET", "/processes/nope"): 404,
        ("GET", "/processes/4711"): 404,
        ("GET", "/processes/99999999999999999999999999"): 404,
        ("DELETE", "/processes/nope"): 404,
        ("POST", "/processes/nope/signal"): 404,
        ("POST", "/processes/nope/restart"): 404,
        ("POST", "/processes/nope/stdin"): 404,
        ("POST", "/processes/nope/stdin/close"): 404,
        ("GET", "/processes/nope/output"): 404,
        ("GET", "/processes/nope/output/follow"): 404,
        ("GET", "/no/such/thing"): 404,
        ("GET", "/ssh/status"): 404,
        ("PUT", "/processes"): 405,
        ("POST", "/info"): 405,
        ("GET", "/batch"): 405,
    }
    assert {(method, path): box.refused(method, path)[0] for method, path in expected} == expected


def test_a_body_that_is_too_large_is_refused(box: Box) -> None:
    assert box.refused("POST", "/processes", content=b"x" * (5 << 20))[:2] == (413, "TOO_LARGE")
    assert box.rows() == []


def test_a_post_without_a_length_has_an_empty_body(box: Box) -> None:
    row = box.shell(SLEEP, "web")
    head = f"POST /api/v1//processes/web/restart HTTP/1.1\r\nHost: {box.id}.local\r\nConnection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(box.host.path))
        sock.sendall(head.encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert box.row("web")["pid"] != row["pid"]


def test_a_sandbox_is_addressed_by_header_or_host_by_id_or_name(box: Box) -> None:
    http = box.host.http
    for headers in (
        {"X-Tensorlake-Sandbox-Id": "box"},
        {"Host": f"{box.id}.local"},
        {"Host": "box.local:8900"},
    ):
        assert http.get("/api/v1/processes", headers=headers).json() == {"processes": []}
    assert http.get("/api/v1/processes").json()["code"] == "MISSING_SANDBOX_ID"
    assert http.get("/api/v1/processes", headers={"Host": "other.local"}).json()["code"] == "SANDBOX_NOT_FOUND"


def test_delete_kills_an_unmanaged_process_and_what_left_it_at_once(box: Box) -> None:
    row = box.shell("trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo far; sleep 1000' &); sleep 1000")
    box.wait_for_line(row["pid"], "far")
    box.delete(row["pid"])
    assert box.row(row["pid"])["signal"] == signal.SIGKILL
    box.delete(row["pid"])


def test_delete_sends_a_managed_process_its_stop_signal_and_ends_its_supervision(box: Box) -> None:
    box.shell(
        "trap 'echo bye; exit 0' TERM; sleep 1000 & echo up; while :; do wait; sleep 1000 & done",
        "web",
        restart={"policy": "always"},
    )
    box.wait_for_line("web", "up")
    box.delete("web")
    row = box.row("web")
    assert (row["status"], row["exit_code"]) == ("exited", 0)
    assert (row["managed"]["status"], row["managed"]["stop_requested"]) == ("stopped", True)
    assert box.lines("web", "stdout") == ["up", "bye"]


def test_delete_is_not_refused_by_a_process_that_ignores_it(box: Box) -> None:
    box.shell("trap '' TERM; sleep 1000 & echo up; while :; do wait; sleep 1000 & done", "web", stop_grace_ms=50)
    box.wait_for_line("web", "up")
    box.delete("web")
    assert box.row("web")["signal"] == signal.SIGKILL


def test_delete_with_a_signal_and_a_grace_of_ones_own(box: Box) -> None:
    box.begin(*exits_at(box, "SIGINT", 7), name="web")
    box.wait_for_line("web", "up")
    box.delete("web", signal=int(signal.SIGINT), grace_ms=15_000)
    assert box.row("web")["exit_code"] == 7
    assert box.refused("DELETE", "/processes/web?signal=x")[:2] == (400, "BAD_QUERY")


def test_the_stop_signal_of_the_start_request_is_used(box: Box) -> None:
    box.begin(*exits_at(box, "SIGQUIT", 9), name="web", stop_signal=int(signal.SIGQUIT))
    box.wait_for_line("web", "up")
    box.delete("web")
    assert box.row("web")["exit_code"] == 9


def test_a_signal_reaches_the_group_and_leaves_supervision(box: Box) -> None:
    box.shell("trap 'echo hup' HUP; sleep 1000 & echo up; while :; do wait; sleep 1000 & done", "web")
    box.wait_for_line("web", "up")
    assert box.ask("POST", "/processes/web/signal", json={"signal": 1}).json() == {"success": True}
    box.wait_for_line("web", "hup")
    assert box.row("web")["managed"]["status"] == "running"


def test_a_death_by_signal_counts_as_a_failure_and_is_restarted(box: Box) -> None:
    row = box.shell(SLEEP, "web", restart={"initial_backoff_ms": 1})
    box.ask("POST", "/processes/web/signal", json={"signal": 9})
    again = box.wait("web", lambda item: running(item) and item["pid"] != row["pid"])
    assert again["managed"]["restart_count"] == 1
    assert again["managed"]["last_exit"]["signal"] == 9
    assert again["handle"] != row["handle"]


def test_an_unknown_signal_is_refused(box: Box) -> None:
    box.shell(SLEEP, "web")
    for number in (0, 65, -1, 1.5, "TERM", True, None):
        refused = box.refused("POST", "/processes/web/signal", json={"signal": number})
        assert refused[:2] == (400, "INVALID_SIGNAL"), number


def test_a_signal_to_an_ended_process_is_refused(box: Box) -> None:
    box.shell("exit 0", "web")
    box.wait("web", stopped)
    assert box.refused("POST", "/processes/web/signal", json={"signal": 1})[:2] == (400, "NOT_RUNNING")


def test_a_manual_restart_is_a_new_run_of_the_same_row(box: Box) -> None:
    first = box.shell("echo run; exec sleep 1000", "web")
    box.wait_for_line("web", "run")
    second = box.ask("POST", "/processes/web/restart").json()
    assert second["managed"]["restart_count"] == 1
    assert second["handle"] > first["handle"]
    assert second["run"] == 2
    assert second["pid"] != first["pid"]
    assert [row["pid"] for row in box.rows()] == [second["pid"]]
    box.delete("web")
    third = box.ask("POST", "/processes/web/restart").json()
    assert (third["managed"]["status"], third["managed"]["restart_count"]) == ("running", 2)


@pytest.mark.not_isolated
def test_a_manual_restart_that_fails_says_why_and_backs_off(box: Box, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho up\nexec sleep 1000\n")
    program.chmod(0o755)
    box.begin(str(program), name="web", restart={"initial_backoff_ms": 1, "max_backoff_ms": 1})
    box.wait_for_line("web", "up")
    program.unlink()
    assert box.refused("POST", "/processes/web/restart")[:2] == (500, "NOT_STARTED")
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    assert box.wait("web", running)["managed"]["restart_count"] >= 1


def test_an_unmanaged_process_is_not_restarted(box: Box) -> None:
    row = box.shell(SLEEP)
    assert box.refused("POST", f"/processes/{row['pid']}/restart")[:2] == (400, "NOT_MANAGED")


def test_input_is_written_and_closed(box: Box) -> None:
    row = box.begin("cat", stdin_mode="pipe")
    pid = row["pid"]
    assert row["stdin_writable"]
    text = "".join(f"line {number}\n" for number in range(40_000))
    assert box.ask("POST", f"/processes/{pid}/stdin", content=text.encode()).status_code == 204
    assert box.ask("POST", f"/processes/{pid}/stdin", content=b"last").status_code == 204
    assert box.ask("POST", f"/processes/{pid}/stdin/close").status_code == 204
    with box.host.http.stream("GET", f"/api/v1/processes/{pid}/stdout/follow", headers=box.headers) as answer:
        assert "".join(f"{event['line']}\n" for event in events(answer) if event) == text + "last\n"
    assert box.row(pid)["exit_code"] == 0
    for path in ("stdin", "stdin/close"):
        assert box.refused("POST", f"/processes/{pid}/{path}")[:2] == (400, "STDIN_NOT_WRITABLE")


def test_input_that_was_not_asked_for_is_empty_and_refused(box: Box) -> None:
    row = box.shell("cat; echo end; exec sleep 1000")
    box.wait_for_line(row["pid"], "end")
    assert not row["stdin_writable"]
    assert box.refused("POST", f"/processes/{row['pid']}/stdin", content=b"x")[:2] == (
        400,
        "STDIN_NOT_WRITABLE",
    )


def test_input_that_is_no_longer_read_is_refused(box: Box) -> None:
    row = box.shell("exec <&-; echo closed; exec sleep 1000", stdin_mode="pipe")
    box.wait_for_line(row["pid"], "closed")
    assert box.refused("POST", f"/processes/{row['pid']}/stdin", content=b"x")[:2] == (
        400,
        "STDIN_NOT_WRITABLE",
    )


def test_output_that_is_not_wanted_is_not_kept(box: Box) -> None:
    box.shell("echo out; echo err >&2", "web", stdout_mode="discard")
    box.wait("web", stopped)
    assert box.lines("web") == ["err"]


def test_where_and_as_whom_a_process_runs(kept_host: LiveHost, tmp_path: Path) -> None:
    box = kept_host.box("project", project_directory=str(tmp_path))
    (tmp_path / "sub").mkdir()
    box.shell("pwd; echo $HOME; echo $EXTRA", "here", env={"EXTRA": "1 2"})
    box.shell("pwd", "below", working_dir="sub")
    box.shell("pwd", "far", working_dir="/usr")
    for name in ("here", "below", "far"):
        box.wait(name, stopped)
    assert box.lines("here") == [str(tmp_path), pwd.getpwuid(os.geteuid()).pw_dir, "1 2"]
    assert box.lines("below") == [str(tmp_path / "sub")]
    assert box.lines("far") == ["/usr"]


def test_ended_rows_without_a_name_are_kept_up_to_fifty(box: Box) -> None:
    operations = [{"op": "start", **box.start_body("true")} for _ in range(60)]
    box.ask("POST", "/batch", json={"operations": operations}).raise_for_status()
    for _ in box.states():
        if len(box.rows()) == 50 and all(row["ended_at"] for row in box.rows()):
            break
    logs = box.host.home.state / "sandboxes" / box.id / "logs"
    assert len(list(logs.iterdir())) <= 50
