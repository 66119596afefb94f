"""A process that the kernel kills for want of memory is shown as such (contract, sections 3.3 and 3.6)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.live.host.hosts import Box, ended, events, stopped
from tests.support.rights import little_memory

pytestmark = pytest.mark.not_isolated
EAT = "import sys\nopen(sys.argv[1], 'w').write('0')\nkept = []\nwhile True: kept.append(bytearray(b'x' * (1 << 20)))"


@pytest.fixture
def box(kept_box: Box) -> Box:
    """A sandbox, by one way to the host: which one does not matter here."""
    return kept_box


@pytest.fixture
def group() -> Iterator[str]:
    with little_memory() as path:
        yield path


def test_a_plain_process_and_a_managed_one(box: Box, group: str) -> None:
    plain = box.begin("python3", "-c", EAT, group)
    row = box.wait(plain["pid"], ended)
    assert (row["status"], row["signal"], row["exit_code"], row["oom_killed"]) == ("oom_killed", 9, None, True)
    box.begin("python3", "-c", EAT, group, name="web", restart={"policy": "on_failure", "max_restarts": 1})
    row = box.wait("web", stopped)
    assert (row["status"], row["managed"]["restart_count"]) == ("oom_killed", 1)
    assert (row["managed"]["last_exit"]["signal"], row["managed"]["last_exit"]["oom_killed"]) == (9, True)


def test_a_command_that_is_run(box: Box, group: str) -> None:
    body = box.start_body("python3", "-c", EAT, group)
    with box.host.http.stream("POST", "/api/v1/processes/run", headers=box.headers, json=body) as answer:
        *_, last = events(answer)
    assert last == {"signal": 9, "reason": "oom_killed", "oom_killed": True}


def test_a_process_killed_by_another_did_not_run_out_of_memory(box: Box, group: str) -> None:
    first, other = box.begin("python3", "-c", EAT, group), box.begin("sleep", "1000")
    box.wait(first["pid"], ended)
    os.kill(other["pid"], signal.SIGKILL)
    row = box.wait(other["pid"], ended)
    assert (row["status"], row["signal"], row["oom_killed"]) == ("signaled", 9, False)


def test_it_is_known_after_the_server_was_killed(box: Box, group: str) -> None:
    row = box.begin("python3", "-c", "import sys; sys.stdin.read()\n" + EAT, group, stdin_mode="pipe", name="web")
    box.host.kill("server")
    box.ask("POST", f"/processes/{row['pid']}/stdin/close")
    assert box.wait(row["pid"], ended)["status"] == "oom_killed"
