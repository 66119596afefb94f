"""A laptop that sleeps for an hour beside a command that goes on: its connections are dead, and it has not been told.

The command is stopped meanwhile, its wall clock is an hour later afterwards, and its steady clock is not. That a
connection is silent cannot be what it notices: it may be for longer than a test takes.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import Gate, pids
from tests.cli.test_cli_connect import agent_in_the_cloud, asked_until_answered
from tests.cli.test_cli_port import ask, echo
from tests.live.host.listeners import listening
from tests.support.command import Sbx
from tests.support.link import Link
from tests.support.ports import free_port

SITE = Path(__file__).parent.parent / "support" / "sleeping"
pytestmark = pytest.mark.cold


@dataclass
class Laptop:
    """The commands of `sbx` run on it; it reaches the cloud through `link`."""

    sbx: CloudSbx
    link: Link
    slept: Path

    def sleep(self, *running: int) -> None:
        """Sleep for an hour, and wake up; `running` are the processes on it."""
        for pid in running:
            os.kill(pid, signal.SIGSTOP)
        self.link.go_dead()
        self.slept.touch()
        for pid in running:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(params=["plain", "tls"])
def laptop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Laptop]:
    """A laptop whose commands talk to a cloud that has only the contract."""
    tls = request.param == "tls"
    cloud: CloudSbx = request.getfixturevalue("https_cloud" if tls else "cloud")
    if tls:
        cloud.env["SSL_CERT_FILE"] = str(request.getfixturevalue("certificate"))
    slept = tmp_path / "slept"
    scheme, _, port = cloud.plain.address.rpartition(":")
    with Link(int(port)) as link:
        address = cloud.plain.sandbox_url = f"{scheme}:{link.port}"
        cloud.env |= {"TENSORLAKE_API_URL": address, "PYTHONPATH": str(SITE), "TEST_SLEPT": str(slept)}
        cloud.env["SBXCOMPOSE_NETWORK_TIMEOUT"] = "3600"
        yield Laptop(cloud, link, slept)


def talker(laptop: Laptop) -> Gate:
    """Write a project with a process that prints a line each time the gate is opened."""
    script = 'i=0; while :; do echo "line $$i"; i=$$((i+1)); read _ < gate; done'
    laptop.sbx.write(f"processes: {{web: {{command: ['sh', '-c', '{script}']}}}}\n")
    return Gate(laptop.sbx)


def lines_of(text: str) -> list[str]:
    """Return the lines of the talker."""
    return re.findall(r"line \d+", text)


def test_logs_follows_on(laptop: Laptop) -> None:
    gate = talker(laptop)
    laptop.sbx.run("up", "-d")
    with laptop.sbx.start("logs", "-f") as logs:
        logs.wait_for("line 0")
        laptop.sleep(logs.process.pid)
        gate.open()
        logs.wait_for("line 1")
        gate.open()
        logs.wait_for("line 2")
        logs.interrupt()
        assert lines_of(logs.wait().stdout) == ["line 0", "line 1", "line 2"]


def test_an_attached_up_continues(laptop: Laptop) -> None:
    gate = talker(laptop)
    with laptop.sbx.start("up") as up:
        up.wait_for("line 0")
        laptop.sleep(up.process.pid)
        gate.open()
        up.wait_for("line 1")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert lines_of(done.stdout) == ["line 0", "line 1"]
    assert laptop.sbx.plain.status(f"{laptop.sbx.project.name}-main") == "suspended"


def test_a_terminal_is_attached_again(laptop: Laptop) -> None:
    talker(laptop)
    laptop.sbx.run("up", "-d")
    gate = Gate(laptop.sbx, "other")
    script = "echo here; read _ < other; echo there; read x; echo got $x; exit 4"
    with laptop.sbx.start("exec", "web", "sh", "-c", script, terminal=True) as running:
        running.wait_for("here")
        laptop.sleep(running.process.pid)
        gate.open()
        running.wait_for("there")
        running.press("it\n")
        running.wait_for("got it")
        assert running.wait().code == 4


def test_connections_between_sandboxes_are_made_again(laptop: Laptop) -> None:
    env = {name: value for name, value in laptop.sbx.env.items() if name != "SBXCOMPOSE_PROVIDER"}
    mixed = Sbx(laptop.sbx.project, laptop.sbx.home, env)
    listen = free_port()
    with listening(echo) as port:
        mixed.write(agent_in_the_cloud(port, listen))
        mixed.run("up", "-d", "--wait")
        logs = mixed.start("logs", "-f", "--no-color", "@connect-agent")
        logs.wait_for("leads to port")
        assert ask(listen, b"before") == b"BEFORE"
        laptop.sleep(pids(mixed)["@connect-agent"])
        logs.wait_for("connected to sandbox agent again")
        assert asked_until_answered(listen, b"after") == b"AFTER"
        mixed.run("down")
    mixed.close()
