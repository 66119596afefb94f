"""What is left of an `up` in the cloud that is interrupted, and of two commands at the same time."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import pids

FILE = "sandboxes: {app: {processes: {web: {command: echo web >> starts; exec sleep 1000}}}}\n"
FOREVER = ["scheduling"] * 100_000
"""Reasons for a sandbox that does not get to run."""


@pytest.mark.parametrize("arguments", [["up"], ["up", "-d"]])
def test_a_sandbox_that_is_pending_when_its_up_is_interrupted_is_terminated(
    cloud: CloudSbx, arguments: list[str]
) -> None:
    cloud.write(FILE)
    cloud.plain.pending = [*FOREVER]
    cloud.plain.refuse["/suspend"] = (400, {}, b'{"error":"the sandbox is pending"}')
    with cloud.start(*arguments) as up:
        up.wait_for("sandbox app is pending: scheduling")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert "sandbox app was terminated: nothing had been started in it yet" in done.stdout + done.stderr
    assert [request for request in cloud.plain.requests if request.startswith("DELETE")]
    assert cloud.project.name not in cloud.run("ls").stdout
    cloud.plain.pending = []
    cloud.run("up", "-d", "--wait")
    assert set(pids(cloud)) == {"web"}


def test_an_up_makes_its_own_sandbox_when_the_up_that_made_the_pending_one_is_interrupted(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    with cloud.two_ups(second=["--wait"]) as (first, second):
        first.interrupt()
        assert first.wait().code == 130
        cloud.plain.pending = []
        done = second.wait()
    assert done.code == 0
    assert "sandbox app was terminated before it was running; creating another" in done.stdout + done.stderr
    assert set(pids(cloud)) == {"web"}
    assert (cloud.project / "starts").read_text() == "web\n"


def test_two_ups_at_the_same_time_start_everything_once(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    with cloud.start("up", "-d", "--wait") as one, cloud.start("up", "-d", "--wait") as other:
        assert (one.wait().code, other.wait().code) == (0, 0)
    assert (cloud.project / "starts").read_text() == "web\n"
    assert set(pids(cloud)) == {"web"}


def test_an_up_and_a_down_at_the_same_time_leave_one_or_the_other(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    cloud.run("up", "-d", "--wait")
    with cloud.start("up", "-d") as up, cloud.start("down") as down:
        assert (up.wait().code, down.wait().code) == (0, 0)
    assert cloud.plain.status(f"{cloud.project.name}-app") in ("running", "suspended")
    cloud.run("up", "-d", "--wait")
    assert set(pids(cloud)) == {"web"}
