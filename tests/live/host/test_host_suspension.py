"""Sandboxes suspended and resumed in a real host (contract, section 2.11)."""

from __future__ import annotations

import os
import select
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.engine.local_host import launch
from sbxcompose.host.keeper.cgroups import FreezerGroup, places
from tests.live.host.hosts import LiveHost, client_of, ended, in_time, running, stopped
from tests.support.home import Home, wait_gone
from tests.support.ports import free_port
from tests.support.waiting import until

LONG_MS = 120_000
"""Milliseconds to wait for what takes two or three: a machine that is busy is slow."""
COUNTING = "i=0; echo up; while :; do i=$((i+1)); echo $i > count; done"
SILENT_SERVER = (
    "import http.server as h\n"
    "class Good(h.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "    def log_message(self, *words): pass\n"
    "h.HTTPServer(('127.0.0.1', {port}), Good).serve_forever()\n"
)


def state_of(pid: int) -> str:
    """A process's state as the kernel has it: R, S, T, Z …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def held(pid: int) -> bool:
    """Whether a process is kept from running: stopped, or in a control group that is frozen."""
    with tempfile.TemporaryDirectory() as mixed:  # its groups by the mounts of this process: it may see none itself
        for name, whose in (("cgroup", pid), ("mountinfo", "self")):
            Path(mixed, name).write_bytes(Path(f"/proc/{whose}/{name}").read_bytes())
        return state_of(pid) == "T" or any(FreezerGroup(place).frozen for place in places("freezer", mixed))


def wait_until_held(pid: int) -> None:
    """Wait until a process is kept from running."""
    until(lambda: held(pid))


def status(host: LiveHost, name: str = "box") -> str:
    """The sandbox's state; to ask for it wakes nobody."""
    found: str = host.http.get(f"/sandboxes/{name}").json()["status"]
    return found


def wait_for_status(host: LiveHost, wanted: str) -> None:
    until(lambda: status(host), lambda found: found == wanted)


def change(host: LiveHost, word: str, name: str = "box", **query: int) -> int:
    """Suspend or resume; the answer's status."""
    return host.http.post(f"/sandboxes/{name}/{word}", params=query).status_code


def suspend(host: LiveHost) -> None:
    assert change(host, "suspend", wait_ms=LONG_MS) == 200
    assert status(host) == "suspended"


def resume(host: LiveHost) -> None:
    assert change(host, "resume", wait_ms=LONG_MS) == 200
    assert status(host) == "running"


def let_time_pass(host: LiveHost, seconds: float) -> None:
    """Wait by a process in another sandbox."""
    clock = host.box(None, timeout_secs=0)
    row = clock.begin("sleep", str(seconds), name="clock", restart={"policy": "never"})
    clock.wait(row["pid"], ended)


def workspace(host: LiveHost, name: str = "box") -> Path:
    return Path(host.http.get(f"/sandboxes/{name}").json()["workspace_directory"])


def test_everything_is_frozen_and_continues_with_the_same_process_ids(kept_host: LiveHost) -> None:
    box = kept_host.box(isolation="none")  # `$$` is a process id of this machine
    box.shell(f"setsid sh -c 'echo $$ > left; {COUNTING}' & sleep 1000 & echo $! > child; wait", "web")
    box.wait_for_line("web", "up")
    pids = [box.row("web")["pid"], *(int((workspace(kept_host) / text).read_text()) for text in ("left", "child"))]
    suspend(kept_host)
    for pid in pids:
        wait_until_held(pid)
    before = (workspace(kept_host) / "count").read_text()
    let_time_pass(kept_host, 0.2)
    assert (workspace(kept_host) / "count").read_text() == before
    assert all(map(held, pids))
    resume(kept_host)
    assert not any(map(held, pids))
    row = box.row("web")
    assert (row["pid"], row["managed"]["restart_count"]) == (pids[0], 0)
    until((workspace(kept_host) / "count").read_text, lambda text: text != before)


