"""POST /processes/run on a real host (contract, section 3.8)."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.live.host.hosts import Box, ended, events


def run(box: Box, script: str, **fields: Any) -> list[dict[str, Any]]:
    body = box.start_body("sh", "-c", script, **fields)
    answer = box.ask("POST", "/processes/run", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/event-stream"
    return list(events(answer))


def test_started_lines_end(box: Box) -> None:
    first, *lines, last = run(box, "echo out; echo err >&2; printf partial; exit 3")
    assert first.keys() == {"handle", "pid", "started_at"}
    assert sorted((line["stream"], line["line"]) for line in lines) == [
        ("stderr", "err"),
        ("stdout", "out"),
        ("stdout", "partial"),
    ]
    assert all(line["timestamp"] >= first["started_at"] for line in lines)
    assert last == {"exit_code": 3, "reason": "exited"}


def test_a_death_by_signal(box: Box) -> None:
    assert run(box, "kill -15 $$")[-1] == {"signal": 15, "reason": "signaled"}


def test_input_is_empty(box: Box) -> None:
    assert [item["line"] for item in run(box, "cat; echo end", stdin_mode="pipe")[1:-1]] == ["end"]


def test_when_the_time_is_over_everything_is_killed(box: Box) -> None:
    seen = run(box, "(setsid sleep 1000 &); sleep 1000; echo after", timeout=0.05)
    assert [item.get("line") for item in seen] == [None, None]
    assert seen[-1] == {"signal": 9, "reason": "timed_out"}
    assert box.row(seen[0]["pid"])["status"] == "signaled"


def test_a_command_in_time_is_not_timed_out(box: Box) -> None:
    assert run(box, "exit 0", timeout=1000)[-1] == {"exit_code": 0, "reason": "exited"}


@pytest.mark.parametrize(
    "fields, status",
    [
        ({"command": "no-such-command"}, 500),
        ({"timeout": 0}, 422),
        ({"timeout": "1"}, 422),
        ({"timeout": True}, 422),
        ({"name": "web"}, 422),
        ({"restart": {}}, 422),
    ],
)
def test_what_cannot_be_run_is_a_plain_error(box: Box, fields: dict[str, Any], status: int) -> None:
    body = {**box.start_body("sh", "-c", "exit 0"), **fields}
    assert box.refused("POST", "/processes/run", json=body)[0] == status
    assert box.rows() == []


def test_when_the_caller_goes_everything_is_killed(box: Box) -> None:
    body = box.start_body("sh", "-c", "echo up; (setsid sleep 1000 &); sleep 1000")
    with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        stream = events(answer)
        pid = next(stream)["pid"]
        assert next(stream)["line"] == "up"
    assert box.wait(pid, ended)["signal"] == 9


def test_when_the_caller_is_gone_before_the_answer_everything_is_killed(box: Box) -> None:
    body = json.dumps(box.start_body("sleep", "1000")).encode()
    head = f"POST /api/v1/processes/run HTTP/1.1\r\nHost: {box.id}.local\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(box.host.path))
        sock.sendall(head.encode() + body)
    row = next(row for row in box.states() if ended(row))
    assert row["signal"] == 9


def test_many_lines_all_arrive(box: Box) -> None:
    lines = [item["line"] for item in run(box, "seq 20000")[1:-1]]
    assert lines == [str(number) for number in range(1, 20_001)]


def test_a_process_named_run_is_not_an_obstacle(box: Box) -> None:
    box.shell("exec sleep 1000", "run")
    assert box.row("run")["managed"]["name"] == "run"
    assert run(box, "echo x")[1]["line"] == "x"
    box.delete("run")
