"""The keeper and its client where descriptors, processes or a successor are wanting."""

from __future__ import annotations

import array
import asyncio
import errno
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from sbxcompose.host.keeper import connection, escaped, inherit, serverprocess
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.keeper.inherit import KeeperRestart
from sbxcompose.host.keeper.oom import INITIAL_PID_NAMESPACE, KernelLog
from sbxcompose.host.keeper.protocol import Channel
from sbxcompose.host.keeper.serverprocess import ServerProcess
from sbxcompose.linux.processes import ProcessStat, read_process


class FakeKeepers:
    """Keepers that answer in this process; the first dies as soon as it has taken over."""

    def __init__(self) -> None:
        self.started = 0
        self.channels: list[Channel] = []

    def launch(self, _restart: KeeperRestart) -> tuple[socket.socket, int, Any]:
        self.started += 1
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        os.write(write, b'{"status": "ready", "pid": 1}')
        os.close(write)
        channel = Channel(theirs)
        self.channels.append(channel)
        dies = self.started == 1
        asyncio.get_running_loop().add_reader(channel.fileno(), lambda: self.answer(channel, dies=dies))
        return ours, read, cast(Any, _Launcher())

    def answer(self, channel: Channel, *, dies: bool) -> None:
        for frame in channel.receive()[0]:
            if frame.body["op"] == "handover" and not frame.body["more"]:
                channel.queue({"handed_over": True})
            elif frame.body["op"] == "kill":
                channel.queue({"id": frame.body["id"], "result": True})
        channel.flush()
        if dies:
            self.close(channel)

    def close(self, channel: Channel) -> None:
        if channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(channel.fileno())
            channel.close()


class _Launcher:
    def wait(self) -> int:
        return 0


def test_a_keeper_that_dies_as_soon_as_it_has_taken_over_is_replaced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        keepers = FakeKeepers()
        monkeypatch.setattr(connection, "launch", keepers.launch)
        monkeypatch.setattr(connection, "PAUSES", (0.0,))
        monkeypatch.setattr(connection, "LONGEST", 0.0)
        ours, theirs = socket.socketpair()
        client = await KeeperClient.connect(ours.detach(), restart=KeeperRestart((), ()))
        theirs.close()
        assert await client.kill("box.1", 15)
        assert keepers.started == 2
        await client.close()
        for channel in keepers.channels:
            keepers.close(channel)

    asyncio.run(run())


def refuse(*_arguments: object, **_options: object) -> NoReturn:
    raise BlockingIOError(errno.EAGAIN, "no processes")


def test_a_server_for_which_there_is_no_process_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    server = ServerProcess(["python"], {}, [], lambda channel: None, lambda: True, lines.append)
    monkeypatch.setattr(serverprocess, "fork_exec", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        server.start()
        assert server.pid is None
        assert server.start_at is not None
    assert len(os.listdir("/proc/self/fd")) == before
    words = "resource temporarily unavailable (no more processes are allowed, see `ulimit -u`)"
    assert lines[0] == f"the server cannot be started: python: {words}"


def test_a_program_of_the_server_that_is_not_there_is_named_in_the_systems_words() -> None:
    lines: list[str] = []
    server = ServerProcess(["/no/such/python"], {}, [], lambda channel: None, lambda: True, lines.append)
    server.start()
    assert lines == ["the server cannot be started: /no/such/python: no such file or directory"]


def test_a_keeper_that_cannot_be_run_leaves_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="not in tuple"):
        inherit.launch(KeeperRestart(("a command line without its end",), ()))
    monkeypatch.setattr(os, "pipe", refuse)
    with pytest.raises(BlockingIOError):
        inherit.launch(KeeperRestart(("true", "--"), ()))
    assert len(os.listdir("/proc/self/fd")) == before


def test_more_processes_than_descriptors_are_all_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def scarce(process: ProcessStat) -> int | None:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise OSError(errno.EMFILE, "too many open files")
        return open_process(process)

    open_process = escaped.open_process
    monkeypatch.setattr(escaped, "open_process", scarce)
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(7)]
    found = [process for process in (read_process(sleeper.pid) for sleeper in sleepers) if process is not None]
    escaped.kill_and_wait(found)
    assert [sleeper.wait() for sleeper in sleepers] == [-9] * 7


def test_without_any_descriptor_the_failure_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escaped, "open_process", refuse)
    own = read_process(os.getpid())
    assert own is not None
    with pytest.raises(OSError, match="no processes"):
        escaped.kill_and_wait([own])


def test_a_frame_that_cannot_be_queued_keeps_no_descriptors() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    before = len(os.listdir("/proc/self/fd"))
    with theirs, pytest.raises(OSError, match="Bad file descriptor"):
        channel.queue({}, [theirs.fileno(), theirs.fileno(), -1])
    assert len(os.listdir("/proc/self/fd")) == before - 1
    channel.close()


class _Short:
    """A socket at which a message came of whose descriptors some were lost."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def setblocking(self, flag: bool) -> None: ...

    def close(self) -> None: ...

    def recvmsg(self, *_sizes: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.fd]).tobytes())
        return b"x", [rights], socket.MSG_CTRUNC, None


def test_descriptors_that_came_with_a_short_message_are_closed() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    channel = Channel(cast(socket.socket, _Short(fd)))
    with pytest.raises(OSError, match="descriptors were lost"):
        channel.receive()
    channel.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_kernel_log_whose_end_cannot_be_found_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kmsg")
    assert not KernelLog(str(tmp_path / "kmsg"), INITIAL_PID_NAMESPACE).readable


def test_no_other_process_is_signalled_that_got_the_number_of_a_server() -> None:
    server = ServerProcess(["python"], {}, [], lambda channel: None, lambda: True, print)
    with subprocess.Popen(["true"]) as ended, subprocess.Popen(["sleep", "600"]) as other:
        server.pid, server.pidfd = other.pid, os.pidfd_open(ended.pid)
        ended.wait()
        server.signal(signal.SIGKILL)
        assert other.poll() is None
        other.kill()
        os.close(server.pidfd)
