"""Pipes whose reader is gone, while nothing is written to them."""

from __future__ import annotations

import asyncio
import os
import tempfile

import pytest

from sbxcompose.cli.reader_gone import ended_without_reader
from sbxcompose.errors import ReaderGone


async def _forever(fd: int) -> None:
    async with ended_without_reader(fd):
        await asyncio.Event().wait()


def test_a_pipe_that_loses_its_reader_ends_the_block() -> None:
    read, write = os.pipe()

    async def run() -> None:
        asyncio.get_running_loop().call_soon(os.close, read)
        await _forever(write)

    with pytest.raises(ReaderGone):
        asyncio.run(run())
    os.close(write)


def test_a_pipe_that_never_had_a_reader_ends_the_block() -> None:
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(ReaderGone):
        asyncio.run(_forever(write))
    os.close(write)


def test_nothing_ends_while_there_is_a_reader_whatever_was_written() -> None:
    read, write = os.pipe()

    async def run() -> str:
        async with ended_without_reader(write):
            os.write(write, b"unread")
            for _ in range(10):
                await asyncio.sleep(0)
        return "to its end"

    assert asyncio.run(run()) == "to its end"
    os.close(read)
    os.close(write)


def test_an_own_timeout_in_the_block_stays_one() -> None:
    read, write = os.pipe()

    async def run() -> None:
        async with ended_without_reader(write):
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        asyncio.run(run())
    os.close(read)
    os.close(write)


def test_what_is_not_the_write_end_of_a_pipe_is_left_alone() -> None:
    """One that is also open for reading would have its own bytes to read."""

    async def run(fd: int) -> str:
        async with ended_without_reader(fd):
            await asyncio.sleep(0)
        return "to its end"

    with tempfile.TemporaryFile() as file:
        assert asyncio.run(run(file.fileno())) == "to its end"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "fifo")
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR)
        os.write(fd, b"for myself")
        assert asyncio.run(run(fd)) == "to its end"
        os.close(fd)
    assert asyncio.run(run(fd)) == "to its end"
