"""Who is reached by a kill, and in which order (contract, section 3.6), through the whole host."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from sbxcompose.engine.local_host import launch
from tests.live.host.hosts import Box, LiveHost, ended, events, running
from tests.support.home import wait_gone
from tests.support.waiting import until

LEAVER = "setsid sh -c 'trap \"echo heard\" USR1; echo $$; while :; do sleep 0.01; done' &"


@pytest.mark.not_isolated
def test_what_a_leader_leaves_behind_goes_with_it_and_its_own_end_is_what_counts(box: Box) -> None:
    row = box.shell(
        f"{LEAVER} (env -i setsid /bin/sh -c 'echo $$; exec sleep 1000' &) ; read _; exit 3", stdin_mode="pipe"
    )
    left = [int(line) for line in box.first_lines(row["pid"], 2)]
    box.ask("POST", f"/processes/{row['pid']}/stdin/close")
    assert box.wait(row["pid"], ended)["exit_code"] == 3
    assert wait_gone(left, 0)


@pytest.mark.not_isolated
def test_a_kill_signal_reaches_what_has_left_and_supervision_stays(box: Box) -> None:
    row = box.shell(f"{LEAVER} echo up; wait", "web", restart={"policy": "on_failure", "initial_backoff_ms": 0})
    (leaver,) = [int(line) for line in box.first_lines("web", 2) if line != "up"]
    box.ask("POST", "/processes/web/signal", json={"signal": 9}).raise_for_status()
    again = box.wait("web", lambda found: running(found) and found["pid"] != row["pid"])
    assert again["managed"]["last_exit"]["signal"] == signal.SIGKILL
    assert wait_gone([row["pid"], leaver], 0)


def test_another_signal_is_for_the_group_alone(box: Box) -> None:
    script = (
        f"{LEAVER} trap 'echo leader' USR1; sh -c 'trap \"echo child\" USR1; echo up; while :; do sleep 0.01; done' & "
    )
    script = f"exec 2>/dev/null; {script}"  # a shell may say of what the signal killed that it did
    box.shell(script + "while :; do wait; done", "web")
    box.first_lines("web", 2)
    box.ask("POST", "/processes/web/signal", json={"signal": int(signal.SIGUSR1)}).raise_for_status()
    assert set(box.first_lines("web", 4)) >= {"leader", "child"}
    assert "heard" not in box.lines("web")


def test_a_shell_whose_child_is_killed_does_not_continue_to_its_next_command(box: Box) -> None:
    for seconds in (0.2, 2.0, 20.0):  # long enough for the shell to have begun
        body = {**box.start_body("sh", "-c", "echo up; setsid sleep 1000; echo after"), "timeout": seconds}
        with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
            said = list(events(answer))
        lines = [item["line"] for item in said if "line" in item]
        assert lines in ([], ["up"])
        assert said[-1] == {"signal": 9, "reason": "timed_out"}
        if lines:
            break
    assert lines == ["up"]


@pytest.mark.not_isolated
def test_a_daemon_does_not_keep_a_command_that_has_ended_from_ending(box: Box) -> None:
    body = box.start_body("sh", "-c", "(setsid sleep 1000 & echo $!) ; exit 4")
    with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        said = list(events(answer))
    assert said[-1]["exit_code"] == 4
    assert wait_gone([int(item["line"]) for item in said if "line" in item], 0)


SHED = "(ulimit -S -m unlimited; setsid sh -c 'setsid env -i sleep {time} &' &); exec sleep 1000"
"""Leaves a child that has no parents, environment, limit or session of ours."""


def sleepers(time: str) -> list[int]:
    """The processes `sleep <time>`, found by that alone."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if Path("/proc", name, "cmdline").read_bytes() == f"sleep\0{time}\0".encode():
                found.append(int(name))
    return found


def shed(box: Box, time: str) -> list[int]:
    """Start `web`, which leaves such a child; the child, once it is the keeper's."""
    box.shell(SHED.format(time=time), "web")
    keeper = box.host.status["keeper_pid"]
    adopted = f"\nPPid:\t{keeper}\n"
    return until(
        lambda: sleepers(time), lambda found: found and adopted in Path(f"/proc/{found[0]}/status").read_text()
    )


def test_a_child_that_has_shed_everything_ends_with_the_last_process(host: LiveHost) -> None:
    box = host.box(isolation="none")
    found = shed(box, f"1001.{os.getpid()}")
    box.delete("web")
    assert wait_gone(found, 0)
    assert f" left behind: {found[0]} sleep 1001" in host.log


def test_a_child_that_has_shed_everything_is_named_while_it_may_be_of_another(host: LiveHost) -> None:
    other = host.box("other", isolation="none")
    other.shell("exec sleep 1000", "older")
    box = host.box(isolation="none")
    found = shed(box, f"1002.{os.getpid()}")
    box.delete("web")
    assert not wait_gone(found, 0)
    assert f"process {found[0]} (sleep 1002.{os.getpid()}) belongs to no known process" in host.log
    other.delete("older")
    assert wait_gone(found, 0)


def test_a_child_that_has_shed_everything_ends_with_the_host(host: LiveHost) -> None:
    host.box("other", isolation="none").shell("exec sleep 1000", "older")
    found = shed(host.box(isolation="none"), f"1003.{os.getpid()}")
    launch.stop(force=True)
    assert wait_gone(found, 0)
