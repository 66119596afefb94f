"""The process at the other end of a connection, found through the kernel's tables."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from sbxcompose.host.http.peer import is_idle, process_at
from tests.support.waiting import until


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_client_of_a_connection_is_found(family: int, host: str) -> None:
    with closing(socket.create_server((host, 0), family=family)) as server:
        script = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.recv(1)"
        command = [sys.executable, "-c", script, host, str(server.getsockname()[1])]
        with subprocess.Popen(command) as client:
            connection, peer = server.accept()
            with connection:
                assert process_at(peer[:2], connection.getsockname()[:2]) == client.pid
                assert process_at((peer[0], 1), connection.getsockname()[:2]) is None


def test_a_process_that_computes_is_not_idle_and_one_that_waits_or_has_ended_is() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE
    ) as busy:
        assert busy.stdout
        busy.stdout.readline()
        assert not is_idle(busy.pid)
        busy.kill()
        busy.wait()
        assert is_idle(busy.pid)
    with subprocess.Popen(["sleep", "1000"]) as waiting:
        until(lambda: is_idle(waiting.pid))
        waiting.kill()
