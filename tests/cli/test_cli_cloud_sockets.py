"""Terminals and tunnels at the provider `tensorlake`: sockets to a cloud that has only the contract, TLS and plain."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli import test_cli_port, test_cli_terminal
from tests.cli.conftest import CloudSbx
from tests.cli.looking import Gate, refused, web
from tests.cli.test_cli_port import IDLE, ask, echo, local_port
from tests.cli.test_cli_terminal import cooked, on_terminal
from tests.live.host.listeners import listening
from tests.support.command import Sbx

THE_SAME: list[Callable[[Sbx], None]] = [
    test_cli_terminal.test_exec_on_a_terminal_has_one_of_its_own,
    test_cli_terminal.test_the_size_of_the_window_is_passed_on,
    test_cli_terminal.test_a_terminal_can_be_had_without_having_one,
    test_cli_terminal.test_run_has_a_terminal_too,
    test_cli_port.test_connections_go_through_until_ctrl_c,
    test_cli_port.test_a_port_without_a_listener_is_reported_and_the_next_connection_is_tried,
]


@pytest.fixture(params=["plain", "tls"])
def either(request: pytest.FixtureRequest) -> CloudSbx:
    """A cloud that is reached without TLS, and one that is reached with it."""
    if request.param == "plain":
        plain: CloudSbx = request.getfixturevalue("cloud")
        return plain
    secure: CloudSbx = request.getfixturevalue("https_cloud")
    certificate: Path = request.getfixturevalue("certificate")
    secure.env["SSL_CERT_FILE"] = str(certificate)
    return secure


def sockets(cloud: CloudSbx) -> list[str]:
    """The paths of the WebSockets that were asked for."""
    return [
        request for request in cloud.plain.requests if re.search(r"GET /api/v1/(pty/[^/]+/ws|tunnels/tcp)", request)
    ]


def greet(connection: socket.socket) -> None:
    connection.sendall(b"hello ")
    echo(connection)


@pytest.mark.parametrize("test", THE_SAME, ids=lambda test: str(test.__name__).removeprefix("test_"))
def test_the_same_as_on_this_machine(either: CloudSbx, test: Callable[[Sbx], None]) -> None:
    test(either)
    assert sockets(either)


def test_a_shell_beside_a_process(either: CloudSbx) -> None:
    web(either)
    running = on_terminal(either, "shell", "-s", "/bin/sh", "web")
    running.press('echo "<$OF_WEB>"; pwd; exit 9\n')
    running.wait_for("<yes indeed>")
    assert running.wait().code == 9
    assert f"{either.project}/sub" in running.out.text
    assert cooked(running)


def test_a_terminal_continues_over_broken_connections_and_shows_nothing_twice(either: CloudSbx) -> None:
    web(either)
    gate = Gate(either)
    script = f"for n in one two three; do echo $n; read _ <{gate.path}; done; echo four; read x; echo got $x; exit 4"
    running = on_terminal(either, "exec", "web", "sh", "-c", script)
    for word, following in (("one", "two"), ("two", "three"), ("three", "four")):
        running.wait_for(word)
        either.plain.cut()
        gate.open()
        running.wait_for(following)
    running.press("it\n")
    running.wait_for("got it")
    result = running.wait()
    assert result.code == 4
    assert [result.stdout.count(word) for word in ("one", "two", "three", "four", "got it")] == [1] * 5
    assert len(sockets(either)) >= 4
    assert not [path for path in sockets(either) if "since=" in path], "only our own host knows positions"
    assert cooked(running)


def test_a_cut_tunnel_ends_its_connection_and_the_next_one_is_a_new_one(either: CloudSbx) -> None:
    either.write(IDLE)
    either.run("up", "-d")
    with listening(greet) as remote:
        running = either.start("port", "web", str(remote), "--listen", "0")
        local = local_port(running)
        with socket.create_connection(("127.0.0.1", local), 20) as connection:
            assert connection.recv(100) == b"hello "
            either.plain.cut()
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""
        assert ask(local, b"again") == b"hello AGAIN"
        running.interrupt()
        assert running.wait().code == 0


def test_another_user_is_refused_where_the_daemon_ignores_it(either: CloudSbx) -> None:
    web(either)
    running = on_terminal(either, "exec", "-u", "1234", "web", "id")
    assert running.wait().code == 3
    assert "has no terminals for other users" in running.out.text
    assert cooked(running)


def test_a_key_that_has_been_withdrawn_is_reported(either: CloudSbx) -> None:
    either.write(IDLE)
    either.run("up", "-d")
    either.plain.refuse["GET /api/v1/tunnels"] = 401, {}, b'{"error":"the key was withdrawn"}'
    running = either.start("port", "web", "1", "--listen", "0")
    with pytest.raises(OSError, match=r"reset|Broken pipe|not connected"):
        ask(local_port(running), b"x")
    running.wait_for(f"{re.escape(either.plain.address)} does not accept the key: the key was withdrawn")
    assert running.process.poll() is None


def test_a_port_of_a_sandbox_that_does_not_exist(either: CloudSbx) -> None:
    either.write(IDLE)
    assert "`sbxcompose up` creates it" in refused(either, "port", "web", "80")
    assert not sockets(either)
