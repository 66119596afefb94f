"""What could not be written is held, found by a successor, and written once that is possible."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from sbxcompose.host.base import damage, unsaved, write_back
from sbxcompose.host.keeper.client import KeeperClient


class Kept:
    """A keeper that keeps descriptors, and nothing else."""

    def __init__(self) -> None:
        self.fds: dict[str, int] = {}

    def keep(self, name: str, fd: int) -> None:
        self.fds[name] = fd

    def kept(self, name: str) -> int | None:
        return self.fds.get(name)


@pytest.fixture(autouse=True)
def keeper() -> Iterator[Kept]:
    kept = Kept()
    successor(kept)
    yield kept
    successor(Kept())
    for fd in kept.fds.values():
        os.close(fd)


def successor(keeper: Kept) -> None:
    """Begin as the next server does."""
    unsaved.begin(cast(KeeperClient, keeper))


class Disk:
    """A disk that is full or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._rename = os.rename
        monkeypatch.setattr("sbxcompose.host.base.json_files.os.rename", self._try)

    def _try(self, source: str, target: str) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._rename(source, target)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def loaded(path: Path) -> bytes | None:
    return damage.load(path, bytes)


def test_what_cannot_be_written_counts_at_once_and_is_written_when_there_is_room(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_back.record(str(path), b"1", "a record")
    disk.full = True
    write_back.record(str(path), b"2", "a record")
    write_back.retry()
    assert (path.read_bytes(), loaded(path)) == (b"1", b"2")
    disk.full = False
    write_back.retry()
    assert (path.read_bytes(), unsaved.paths()) == (b"2", [])


def test_the_next_server_knows_what_the_last_one_could_not_write(disk: Disk, tmp_path: Path, keeper: Kept) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    disk.full = True
    for text in (b"1", b"2"):
        write_back.record(str(first), text, "a record")
        write_back.record(str(second), text, "a record")
    disk.full = False
    write_back.record(str(second), b"3", "a record")
    successor(keeper)
    assert (loaded(first), loaded(second)) == (b"2", b"3")
    write_back.retry()
    successor(keeper)
    assert (first.read_bytes(), unsaved.paths()) == (b"2", [])


class Killed(Exception):
    """The server is killed before a call."""


def killed_before(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Let the server be killed before one of the coming calls that change the memory file; half of a write happens."""
    left = calls

    def counted(change: Callable[..., int | None], *arguments: Any) -> int | None:
        nonlocal left
        left -= 1
        if left >= 0:
            return change(*arguments)
        if change is pwrite and arguments[2]:
            change(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
        raise Killed

    pwrite, ftruncate = os.pwrite, os.ftruncate
    monkeypatch.setattr(os, "pwrite", partial(counted, pwrite))
    monkeypatch.setattr(os, "ftruncate", partial(counted, ftruncate))


@pytest.mark.parametrize("before", range(40))
def test_a_kill_at_any_moment_loses_only_what_was_being_noted(
    keeper: Kept, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(unsaved, "_COMPACT", 200)
    noted: dict[str, bytes] = {}
    unsaved.hold("/kept", b"from the start")
    with monkeypatch.context() as patch, suppress(Killed):
        killed_before(patch, before)
        for number in range(20):
            data = bytes([number]) * (20 + number)
            unsaved.hold(f"/{number % 3}", data)
            noted[f"/{number % 3}"] = data
    successor(keeper)
    unsaved.hold("/later", b"by the successor")
    found = unsaved.read(keeper.fds[unsaved.NAME])
    assert found.pop("/kept") == b"from the start"
    assert found.pop("/later") == b"by the successor"
    assert found == noted or len({*found.items()} ^ {*noted.items()}) <= 2, "all but what was being noted"


def test_the_memory_file_does_not_grow_without_bound(keeper: Kept) -> None:
    for number in range(100):
        unsaved.hold("/a", bytes([number]) * 1024 * 1024)
    memory = keeper.fds[unsaved.NAME]
    assert os.fstat(memory).st_size < 8 * 1024 * 1024
    assert unsaved.read(memory) == {"/a": bytes([99]) * 1024 * 1024}


def test_a_record_whose_directory_is_gone_is_not_wanted(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    disk.full = True
    write_back.record(str(folder / "record.json"), b"1", "a record")
    disk.full = False
    (folder / "record.json~").unlink(missing_ok=True)
    folder.rmdir()
    write_back.retry()
    assert unsaved.paths() == []


def test_an_action_is_repeated_until_it_succeeds() -> None:
    outcomes = [OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full"), None]

    def act() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    write_back.when_possible(act)
    for _ in range(5):
        write_back.retry()
    assert outcomes == []
