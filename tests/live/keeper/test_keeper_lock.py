"""The lock of the state directory: commands that look whether a host runs are in nobody's way."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sbxcompose.host.keeper.listen import CannotListen, is_held, take_lock


@pytest.fixture
def lock(tmp_path: Path) -> str:
    return str(tmp_path / "host.lock")


def test_a_host_has_the_lock_alone(lock: str) -> None:
    first = take_lock(lock)
    assert first is not None
    assert take_lock(lock) is None
    os.close(first)
    again = take_lock(lock)
    assert again is not None
    os.close(again)


def test_looking_at_the_lock_only_delays_a_host(lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = os.open(os.path.dirname(lock), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    tries = []

    def look_away(seconds: float) -> None:
        tries.append(seconds)
        if len(tries) == 3:
            fcntl.flock(looking, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", look_away)
    taken = take_lock(lock)
    assert taken is not None
    assert len(tries) == 3
    os.close(taken)
    os.close(looking)


def test_of_hosts_that_start_while_others_look_exactly_one_gets_the_lock(lock: str) -> None:
    def look() -> None:
        for _ in range(300):
            fd = os.open(os.path.dirname(lock), os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # a host has it
            finally:
                os.close(fd)

    with ThreadPoolExecutor(8) as pool:
        lookers = [pool.submit(look) for _ in range(4)]
        taken = [found.result() for found in [pool.submit(take_lock, lock) for _ in range(4)]]
        for looker in lookers:
            looker.result()
    (fd,) = [fd for fd in taken if fd is not None]
    os.close(fd)


def test_where_directories_cannot_be_locked_the_file_is(lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def on_nfs(fd: int, kind: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(fd, kind)

    monkeypatch.setattr(fcntl, "flock", on_nfs)
    taken = take_lock(lock)
    assert taken is not None
    assert stat.S_ISREG(os.fstat(taken).st_mode)
    assert is_held(lock)
    assert take_lock(lock) is None
    os.close(taken)
    os.unlink(lock)
    os.mkfifo(lock)
    with pytest.raises(CannotListen, match="not a regular file; move it away"):
        take_lock(lock)


def test_a_host_that_has_locked_the_file_only_keeps_another_one_out(lock: str) -> None:
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert take_lock(lock) is None
