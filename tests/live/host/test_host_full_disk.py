"""A full disk: what is asked for is refused, what has happened is remembered, and writers wait for room."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.live.host.hosts import batch, live_host, running, stopped
from tests.live.host.small_disks import fill, small_state
from tests.support.home import Home
from tests.support.waiting import until


@pytest.fixture
def small_disk(host_environ: Home) -> Iterator[Home]:
    """A home whose state directory has one megabyte."""
    with small_state(host_environ, "1m") as home:
        yield home


def test_no_space_left(small_disk: Home) -> None:
    with live_host(small_disk) as host:
        box = host.box()
        box.shell("echo up; read line; echo got $line; exec sleep 1000", "web", stdin_mode="pipe")
        box.wait_for_line("web", "up")
        filler = fill(small_disk.state)
        body = box.start_body("sleep", "1000", name="other")
        assert box.refused("POST", "/processes", json=body)[:2] == (500, "NO_SPACE")
        full = host.http.post("/sandboxes", json={"name": "other"})
        assert (full.status_code, full.json()["code"]) == (500, "NO_SPACE")
        assert running(box.row("web"))
        assert box.ask("POST", "/processes/web/stdin", content=b"it\n").status_code == 204
        filler.unlink()
        box.wait_for_line("web", "got it")
        assert box.begin("sleep", "1000", name="other")["status"] == "running"


def test_a_restart_leaves_alone_what_could_not_be_replaced(small_disk: Home) -> None:
    with live_host(small_disk) as host:
        box = host.box()
        box.shell("echo up; exec sleep 1000", "web", restart={"policy": "always"})
        box.wait_for_line("web", "up")
        filler = fill(small_disk.state)
        status, code, words = box.refused("POST", "/processes/web/restart")
        assert (status, code) == (500, "NO_SPACE")
        assert "not restarted, and still running: no space left on device" in words
        replaced = {"op": "stop", "process": "web", "replaced": True}
        ((status, body),) = batch(box, replaced)
        assert (status, body["code"]) == (500, "NO_SPACE")
        assert box.row("web")["managed"]["restart_count"] == 0
        assert running(box.row("web"))
        filler.unlink()
        assert box.ask("POST", "/processes/web/restart").status_code == 200
        assert batch(box, replaced) == [(204, None)]
        assert stopped(box.row("web"))


ALWAYS = {"policy": "always", "initial_delay_ms": 1, "max_delay_ms": 1}


def test_a_stop_is_not_forgotten_although_the_server_is_killed(small_disk: Home) -> None:
    with live_host(small_disk) as host:
        box = host.box()
        box.shell("echo up; exec sleep 1000", "web", restart=ALWAYS)
        box.shell("exit 1", "crashing", restart=ALWAYS)
        box.wait_for_line("web", "up")
        filler = fill(small_disk.state)
        # What is appended to its record has room in a block of the file for a while.
        until(lambda: "process crashing cannot be recorded" in host.log)
        while "process web cannot be recorded" not in host.log:
            box.ask("POST", "/processes/web/signal", json={"signal": signal.SIGKILL})
        for name in ("web", "crashing"):
            box.delete(name, grace_ms=5_000)
        host.kill("server")
        for _ in range(2):
            for name in ("web", "crashing"):
                row = box.row(name)
                assert stopped(row)
                assert row["managed"]["stop_requested"]
            filler.unlink(missing_ok=True)
            host.kill("server")


def test_a_writer_that_waits_for_room_is_shown_as_such(small_disk: Home) -> None:
    with live_host(small_disk) as host:
        box = host.box()
        filler = fill(small_disk.state)
        filler.write_bytes(b"x" * 512 * 1024)
        box.shell("while :; do echo 0123456789012345678901234567890123456789; done", "web")
        row = box.wait("web", lambda row: row["managed"]["output_blocked"] is not None)
        assert row["managed"]["output_blocked"] == "no space left on device"
        filler.unlink()
        box.wait("web", lambda row: row["managed"]["output_blocked"] is None)
        box.delete("web", grace_ms=0)


def test_what_runs_in_a_suspended_sandbox_continues_after_a_full_disk(small_disk: Home) -> None:
    with live_host(small_disk) as host:
        box = host.box()
        box.shell("echo up; exec sleep 1000", "web")
        box.wait_for_line("web", "up")
        assert host.http.post("/sandboxes/box/suspend", params={"wait_ms": 20_000}).status_code == 200
        filler = fill(small_disk.state)
        assert host.http.post("/sandboxes/box/resume", params={"wait_ms": 20_000}).status_code == 200
        host.kill("server")
        assert host.http.get("/sandboxes/box").json()["status"] == "running"
        filler.unlink()
        assert running(box.row("web"))
