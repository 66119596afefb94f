"""A server that dies as soon as it is started, again and again: readers, writers and restarts only wait."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.numbered_project import PATIENCE, Project, check_lines, check_order, lines_of
from tests.support.command import Sbx
from tests.support.home import wait_gone

DEATHS = 7
"""After five the keeper gives up, unless it is needed."""
LINES = 6000


def begin(sbx: Sbx) -> Project:
    """Bring up a writer of more than a pipe can hold, and a process that is always restarted."""
    project = Project(sbx)
    often = {"policy": "always", "initial_backoff": "20ms", "max_backoff": "100ms"}
    processes = {
        "writer": {"command": project.command("writer", 40, 1000, 0.02, LINES, -1)},
        "crash": {"command": project.command("crash", 7, 30, 0.002, 100, 1), "restart": often},
    }
    sbx.write(json.dumps({"processes": processes}))
    sbx.run("up", "-d")
    return project


def next_server(keeper: int, former: int) -> int:
    """Wait for the server that takes the place of a former one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for word in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split():
            with suppress(OSError):
                if int(word) != former and b"host.server" in Path(f"/proc/{word}/cmdline").read_bytes():
                    return int(word)
        time.sleep(0.001)
    raise AssertionError("no other server was started")


@pytest.mark.time_limit(3 * PATIENCE)
def test_a_server_that_dies_at_once_many_times_costs_nothing_but_time(sbx_alone: Sbx) -> None:
    project = begin(sbx_alone)
    logs = sbx_alone.start("logs", "-f", "--all", "--no-log-prefix")
    logs.wait_for("writer.1 1 ")
    keeper, server = (sbx_alone.host_pids()[part] for part in ("keeper", "server"))
    log, deaths = sbx_alone.home.runtime / "host.log", 0
    # One that is killed late, because this process gets no turn, counts as one that worked: it takes some more.
    while deaths < DEATHS or log.read_text().count("the server exits as soon as it is started; retrying") < 3:
        os.kill(server, signal.SIGKILL)
        assert wait_gone([server], PATIENCE)
        server = next_server(keeper, server)
        deaths += 1
    runs = max(project.runs["crash.1"])
    logs.wait_for(rf"writer.1 1 {LINES} ", timeout=PATIENCE)
    logs.wait_for(rf"crash.1 {runs + 2} 100 ", timeout=PATIENCE)
    logs.interrupt()
    done = logs.wait(PATIENCE)
    assert done.code == 130, str(done)
    shown = lines_of(done.stdout)
    assert check_order(shown["writer.1"], "followed") == {1: LINES}
    assert set(check_order(shown["crash.1"], "followed")) >= set(range(1, runs + 3))
    assert sbx_alone.host_pids()["keeper"] == keeper
    sbx_alone.run("down")
    check_lines(project, sbx_alone.run("logs", "--all", "--no-log-prefix", timeout=PATIENCE).stdout, "in the log")