def test_the_answers_of_suspend_and_resume(kept_host: LiveHost) -> None:
    kept_host.box()
    for word, reached in (("suspend", "suspended"), ("resume", "running")):
        assert change(kept_host, word) == 202
        wait_for_status(kept_host, reached)
        assert change(kept_host, word) == 200
    assert change(kept_host, "suspend", wait_ms=0) in (200, 202)
    for word in ("suspend", "resume"):
        assert change(kept_host, word, "nope") == 404
        assert kept_host.http.post(f"/sandboxes/box/{word}?wait_ms=x").status_code == 400
    unnamed = kept_host.box(None)
    answer = kept_host.http.post(f"/sandboxes/{unnamed.id}/suspend")
    assert (answer.status_code, answer.json()["code"]) == (400, "EPHEMERAL")
    kept_host.http.delete("/sandboxes/box")
    assert change(kept_host, "resume") == 404


def test_a_suspension_waits_for_what_is_being_ended_and_is_not_resumed_meanwhile(kept_host: LiveHost) -> None:
    box = kept_host.box()
    script = "trap 'echo > asked; read line < gate; exit 0' TERM; mkfifo gate; echo up; while :; do sleep 0.01; done"
    box.shell(script, "web")
    box.wait_for_line("web", "up")
    stopping = threading.Thread(target=box.delete, args=("web",), kwargs={"grace_ms": 50_000})
    stopping.start()
    until((workspace(kept_host) / "asked").exists)
    answered = [
        change(kept_host, "suspend", wait_ms=0),
        change(kept_host, "resume"),
        change(kept_host, "suspend", wait_ms=0),
    ]
    assert answered == [202, 409, 202]
    assert status(kept_host) == "suspending"
    (workspace(kept_host) / "gate").write_text("now\n")
    stopping.join()
    suspend(kept_host)


def test_a_request_for_the_daemon_resumes_it(kept_host: LiveHost) -> None:
    box = kept_host.box()
    pid = box.shell("echo up; exec sleep 1000", "web")["pid"]
    box.wait_for_line("web", "up")
    suspend(kept_host)
    assert box.row("web")["pid"] == pid
    assert status(kept_host) == "running"
    suspend(kept_host)
    assert box.ask("GET", "/health").status_code == 200
    assert status(kept_host) == "running"


