"""The program that listens in a sandbox, in Python and in Perl: tunnels are made into connections."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sbxcompose.engine.connect.remote_listener import TOKEN, control_port, listen_request
from tests.live.host.listeners import read_all
from tests.support.ports import free_port


class Program:
    """The program, its port, and its control port."""

    def __init__(self, kind: str) -> None:
        self.port = free_port()
        request = listen_request([self.port], "mark", "secret")
        python, perl, *rest = request.args[3:]
        argv = [sys.executable, "-c", python] if kind == "python" else ["perl", "-e", perl]
        self.process = subprocess.Popen([*argv, *rest], env={TOKEN: "secret"}, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        control = control_port([self.process.stdout.readline().strip()], "mark")
        assert control is not None
        self.control = control

    def tunnel(self, token: bytes = b"secret\n") -> socket.socket:
        """Open a connection to the control port, as a tunnel is one."""
        connection = socket.create_connection(("127.0.0.1", self.control), 60)
        connection.sendall(token)
        return connection

    def consumer(self) -> socket.socket:
        """Connect as a process of the sandbox would."""
        return socket.create_connection(("127.0.0.1", self.port), 60)


@pytest.fixture(params=["python", "perl"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """The program, running."""
    if request.param == "perl" and shutil.which("perl") is None:
        pytest.skip("needs perl")
    program = Program(request.param)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


def test_each_connection_takes_a_tunnel_and_both_are_one_connection_then(program: Program) -> None:
    data = b"0123456789abcdef" * 50_000
    with program.tunnel() as first, program.consumer() as early, program.consumer() as late:
        assert first.recv(2) == struct.pack(">H", program.port)
        with program.tunnel() as second:  # one that waits for a tunnel gets the next
            assert second.recv(2) == struct.pack(">H", program.port)
            for tunnel, consumer, words in ((second, late, b"two"), (first, early, b"one")):
                tunnel.sendall(b"+" + words)
                assert consumer.recv(3) == words
            early.sendall(data)
            early.shutdown(socket.SHUT_WR)
            assert read_all(first) == data
            first.sendall(b"the answer")
            first.shutdown(socket.SHUT_WR)
            assert read_all(early) == b"the answer"


def test_a_target_that_takes_no_connection_is_a_reset(program: Program) -> None:
    with program.consumer() as consumer:
        with program.tunnel() as tunnel:
            tunnel.recv(2)
        with pytest.raises(ConnectionResetError):
            consumer.recv(1)


def test_a_tunnel_needs_the_token_and_a_closed_one_is_passed_over(program: Program) -> None:
    with program.tunnel(b"guess!\n") as wrong:
        assert read_all(wrong) == b""
    program.tunnel().close()
    with program.tunnel() as right, program.consumer() as consumer:
        assert right.recv(2) == struct.pack(">H", program.port)
        right.sendall(b"+x")
        assert consumer.recv(1) == b"x"


@pytest.mark.parametrize("kind", ["python3", "perl"])
def test_a_port_that_is_taken_is_reported(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        request = listen_request([port], "mark", "secret")
        script = request.args[1].replace("command -v python3", f"[ {kind} = python3 ]")
        done = subprocess.run(
            ["sh", "-c", script, *request.args[2:]], env={TOKEN: "x", "PATH": _path()}, capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == (3, f"cannot listen on port {port}: address already in use\n")


def test_a_sandbox_without_python_and_perl_says_so() -> None:
    request = listen_request([1], "mark", "secret")
    done = subprocess.run(["/bin/sh", *request.args], env={"PATH": "/nowhere"}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, "neither python3 nor perl is installed\n")


def _path() -> str:
    found = [shutil.which(name) for name in ("python3", "perl", "sh")]
    return ":".join(path.rpartition("/")[0] for path in found if path is not None)
