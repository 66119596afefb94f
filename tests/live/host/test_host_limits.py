"""Limits of a sandbox are enforced where control groups allow it, and are said not to be elsewhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sbxcompose.engine.local_host import launch
from tests.live.host.hosts import PATIENCE, Box, LiveHost, ended, events, live_host
from tests.support.home import Home, wait_gone
from tests.support.waiting import until

LIMITS = {"memory": 64 << 20, "cpus": 0.5, "processes": 12}
HOG = "x = bytearray(300 << 20); print('survived')"
FORKS = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 1000 & done; echo all"


def limited(host: LiveHost, **fields: object) -> Box:
    """A sandbox with limits. Skips the test where the machine does not enforce them, with its reason."""
    box = host.box("box", limits=LIMITS, **fields)
    refused = host.http.get("/sandboxes/box").json()["limits"]["refused"]
    if refused:
        pytest.skip(refused)
    return box


def groups() -> list[Path]:
    """The groups of hosts of tests that are there."""
    return list(Path("/sys/fs/cgroup").glob("**/sbxcompose-limits-*/*"))


def test_a_sandbox_cannot_take_more_than_its_share(kept_host: LiveHost) -> None:
    for isolation in ("none", "overlay"):
        check(kept_host, limited(kept_host, isolation=isolation))


def check(host: LiveHost, box: Box) -> None:
    row = box.wait(box.begin("python3", "-S", "-c", HOG)["pid"], ended)
    assert row["signal"] == 9
    assert box.lines(row["pid"]) == []
    row = box.wait(box.shell(f'python3 -S -c "{HOG}"; exit $?')["pid"], ended)
    assert (row["exit_code"], row["oom_killed"], row["oom_kills"]) == (137, False, 1)
    body = box.start_body("sh", "-c", f'python3 -S -c "{HOG}"; exit $?')
    with host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        *_, last = events(answer)
    assert last == {"exit_code": 137, "reason": "exited", "oom_kills": 1}
    row = box.wait(box.shell("exit 137")["pid"], ended)
    assert (row["exit_code"], row["oom_kills"]) == (137, 0)
    row = box.wait(box.shell(FORKS)["pid"], ended)
    assert row["exit_code"] != 0
    host.http.patch("/sandboxes/box", json={"limits": {**LIMITS, "processes": 40}}).raise_for_status()
    row = box.wait(box.shell(FORKS)["pid"], ended)
    assert box.lines(row["pid"]) == ["all"]
    host.kill("server")
    assert box.wait(box.begin("python3", "-S", "-c", HOG)["pid"], ended)["signal"] == 9
    number = box.id
    host.http.delete("/sandboxes/box").raise_for_status()
    assert [group for group in groups() if group.name == number and group.is_dir()] == []


def groups_of(box: Box) -> list[Path]:
    """The groups of a sandbox, which has limits."""
    return [group for group in groups() if group.name == box.id]


def test_a_host_that_ends_leaves_no_groups_and_finds_its_limits_again(host_environ: Home) -> None:
    with live_host(host_environ) as host:
        box = limited(host)
        assert groups_of(box)
        keeper = host.status["keeper_pid"]
        launch.stop(force=False)
        assert wait_gone([keeper], PATIENCE)
        assert groups_of(box) == []
    with live_host(host_environ) as host:
        again = Box(host, box.id)
        assert again.rows() == []
        assert groups_of(box)
        assert again.wait(again.begin("python3", "-S", "-c", HOG)["pid"], ended)["signal"] == 9


def test_groups_of_a_host_that_was_killed_are_removed_by_the_next_of_this_user(host_environ: Home) -> None:
    with live_host(host_environ) as host:
        box = limited(host)
        killed = [host.status["keeper_pid"], host.status["pid"]]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # none of them replaces the other
            for pid in killed:
                os.kill(pid, number)
        assert wait_gone(killed, PATIENCE)
        assert groups_of(box)
        with Home.temporary() as other, pytest.MonkeyPatch.context() as patch:
            for name, value in other.environment().items():
                patch.setenv(name, value)
            with live_host(other):
                until(lambda: groups_of(box), lambda groups: not groups)


def test_what_clients_send_by_default_limits_nothing(kept_host: LiveHost) -> None:
    box = kept_host.box(resources={"cpus": 1.0, "memory_mb": 64})
    assert kept_host.http.get("/sandboxes/box").json()["limits"] is None
    row = box.wait(box.begin("python3", "-S", "-c", HOG)["pid"], ended)
    assert box.lines(row["pid"]) == ["survived"]
