"""The installed command over a network that misbehaves; many more schedules are in tests/live/engine."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import pids
from tests.support.rough_network import FAULTS, RoughNetwork, Schedule

QUICK = tuple(fault for fault in FAULTS if fault != "stall")
"""A connection that stalls is given up after 45 seconds."""
LINES = 50
SPEC = f"""
processes:
  job: {{command: "echo job >> starts", restart: never}}
  web:
    command: >-
      echo web >> starts; i=0;
      while [ $$i -lt {LINES} ]; do i=$$((i+1)); echo $$$$ $$i; done; exec sleep 1000
    depends_on: {{job: completed}}
"""


@pytest.fixture(params=[101, 202])
def rough(request: pytest.FixtureRequest, cloud: CloudSbx) -> Iterator[RoughNetwork]:
    """The way to the cloud of `cloud`, with faults drawn from a seed."""
    schedule = Schedule(request.param, QUICK)
    schedule.rate, schedule.most = 0.3, 25
    with RoughNetwork(int(cloud.plain.address.rpartition(":")[2]), schedule).in_thread() as network:
        cloud.env["TENSORLAKE_API_URL"] = network.address
        yield network
    print(f"seed {request.param}", *schedule.done, sep="\n")


def test_every_command_does_what_it_should(cloud: CloudSbx, rough: RoughNetwork) -> None:
    cloud.write(SPEC)
    cloud.run("up", "-d", "--wait")
    with cloud.start("logs", "-f", "web", "--no-log-prefix") as logs:
        logs.wait_for(rf"(?m)^\d+ {LINES}$")
        cloud.run("restart", "web")
        logs.wait_for(rf"(?m)^\d+ {LINES}$", count=2)
        logs.interrupt()
        shown = [line.split() for line in logs.wait().stdout.splitlines() if re.fullmatch(r"\d+ \d+", line)]
    assert Counter(number for _, number in shown) == {str(number): 2 for number in range(1, LINES + 1)}
    ran = cloud.run("exec", "web", "sh", "-c", "echo once >> executed; seq 100; exit 3", code=3)
    assert ran.stdout.split() == [str(number) for number in range(1, 101)]
    cloud.write("the contents\n", "here")
    cloud.run("cp", "here", f"main:{cloud.project}/there")
    assert (cloud.project / "there").read_text() == "the contents\n"
    assert set(pids(cloud)) == {"web"}
    cloud.run("down")
    assert (cloud.project / "executed").read_text() == "once\n"
    assert (cloud.project / "starts").read_text().split() == ["job", "web", "web"]
    assert rough.schedule.done, "nothing has gone wrong"


def test_an_outage_has_one_line_at_its_begin_and_one_at_its_end(cloud: CloudSbx) -> None:
    cloud.write("processes: {web: {command: 'echo here; exec sleep 1000'}}\n")
    quiet = Schedule(1)
    quiet.most = 0
    with RoughNetwork(int(cloud.plain.address.rpartition(":")[2]), quiet).in_thread() as network:
        cloud.env["TENSORLAKE_API_URL"] = network.address
        cloud.run("up", "-d")
        with cloud.start("logs", "-f") as logs:
            logs.wait_for("web \\| here")
            network.down = True
            network.cut()
            logs.wait_for("; trying again\n")
            network.down = False
            logs.wait_for("connected again after")
            logs.interrupt()
            done = logs.wait()
    assert [done.stderr.count(words) for words in ("trying again", "connected again")] == [1, 1]
    assert done.stdout == "web | here\n"


def test_a_cloud_that_does_not_answer_is_named(cloud: CloudSbx) -> None:
    cloud.write(SPEC)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with cloud.start("ps", env={"TENSORLAKE_API_URL": address}) as command:
            command.wait_for(f"waiting for {address} to answer")
            command.interrupt()
            assert command.wait().code == 130