def test_many_requests_at_once_resume_it_once(kept_host: LiveHost) -> None:
    box = kept_host.box()
    box.shell("exec sleep 1000", "web")
    suspend(kept_host)
    seen: list[int] = []

    def ask() -> None:
        with client_of(kept_host.path) as http:
            seen.append(http.get("/api/v1/processes", headers=box.headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [200] * 16
    assert status(kept_host) == "running"


def test_without_auto_resume_a_request_is_refused(kept_host: LiveHost) -> None:
    box = kept_host.box(auto_resume=False)
    suspend(kept_host)
    assert box.refused("GET", "/processes")[:2] == (409, "SANDBOX_NOT_RUNNING")
    assert status(kept_host) == "suspended"
    assert kept_host.http.patch("/sandboxes/box", json={"auto_resume": True}).status_code == 200
    assert status(kept_host) == "suspended"
    assert box.rows() == []
    assert status(kept_host) == "running"


def test_who_only_watches_does_not_wake_it(kept_host: LiveHost) -> None:
    """A watch that broke off is asked for again, as after the death of the server."""
    box = kept_host.box()
    row = box.shell("exec sleep 1000", "web")
    suspend(kept_host)
    assert next(box.states())["pid"] == row["pid"]
    assert box.ask("GET", "/stats").json()["processes"][0]["pid"] == row["pid"]
    assert status(kept_host) == "suspended"


def test_a_pause_between_restarts_does_not_pass(kept_host: LiveHost) -> None:
    box = kept_host.box()
    policy = {"initial_backoff_ms": 400, "max_backoff_ms": 400}
    box.shell("echo run >> runs; exit 1", "web", restart=policy)
    box.wait("web", lambda row: row["managed"]["status"] == "backing_off")
    suspend(kept_host)
    before = (workspace(kept_host) / "runs").read_text()
    let_time_pass(kept_host, 0.6)
    assert (workspace(kept_host) / "runs").read_text() == before
    resume(kept_host)
    row = box.row("web")
    assert row["managed"]["status"] == "backing_off" or (workspace(kept_host) / "runs").read_text() != before
    until((workspace(kept_host) / "runs").read_text, lambda text: text != before)


def test_a_long_pause_continues_with_what_was_left_also_over_the_server_s_death(killed_host: LiveHost) -> None:
    box = killed_host.box()
    policy = {"initial_backoff_ms": 30_000, "max_backoff_ms": 30_000}
    box.shell("exit 1", "web", restart=policy)
    row = box.wait("web", lambda row: row["managed"]["status"] == "backing_off")
    due = row["managed"]["next_restart_at"]
    suspend(killed_host)
    let_time_pass(killed_host, 0.2)
    killed_host.kill("server")
    assert status(killed_host) == "suspended"
    resume(killed_host)
    managed = box.row("web")["managed"]
    assert managed["status"] == "backing_off"
    assert managed["next_restart_at"] >= due + 200
    box.delete("web")
    assert box.row("web")["managed"]["status"] == "stopped"


def test_health_is_looked_at_anew(kept_host: LiveHost) -> None:
    """Fewer checks fail while it stands still than would fail if they went on."""
    box, port = kept_host.box(), free_port()
    check = {"type": "http", "port": port, "interval_ms": 10, "timeout_ms": 20, "failure_threshold": 30}
    check["initial_delay_ms"] = 30_000
    box.begin("python3", "-c", SILENT_SERVER.format(port=port), name="web", health_check=check)
    box.wait("web", lambda row: row["managed"]["health_status"] == "healthy")
    suspend(kept_host)
    let_time_pass(kept_host, 1.2)
    resume(kept_host)
    row = box.wait("web", lambda row: row["managed"]["health_status"] == "healthy")
    assert row["managed"]["restart_count"] == 0


def test_what_dies_while_suspended_is_started_again_only_afterwards(killed_host: LiveHost) -> None:
    box = killed_host.box()
    row = box.shell("echo run >> runs; exec sleep 1000", "web", restart={"initial_backoff_ms": 0})
    box.wait("web", running)
    until((workspace(killed_host) / "runs").exists)
    suspend(killed_host)
    os.kill(row["pid"], 9)
    assert wait_gone([row["pid"]], 60)
    let_time_pass(killed_host, 0.2)
    assert (workspace(killed_host) / "runs").read_text() == "run\n"
    resume(killed_host)
    again = box.wait("web", lambda row: row["managed"]["restart_count"] == 1 and running(row))
    assert again["pid"] != row["pid"]


@pytest.mark.parametrize("polite", [True, False])
def test_the_end_of_a_suspended_sandbox_is_the_end_of_all_in_it(kept_host: LiveHost, polite: bool) -> None:
    box = kept_host.box()
    script = "trap 'echo bye > said; exit 0' TERM; " if polite else "trap '' TERM; "
    row = box.shell(script + "(setsid sleep 1000 &); echo up; while :; do sleep 0.01; done", "web")
    box.wait_for_line("web", "up")
    suspend(kept_host)
    assert kept_host.http.delete("/sandboxes/box").status_code == 200
    assert wait_gone([row["pid"]], 0)
    assert kept_host.http.get(f"/sandboxes/{box.id}").json()["status"] == "terminated"


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_it_stays_suspended_when_a_part_of_the_host_dies(killed_host: LiveHost, victim: str) -> None:
    box = killed_host.box()
    row = box.shell("echo up; read line; echo got $line; exec sleep 1000", "web", stdin_mode="pipe")
    box.wait_for_line("web", "up")
    suspend(killed_host)
    killed_host.kill(victim)
    assert status(killed_host) == "suspended"
    wait_until_held(row["pid"])
    assert box.ask("POST", "/processes/web/stdin", content=b"it\n").status_code == 204
    box.wait_for_line("web", "got it")
    assert box.row("web")["pid"] == row["pid"]


def test_a_suspension_under_way_is_completed_by_the_next_server(killed_host: LiveHost) -> None:
    box = killed_host.box()
    pids = [box.shell("exec sleep 1000", f"web-{number}")["pid"] for number in range(20)]
    for _ in range(5):
        with client_of(killed_host.path) as http:
            request = http.build_request("POST", "/sandboxes/box/suspend", params={"wait_ms": 0})
            http.send(request)
        killed_host.kill("server")
        wait_for_status(killed_host, "suspended")
        for pid in pids:
            wait_until_held(pid)
        resume(killed_host)
    assert sorted(row["pid"] for row in box.rows()) == sorted(pids)


def test_an_unused_named_sandbox_is_suspended(kept_host: LiveHost) -> None:
    box = kept_host.box(timeout_secs=1)
    row = box.shell("exec sleep 1000", "web")
    wait_for_status(kept_host, "suspended")
    wait_until_held(row["pid"])
    assert box.row("web")["pid"] == row["pid"]
    wait_for_status(kept_host, "suspended")


def test_a_stream_that_is_read_is_use(kept_host: LiveHost) -> None:
    box = kept_host.box(timeout_secs=1)
    box.shell("echo up; exec sleep 1000", "web")
    path = "/api/v1/processes/web/output/follow"
    with client_of(kept_host.path) as http, http.stream("GET", path, headers=box.headers) as answer:
        assert answer.status_code == 200
        let_time_pass(kept_host, 1.3)
        assert status(kept_host) == "running"
    wait_for_status(kept_host, "suspended")


def test_a_name_turns_a_lifetime_into_a_time_of_idleness(kept_host: LiveHost) -> None:
    for seconds in (1, 5, 30):  # long enough for the name to come before the end
        box = kept_host.box(None, timeout_secs=seconds)
        answer = kept_host.http.patch(f"/sandboxes/{box.id}", json={"name": "box"})
        if answer.status_code == 200:
            break
    assert (answer.status_code, answer.json()["name"]) == (200, "box")
    wait_for_status(kept_host, "suspended")
    assert kept_host.http.get("/sandboxes/box").json()["id"] == box.id


def test_a_host_does_not_end_under_what_is_suspended(host_environ: Home) -> None:
    def work(host: LiveHost, idle: float) -> None:
        box, keeper = host.box(), os.pidfd_open(host.status["keeper_pid"])
        try:
            row = box.shell("exec sleep 1000", "web")
            suspend(host)
            assert not select.select([keeper], [], [], 2 * idle)[0]
            assert held(row["pid"])
            host.http.delete("/sandboxes/box")
            assert select.select([keeper], [], [], 120)[0]
        finally:
            os.close(keeper)

    in_time(host_environ, work)


def test_a_host_that_is_stopped_ends_what_is_suspended(host: LiveHost) -> None:
    box = host.box()
    row = box.shell("exec sleep 1000", "web")
    suspend(host)
    refused = host.http.post("/host/v1/stop", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "RUNNING")
    assert launch.stop(force=True)
    assert wait_gone([row["pid"]], 0)


def test_starts_that_meet_a_suspension_are_done_once(kept_host: LiveHost) -> None:
    box = kept_host.box()
    answers: list[Any] = []

    def start(number: int) -> None:
        with client_of(kept_host.path) as http:
            body = box.start_body("sleep", "1000", name=f"web-{number}")
            answers.append(http.post("/api/v1/processes", headers=box.headers, json=body).status_code)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        change(kept_host, "suspend", wait_ms=5_000)
    resume(kept_host)
    for thread in threads:
        thread.join()
    assert answers == [201] * 12
    assert all(not stopped(row) for row in box.rows())
    assert len(box.rows()) == 12
