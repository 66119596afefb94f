"""Whose a port is, by the sockets and processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sbxcompose.host.keeper.census import mark_of, tag_of
from sbxcompose.host.keeper.protocol import MARKER
from sbxcompose.host.supervise.port_owner import foreign_listener_on

SERVE = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
NOBODY = 2**22 + 1
"""A process id that no process has."""


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """A process that listens, without any mark of ours: its pid and port."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVE], stdin=pipe, stdout=pipe, env={}) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def test_a_foreign_process_is_named_with_its_pid(server: tuple[int, int]) -> None:
    pid, port = server
    said = foreign_listener_on(port, "127.0.0.1", NOBODY, {}, keeper=NOBODY)
    assert said is not None
    assert said.startswith(sys.executable)
    assert said.endswith(f"(pid {pid})")


def test_a_process_of_a_unit_is_known_and_one_of_a_copy_is_foreign() -> None:
    """The state directory was copied: the copy's units have the names of the original's, and other tags."""
    unit, pipe = "sandbox.1", subprocess.PIPE
    ours, theirs = tag_of("1:1", unit), tag_of("1:2", unit)
    command, env = [sys.executable, "-c", SERVE], {MARKER: mark_of(unit, ours)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert foreign_listener_on(port, "127.0.0.1", NOBODY, {ours: unit}, keeper=NOBODY) is None
        assert foreign_listener_on(port, "127.0.0.1", NOBODY, {theirs: unit}, keeper=os.getpid()) is not None
        process.kill()


def test_a_child_of_the_keeper_is_known(server: tuple[int, int]) -> None:
    assert foreign_listener_on(server[1], "127.0.0.1", NOBODY, {}, keeper=os.getpid()) is None


def test_the_leader_is_known(server: tuple[int, int]) -> None:
    assert foreign_listener_on(server[1], "127.0.0.1", server[0], {}, keeper=NOBODY) is None
