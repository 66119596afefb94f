"""Who is reached by a kill, and in which order (contract, section 3.6), through the whole host."""

from __future__ import annotations

import signal

from tests.live.host.hosts import Box, ended, events, running
from tests.support.home import wait_gone

LEAVER = "setsid sh -c 'trap \"echo heard\" USR1; echo $$; while :; do sleep 0.01; done' &"


def test_what_a_leader_leaves_behind_goes_with_it_and_its_own_end_is_what_counts(box: Box) -> None:
    row = box.shell(
        f"{LEAVER} (env -i setsid /bin/sh -c 'echo $$; exec sleep 1000' &) ; read _; exit 3", stdin_mode="pipe"
    )
    left = [int(each) for each in box.first_lines(row["pid"], 2)]
    box.ask("POST", f"/processes/{row['pid']}/stdin/close")
    assert box.wait(row["pid"], ended)["exit_code"] == 3
    assert wait_gone(left, 0)


def test_a_kill_signal_reaches_what_has_left_and_supervision_stays(box: Box) -> None:
    row = box.shell(f"{LEAVER} echo up; wait", "web", restart={"policy": "on_failure", "initial_backoff_ms": 0})
    (leaver,) = [int(each) for each in box.first_lines("web", 2) if each != "up"]
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


def test_a_shell_whose_child_is_killed_does_not_go_on_to_its_next_command(box: Box) -> None:
    body = {**box.start_body("sh", "-c", "echo up; setsid sleep 1000; echo after"), "timeout": 0.2}
    with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        said = list(events(answer))
    assert [each["line"] for each in said if "line" in each] == ["up"]
    assert said[-1] == {"signal": 9, "reason": "timed_out"}


def test_a_daemon_does_not_keep_a_command_that_has_ended_from_ending(box: Box) -> None:
    body = box.start_body("sh", "-c", "(setsid sleep 1000 & echo $!) ; exit 4")
    with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        said = list(events(answer))
    assert said[-1]["exit_code"] == 4
    assert wait_gone([int(each["line"]) for each in said if "line" in each], 0)
