"""More processes than a command follows at a time, at a daemon that has the contract alone."""

from __future__ import annotations

from collections import Counter

import pytest

from sbxcompose.engine.contract.follow_places import STREAMS
from tests.cli.conftest import CloudSbx
from tests.support.descriptors import targets

PROCESSES = STREAMS + 12
REQUESTS = 100
"""Requests that wait for an answer at a time, see `api.cloud`."""
FILE = f"""
sandboxes:
  app:
    processes:
      p:
        command: "echo one; while [ ! -e go ]; do sleep 1; done; echo two; exec sleep 1000"
        replicas: {PROCESSES}
"""


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    return sum(target.startswith("socket:") for target in targets(pid))


@pytest.mark.time_limit(400)
@pytest.mark.cold  # in a fork of a fork server the sockets would be another process's
def test_every_line_of_many_processes_comes_once_over_few_connections(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    cloud.run("up", "-d")
    with cloud.start("logs", "-f") as logs:
        logs.wait_for(f"following {PROCESSES} processes over {STREAMS} connections")
        for word in ("one", "two"):
            logs.wait_for(rf"(?m) {word}$", count=PROCESSES, timeout=170)
            assert sockets(logs.process.pid) <= STREAMS + REQUESTS
            (cloud.project / "go").touch()
        logs.interrupt()
        shown = logs.wait().stdout
    for word in ("one", "two"):
        of_each = Counter(line.split()[0] for line in shown.splitlines() if line.endswith(word))
        assert set(of_each.values()) == {1}
        assert len(of_each) == PROCESSES
