"""What the keeper builds on: frames with descriptors, pidfds, /proc; and what it does on older kernels."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from sbxcompose.host.keeper.escaped import Finder
from sbxcompose.host.keeper.protocol import Channel
from sbxcompose.host.keeper.unit import Unit
from sbxcompose.linux import kernel


@pytest.fixture
def channels() -> Iterator[tuple[Channel, Channel]]:
    left, right = (Channel(end) for end in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_frames_keep_their_descriptors_apart(channels: tuple[Channel, Channel]) -> None:
    left, right = channels
    pipes = [os.pipe() for _ in range(3)]
    for number, (read, write) in enumerate(pipes):
        os.write(write, b"%d" % number)
        left.queue({"n": number}, [read] * number)
        os.close(read)
        os.close(write)
    assert left.flush()
    frames, alive = right.receive()
    assert alive
    assert [(frame.body["n"], len(frame.fds)) for frame in frames] == [(0, 0), (1, 1), (2, 2)]
    assert os.read(frames[2].fds[1], 9) == b"2"
    assert os.read(frames[1].fds[0], 9) == b"1"
    for fd in [fd for frame in frames for fd in frame.fds]:
        assert not os.get_inheritable(fd)
        os.close(fd)


def test_a_large_frame_goes_in_pieces_without_blocking(channels: tuple[Channel, Channel]) -> None:
    left, right = channels
    text = "x" * 5_000_000
    read, write = os.pipe()
    left.queue({"text": text}, [write])
    left.queue({"after": 1})
    os.close(write)
    frames = []
    while not left.flush():
        frames += right.receive()[0]
    frames += right.receive()[0]
    assert [frame.body for frame in frames] == [{"text": text}, {"after": 1}]
    (fd,) = frames[0].fds
    os.write(fd, b"y")
    os.close(fd)
    assert os.read(read, 9) == b"y"
    os.close(read)


def test_an_end_in_the_middle_of_a_frame_is_an_end(channels: tuple[Channel, Channel]) -> None:
    left, right = channels
    left.queue({"whole": 1})
    left.flush()
    left.socket.send(b"\0\0\0\x09\0\0half")
    left.socket.shutdown(socket.SHUT_WR)
    frames, alive = right.receive()
    assert [frame.body for frame in frames] == [{"whole": 1}]
    assert not alive


def ended_child(code: int) -> tuple[int, int]:
    """A child that has ended and is not reaped: its number and pidfd."""
    pid = os.fork()
    if pid == 0:
        os._exit(code)
    pidfd = os.pidfd_open(pid)
    waiting = select.poll()
    waiting.register(pidfd, select.POLLIN)
    assert waiting.poll(60_000)
    return pid, pidfd


def test_a_foreign_end_is_known_before_and_after_it_is_reaped() -> None:
    pid, pidfd = ended_child(7)
    assert kernel.final_status(pidfd, pid) == 7 << 8
    os.waitpid(pid, 0)
    if kernel.exit_status(pidfd) is None:
        pytest.skip("this kernel does not tell the exit of a reaped process (PIDFD_INFO_EXIT, Linux 6.15)")
    assert kernel.final_status(pidfd, pid) == 7 << 8
    os.close(pidfd)


def test_a_kernel_that_does_not_tell_makes_the_end_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, pidfd = ended_child(7)
    os.waitpid(pid, 0)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTTY, "no such ioctl")

    monkeypatch.setattr("fcntl.ioctl", refuse)
    assert kernel.final_status(pidfd, pid) is None
    os.close(pidfd)


def test_without_the_flag_for_groups_a_group_is_signalled_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pidfd: int, number: int, info: None = None, flags: int = 0) -> None:
        raise OSError(errno.EINVAL, "no such flag")

    monkeypatch.setattr("_signal.pidfd_send_signal", refuse)
    with subprocess.Popen(["sleep", "900"], start_new_session=True) as child:
        pidfd = os.pidfd_open(child.pid)
        assert not kernel.signal_group(pidfd, child.pid, signal.SIGTERM, unreaped=False)
        assert child.poll() is None
        assert kernel.signal_group(pidfd, child.pid, signal.SIGTERM, unreaped=True)
        assert child.wait() == -signal.SIGTERM
        os.close(pidfd)


def test_a_group_is_reached_after_its_leader_is_gone() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 900 & echo $!"], start_new_session=True, stdout=subprocess.PIPE
    ) as leader:
        pidfd = os.pidfd_open(leader.pid)
        assert leader.stdout is not None
        child = os.pidfd_open(int(leader.stdout.readline()))
        leader.wait()
        assert kernel.signal_group(pidfd, leader.pid, signal.SIGKILL, unreaped=False)
        waiting = select.poll()
        waiting.register(child, select.POLLIN)
        assert waiting.poll(60_000)
    os.close(pidfd)
    os.close(child)


def test_without_a_list_of_children_everything_is_read() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 900 & echo; wait"], start_new_session=True, stdout=subprocess.PIPE
    ) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        unit = Unit("a", leader.pid, 0.0, "")
        (left,) = Finder({unit.pid: unit}, lambda pid: None).left_by([unit], [unit])["a"]
        os.killpg(leader.pid, signal.SIGKILL)
        assert left.parent == leader.pid


def test_a_reused_process_id_makes_no_leader() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 900 & echo; wait"], start_new_session=True, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        unit = Unit("a", other.pid, 0.0, "")
        unit.leader_gone = True  # long ago; then its number was used again
        left = Finder({}).left_by([unit], [unit])
        os.killpg(other.pid, signal.SIGKILL)
        assert left == {}
