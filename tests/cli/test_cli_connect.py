"""`connect`: a database on this machine, an agent in a cloud that has only the contract, or at another host."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, pids
from tests.cli.test_cli_port import ask, echo
from tests.live.host.listeners import listening, read_all
from tests.support import asking
from tests.support.command import Sbx
from tests.support.home import Home
from tests.support.ports import free_port
from tests.support.waiting import until


def serve_one(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        echo(connection)


def agent_in_the_cloud(port: int, listen: int) -> str:
    """Return a file with an agent in the cloud that reaches a database on this machine."""
    return f"""
sandboxes:
  main: {{processes: {{db: {{command: {FOREVER}}}}}}}
  agent:
    provider: tensorlake
    connect: {{db: {{port: {port}, listen: {listen}}}}}
    processes: {{agent: {{command: {FOREVER}}}}}
"""


def test_a_port_of_one_sandbox_is_reachable_in_another(cloud: CloudSbx) -> None:
    env = {name: value for name, value in cloud.env.items() if name != "SBXCOMPOSE_PROVIDER"}
    mixed = Sbx(cloud.project, cloud.home, env)
    port, listen = free_port(), free_port()
    with closing(mixed):
        _connect(cloud, mixed, port, listen)


def _connect(cloud: CloudSbx, mixed: Sbx, port: int, listen: int) -> None:
    mixed.write(agent_in_the_cloud(port, listen))
    up = mixed.run("up", "-d", "--wait")
    assert up.stderr.index("\n@connect-agent is ready") < up.stderr.index("\nagent started")
    assert mixed.run("up", "-d").stderr == "nothing to do, 3 unchanged\n"
    assert f"agent    127.0.0.1:{listen}" in mixed.run("port").stdout
    logs = mixed.start("logs", "-f", "--no-color", "@connect-agent")
    logs.wait_for("leads to port")
    with pytest.raises(OSError, match=r"reset|Broken pipe|not connected"):
        ask(listen, b"x")  # nothing listens yet where it leads; the next connection is tried all the same
    logs.wait_for("nothing listens")
    with socket.create_server(("127.0.0.1", port)) as server:
        serving = threading.Thread(target=serve_one, args=[server])
        serving.start()
        with socket.create_connection(("127.0.0.1", listen), 60) as connection:
            connection.sendall(b"through the wall")
            connection.shutdown(socket.SHUT_WR)
            assert read_all(connection) == b"THROUGH THE WALL"
        serving.join()
    os.kill(pids(mixed)["@connect-agent"], signal.SIGKILL)  # another one takes its place
    logs.wait_for("leads to port", count=2)
    down = mixed.run("down")
    assert down.stderr.index("@connect-agent stopped") < down.stderr.index("sandbox agent suspended")
    assert not re.search("/(batch|watch)", "\n".join(cloud.plain.requests))


KEY = "a-key-for-the-other-host"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def another_host(sbx: Sbx) -> Iterator[Sbx]:
    """A host at a port, which `sbx` is told of as its cloud; where commands run that ask that host itself."""
    with Home.temporary() as home:
        other = Sbx(sbx.project, home, home.environment(SBXCOMPOSE_WARM="no"))
        with closing(other), other.start("host", "serve", "--port", "0", "--key", KEY) as serving:
            told = serving.wait_for(ADDRESS.pattern)
            address = ADDRESS.findall(told)[0]
            sbx.env |= {"TENSORLAKE_API_URL": address, "TENSORLAKE_API_KEY": KEY}
            try:
                yield other
            finally:
                asking.stop(home.socket)


def test_a_connection_between_two_hosts_recovers_when_a_server_of_either_is_killed(sbx_alone: Sbx) -> None:
    with another_host(sbx_alone) as other, listening(echo) as port:
        listen = free_port()
        sbx_alone.write(
            f"""
sandboxes:
  main: {{processes: {{db: {{command: {FOREVER}}}}}}}
  agent:
    provider: tensorlake
    workspace: {sbx_alone.project}
    connect: {{db: {{port: {port}, listen: {listen}}}}}
    processes: {{agent: {{command: {FOREVER}}}}}
"""
        )
        sbx_alone.run("up", "-d", "--wait")
        logs = sbx_alone.start("logs", "-f", "--no-color", "@connect-agent")
        logs.wait_for("leads to port")
        assert ask(listen, b"before") == b"BEFORE"
        for side in (other, sbx_alone):
            os.kill(side.host_pids()["server"], signal.SIGKILL)
            side.run("ls")  # waits for its successor
            assert asked_until_answered(listen, b"after") == b"AFTER"
        assert set(pids(sbx_alone)) == {"db", "agent", "@connect-agent"}
        sbx_alone.run("down", "--terminate")


def asked_until_answered(port: int, question: bytes) -> bytes:
    """Ask until a connection goes through: those that were open when a server was killed break."""

    def answered() -> bytes:
        try:
            return ask(port, question)
        except OSError:
            return b""

    return until(answered)
