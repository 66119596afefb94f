"""A file is gone at once; its blocks are given back later, by a thread, and never are many files held open for that."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sbxcompose.host.base import removal


def open_files(directory: Path) -> int:
    """How many files of a directory this process has open, also removed ones."""
    links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(str(directory) in os.readlink(link) for link in links if link.is_symlink())


def test_files_are_removed_and_a_bounded_number_is_held_open_until_the_loop_turns(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(removal.MOST + 10)]
    for path in paths:
        path.touch()

    async def main() -> int:
        for path in paths:
            removal.remove(os.fspath(path))
        return open_files(tmp_path)

    assert asyncio.run(main()) == removal.MOST
    removal.close_waiting()
    assert open_files(tmp_path) == 0


def test_a_thread_gives_the_blocks_back(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.touch()

    async def main() -> None:
        removal.remove(os.fspath(path))
        await asyncio.sleep(0)  # the thread is asked
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(main())
    assert open_files(tmp_path) == 0


def test_without_an_event_loop_it_is_an_ordinary_removal(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.touch()
    removal.remove(os.fspath(path))
    assert not path.exists()
    assert open_files(tmp_path) == 0


def test_what_is_not_there_is_an_error_and_nothing_stays_open(tmp_path: Path) -> None:
    async def main() -> None:
        removal.remove(os.fspath(tmp_path / "nothing"))

    with pytest.raises(FileNotFoundError):
        asyncio.run(main())
