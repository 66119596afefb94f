"""POST /batch on a real host: many operations, an answer for each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.host.hosts import Box, batch, stopped


def start(box: Box, script: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"op": "start", **box.start_body("sh", "-c", script, name=name, **fields)}


# Each kind of batch below comes through every transport; two hundred processes are there once for each kind of sandbox.
def test_two_hundred_starts_and_stops(kept_box: Box) -> None:
    names = [f"web-{number}" for number in range(200)]
    started = batch(kept_box, *(start(kept_box, "echo up; exec sleep 1000", name) for name in names))
    assert {status for status, _ in started} == {201}
    assert len({body["pid"] for _, body in started}) == 200
    for name in names:
        kept_box.wait_for_line(name, "up")
    gone = batch(kept_box, *({"op": "stop", "process": name} for name in names))
    assert gone == [(204, None)] * 200
    assert all(stopped(row) for row in kept_box.rows())


def test_every_operation_is_answered_for_itself(box: Box) -> None:
    box.shell("exec sleep 1000", "old")
    pid = box.shell("exec sleep 1000")["pid"]
    answers = batch(
        box,
        start(box, "exec sleep 1000", "new"),
        start(box, "exec sleep 1000", "old"),
        {"op": "start", "command": "no-such-command"},
        {"op": "start"},
        {"op": "restart", "process": "old"},
        {"op": "signal", "process": pid, "signal": 18},
        {"op": "signal", "process": "old"},
        {"op": "stop", "process": "nope"},
        {"op": "dance"},
        {},
    )
    assert [status for status, _ in answers] == [201, 409, 500, 422, 200, 200, 422, 404, 422, 422]
    assert answers[1][1]["code"] == "ALREADY_EXISTS"
    assert answers[2][1]["error"] == "command not found: no-such-command"
    assert answers[4][1]["managed"]["restart_count"] == 1


def test_the_reason_of_a_stop_is_told_until_the_next_run(box: Box) -> None:
    box.shell("exec sleep 1000", "web")
    assert batch(box, {"op": "stop", "process": "web", "reason": "tea time"}) == [(204, None)]
    assert box.row("web")["stop_reason"] == "tea time"
    assert batch(box, {"op": "restart", "process": "web"})[0][0] == 200
    assert box.row("web")["stop_reason"] is None
    assert batch(box, {"op": "stop", "process": "web", "reason": "x" * 201})[0][0] == 422


def test_a_stop_for_a_new_run_says_so_until_there_is_one_or_none_will_be(box: Box) -> None:
    def replaced() -> tuple[bool, bool]:
        managed = box.row("web")["managed"]
        return managed["stop_requested"], managed["replaced"]

    stop = {"op": "stop", "process": "web"}
    box.shell("exec sleep 1000", "web", log="web.1")
    assert batch(box, {**stop, "replaced": True}) == [(204, None)]
    assert replaced() == (True, True)
    failing = {"op": "start", "command": "no-such-command", "name": "web.other", "log": "web.1"}
    assert batch(box, failing)[0][0] == 500
    assert replaced() == (True, False)
    box.shell("exec sleep 1000", "web", log="web.1")
    assert replaced() == (False, False)
    assert batch(box, {**stop, "replaced": True}, stop) == [(204, None)] * 2
    assert replaced() == (True, False)


def test_one_name_is_started_once(box: Box) -> None:
    answers = batch(box, *(start(box, "exec sleep 1000", "web") for _ in range(3)))
    assert [status for status, _ in answers] == [201, 409, 409]


@pytest.mark.not_isolated
def test_what_is_being_started_is_listed_and_not_started_twice(kept_box: Box) -> None:
    names = [f"web.{number}.11111111" for number in range(2, 202)]
    batch(kept_box, *(start(kept_box, "exit 0", name) for name in names[:100]))
    for name in names[:100]:
        kept_box.wait(name, stopped)
    body = {"env": {}, "operations": [start(kept_box, "exec sleep 1000", name) for name in names]}
    with kept_box.host.http.stream("POST", "/api/v1/batch", headers=kept_box.headers, json=body) as answer:
        lines = answer.iter_lines()
        next(lines)
        rows = kept_box.rows()
        again = batch(kept_box, *(start(kept_box, "exec sleep 1000", name) for name in names))
        assert len([*lines]) == 199, "the first batch has been carried out"
    assert [row["managed"]["name"] for row in rows] == names
    assert {row["managed"]["status"] for row in rows} <= {"starting", "running"}
    assert {(status, body["live"]) for status, body in again} == {(409, True)}
    assert len({row["pid"] for row in kept_box.rows()} - {0}) == 200


def test_another_definition_of_a_live_instance_is_refused_unless_it_replaces_it(box: Box) -> None:
    old, new = "web.11111111", "web.22222222"
    box.shell("exec sleep 1000", old)
    answers = batch(
        box,
        start(box, "exec sleep 1000", new),
        start(box, "exec sleep 1000", new, replaces=[old]),
        start(box, "exec sleep 1000", f"{new}.1", replaces=[old]),
    )
    assert [status for status, _ in answers] == [409, 201, 409]
    refusal = {"code": "INSTANCE_RUNNING", "live": True, "holder": old}
    assert answers[0][1] == {"error": f"{old} is a live run of the same process", **refusal}


def test_the_shared_environment_lies_under_each_ones_own(box: Box) -> None:
    env = {"PATH": "/usr/bin:/bin", "A": "shared", "B": "shared"}
    batch(box, start(box, "echo $A $B", "web", env={"B": "own"}), env=env)
    box.wait("web", stopped)
    assert box.lines("web") == ["shared own"]


def test_a_stop_with_a_grace_of_its_own(box: Box) -> None:
    box.shell("trap '' TERM; sleep 1000 & echo up; while :; do wait; sleep 1000 & done", "web")
    box.wait_for_line("web", "up")
    assert batch(box, {"op": "stop", "process": "web", "grace_ms": 10}) == [(204, None)]
    assert box.row("web")["signal"] == 9


def test_nothing_to_do_is_an_empty_answer(box: Box) -> None:
    assert batch(box) == []


def test_what_is_not_a_batch_is_refused(box: Box) -> None:
    for body in ({}, {"operations": 1}, {"operations": [1]}, {"operations": [], "env": {"A": 1}}):
        assert box.refused("POST", "/batch", json=body)[0] == 422


def test_a_caller_that_goes_away_does_not_undo_anything(box: Box) -> None:
    body = {"operations": [start(box, "exec sleep 1000", f"web-{number}") for number in range(50)]}
    with box.host.http.stream("POST", "/api/v1/batch", headers=box.headers, json=body):
        pass
    for number in range(50):
        box.wait(f"web-{number}", lambda row: row["status"] == "running")
