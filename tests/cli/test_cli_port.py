"""`port`: a port of this machine that leads into a sandbox."""

from __future__ import annotations

import re
import socket
import sys

import pytest

from tests.cli.looking import refused
from tests.live.host.listeners import listening, read_all
from tests.support.command import Running, Sbx
from tests.support.ports import free_port

IDLE = "processes: {web: {command: exec sleep 1000}}\n"


def local_port(running: Running) -> int:
    """Where the command says it listens."""
    found = re.search(r"listening on 127\.0\.0\.1:(\d+), for port \d+ of main", running.wait_for("of main"))
    assert found is not None
    return int(found[1])


def ask(port: int, question: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def echo(connection: socket.socket) -> None:
    connection.sendall(read_all(connection).upper())


def test_connections_go_through_until_ctrl_c(sbx: Sbx) -> None:
    sbx.write(IDLE)
    sbx.run("up", "-d")
    with listening(echo) as remote:
        running = sbx.start("port", "web", str(remote))
        local = local_port(running)
        assert local != remote, "it is taken, by what it leads to"
        for question in (b"one", b"two" * 1_000_000):
            assert ask(local, question) == question.upper()
        with socket.create_connection(("127.0.0.1", local), 20):  # one that is open does not keep it
            running.interrupt()
            assert running.wait().code == 0
    with pytest.raises(ConnectionRefusedError):
        ask(local, b"gone")


def test_the_only_port_of_a_process_need_not_be_named(sbx: Sbx) -> None:
    with listening(echo) as remote:
        sbx.write(
            f"processes: {{web: {{command: exec sleep 1000, health_check: {{tcp: {remote}}}}}, none: {{command: x}}}}"
        )
        sbx.run("up", "-d", "web")
        running = sbx.start("port", "web")
        assert ask(local_port(running), b"x") == b"X"
        running.interrupt()
        running.wait()
    assert "names no port of none" in refused(sbx, "port", "none")


def test_where_it_listens_can_be_said(sbx: Sbx) -> None:
    sbx.write(IDLE)
    sbx.run("up", "-d")
    for listen in (str(free_port()), f"127.0.0.1:{free_port()}", "0"):
        with listening(echo) as remote:
            running = sbx.start("port", "main", str(remote), "--listen", listen)
            local = local_port(running)
            assert local == int(listen.rpartition(":")[2]) or listen == "0"
            assert ask(local, b"x") == b"X"
            running.interrupt()
            assert running.wait().code == 0


def test_the_same_port_is_used_if_it_is_free(sbx: Sbx) -> None:
    sbx.write(IDLE)
    sbx.run("up", "-d")
    remote = free_port()
    running = sbx.start("port", "web", str(remote))
    assert local_port(running) == remote


def test_a_port_without_a_listener_is_reported_and_the_next_connection_is_tried(sbx: Sbx) -> None:
    sbx.write(IDLE)
    sbx.run("up", "-d")
    remote = free_port()
    running = sbx.start("port", "web", str(remote), "--listen", "0")
    local = local_port(running)
    with pytest.raises(OSError, match=r"reset|Broken pipe|not connected"):
        ask(local, b"x")
    running.wait_for(f"note: nothing listens on port {remote}")
    assert running.process.poll() is None


def test_a_taken_port_is_refused_and_by_whom_it_is_taken_said(sbx: Sbx) -> None:
    sbx.write(IDLE)
    sbx.run("up", "-d")
    with listening(echo) as taken:
        said = refused(sbx, "port", "web", "1", "--listen", str(taken))
    assert f"port {taken} is in use by " in said
    assert sys.executable.rpartition("/")[2] in said or "pytest" in said
    assert "--listen" in said


def test_bad_arguments(sbx: Sbx) -> None:
    sbx.write(IDLE)
    assert "`sbxcompose up` creates it" in refused(sbx, "port", "web", "80")
    assert "nope" in refused(sbx, "port", "nope", "80")
    for port in ("70000", "0", "x", "80:", "1:x"):
        assert "65535" in refused(sbx, "port", "web", port)
    for told in ("9090:80", "0.0.0.0:9090:80"):
        assert f"`sbxcompose port web 80 --listen {told.removesuffix(':80')}`" in refused(sbx, "port", "web", told)
    for listen in ("x", "1:2:3", "99999", "localhost:"):
        assert "--listen" in refused(sbx, "port", "web", "80", "--listen", listen)
    sbx.run("up", "-d")
    assert "cannot listen on 192.0.2.1" in refused(sbx, "port", "web", "80", "--listen", "192.0.2.1:0")
