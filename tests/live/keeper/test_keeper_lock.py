"""The lock of the state directory: commands that look whether a host runs are in nobody's way."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sbxcompose.host.keeper.listen import take_lock


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


def test_who_looks_at_the_lock_only_delays_a_host(lock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o600)
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
    os.close(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600))

    def look() -> None:
        for _ in range(300):
            fd = os.open(lock, os.O_RDONLY)
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
