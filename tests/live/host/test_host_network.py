"""A sandbox that must not reach anything (contract, section 2.10): its processes do not, the host reaches them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.live.host.hosts import Box, LiveHost, ended, running
from tests.live.host.isolated import finish, isolated
from tests.support.descriptors import targets
from tests.support.home import wait_gone
from tests.support.rights import needs_namespaces

CLOSED = {"allow_internet_access": False}
SERVE = "import socket\ns = socket.create_server(('127.0.0.1', {port}))\nwhile True: s.accept()[0].close()"
REACH = "import socket, sys\nsocket.create_connection(('127.0.0.1', {port}), 5)\n"

pytestmark = needs_namespaces


@contextmanager
def listener() -> Iterator[int]:
    """Somebody who listens on this machine; the port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def network_of(box: Box) -> str:
    """The network that a new process of a sandbox finds itself in."""
    (line,) = box.first_lines(box.begin("readlink", "/proc/self/ns/net")["pid"], 1)
    return line


def reaches(box: Box, port: int) -> bool:
    """Whether a process of the sandbox can connect to a port."""
    row = box.begin("python3", "-c", REACH.format(port=port))
    return bool(box.wait(row["pid"], ended)["exit_code"] == 0)


def test_a_closed_sandbox_reaches_nothing_and_an_open_one_what_we_do(kept_host: LiveHost) -> None:
    closed, other, free = (
        kept_host.box("closed", network=CLOSED),
        kept_host.box("other", network=CLOSED),
        kept_host.box("free"),
    )
    with listener() as port:
        assert not reaches(closed, port)
        assert reaches(free, port)
    assert len({network_of(one_closed) for one_closed in (closed, other, free)}) == 3
    assert network_of(free) == os.readlink("/proc/self/ns/net")
    assert kept_host.http.get("/sandboxes/closed").json()["network"] == CLOSED


def test_a_policy_holds_in_an_isolated_sandbox_for_all_that_starts_there(kept_host: LiveHost) -> None:
    closed, free = isolated(kept_host, "closed", network=CLOSED), isolated(kept_host, "free")
    with listener() as port:
        assert not reaches(closed, port)
        assert reaches(free, port)
        inside = finish(
            closed, "readlink /proc/self/ns/net; cat /proc/net/dev | grep -c :; cat /proc/1/net/dev | grep -c :"
        )
        assert inside[0] not in (os.readlink("/proc/self/ns/net"), *finish(free, "readlink /proc/self/ns/net"))
        assert inside[1:] == ["1", "1"]
        body = {"command": "python3", "args": ["-c", REACH.format(port=port)]}
        told = closed.ask("POST", "/processes/run", json=body)
        assert '"exit_code":0' not in told.text
        assert "exit_code" in told.text
        # It is root there, and has a socket of its own family, but may not go back to the network outside.
        script = "nsenter --net=/proc/1/ns/net readlink /proc/self/ns/net || readlink /proc/self/ns/net"
        assert finish(closed, script)[-1] == inside[0]
        kept_host.kill("server")
        assert not reaches(closed, port)
        check = {"type": "tcp", "port": port, "initial_delay_ms": 0}
        closed.begin("python3", "-c", SERVE.format(port=port), name="web", health_check=check)
        closed.wait("web", lambda row: bool(row["managed"]["health_status"] == "healthy"))
        assert reaches(closed, port)


def test_its_processes_reach_each_other_and_their_health_is_checked_inside(kept_host: LiveHost) -> None:
    box = kept_host.box(network=CLOSED)
    with listener() as port:  # taken here, and free in there
        check = {"type": "tcp", "port": port, "initial_delay_ms": 0}
        box.begin("python3", "-c", SERVE.format(port=port), name="web", health_check=check)
        box.wait("web", lambda row: bool(row["managed"]["health_status"] == "healthy"))
        assert reaches(box, port)


def test_what_listens_outside_is_not_taken_for_a_sandbox_s_own(kept_host: LiveHost) -> None:
    box = kept_host.box(network=CLOSED)
    with listener() as port:
        box.begin("sleep", "1000", name="mute", health_check={"type": "tcp", "port": port, "failure_threshold": 1000})
        row = box.wait("mute", lambda row: row["managed"]["last_check"] is not None)
    assert row["managed"]["last_check"] == f"TCP :{port}: connection refused"


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_a_restart_is_in_the_same_network_whoever_was_killed(killed_host: LiveHost, victim: str) -> None:
    box = killed_host.box(network=CLOSED)
    before = network_of(box)
    box.shell("readlink /proc/self/ns/net; exec sleep 1000", "web")
    box.wait_for_line("web", before)
    killed_host.kill(victim)
    answer = box.ask("POST", "/processes/web/restart")
    assert answer.status_code == 200
    box.wait("web", running)
    assert box.first_lines("web", 2) == [before, before]


def test_the_network_ends_with_the_sandbox(kept_host: LiveHost) -> None:
    box = kept_host.box(network=CLOSED)
    row = box.shell("readlink /proc/self/ns/net; exec sleep 1000")
    (network,) = box.first_lines(row["pid"], 1)
    server = kept_host.status["pid"]
    assert network in _networks(server)
    kept_host.http.delete(f"/sandboxes/{box.id}")
    assert wait_gone([row["pid"]], 0)
    assert network not in _networks(server)
    assert network not in _networks(kept_host.status["keeper_pid"])


def _networks(pid: int) -> set[str]:
    """The networks that a process has descriptors of."""
    return {target for target in targets(pid) if target.startswith("net:")}
