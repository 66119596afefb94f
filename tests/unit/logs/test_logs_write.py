from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbxcompose.errors import NotWritten, ReaderGone
from sbxcompose.logs.write import FdSink


class Pipe:
    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def close_reader(self) -> None:
        os.close(self.reader)
        self.reader = -1


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for fd in (pipe.reader, pipe.writer):
        if fd >= 0:
            os.close(fd)


def read_all(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := os.read(fd, size)):
        data += more
    return data


class Reader:
    """Reads in a thread of its own, which holds up nobody when a test fails."""

    def __init__(self, fd: int, size: int) -> None:
        self._read = b""
        self._thread = threading.Thread(target=self._run, args=(fd, size), daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        self._thread.join()
        return self._read

    def _run(self, fd: int, size: int) -> None:
        self._read = read_all(fd, size)


def test_a_file_gets_all_parts_in_order(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file:
        sink = FdSink(file.fileno())
        sink.write([b"one ", b"", memoryview(b"two!")[:-1]])
        sink.write([b" three"] * 3000)
        sink.close()
    assert (tmp_path / "log").read_bytes() == b"one two" + b" three" * 3000


def test_a_slow_reader_blocks_nothing(pipe: Pipe) -> None:
    sink = FdSink(pipe.writer)
    data = os.urandom(300_000)
    sink.write([data[:100_000], data[100_000:]])
    assert sink.waiting > 0
    reader = Reader(pipe.reader, len(data))
    sink.flush()
    assert reader.result() == data
    sink.close()


def test_too_much_waits_for_the_reader(pipe: Pipe) -> None:
    sink = FdSink(pipe.writer, high_water=1000)
    data = os.urandom(300_000)
    reader = Reader(pipe.reader, len(data))
    sink.write([data])
    assert sink.waiting <= 1000
    sink.flush()
    assert reader.result() == data
    sink.close()


def test_the_callers_descriptor_stays_as_it_is(pipe: Pipe) -> None:
    sink = FdSink(pipe.writer)
    assert not fcntl.fcntl(pipe.writer, fcntl.F_GETFL) & os.O_NONBLOCK
    sink.close()
    os.write(pipe.writer, b"x")


def test_a_descriptor_that_is_non_blocking_already_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    sink = FdSink(pipe.writer, high_water=10)
    reader = Reader(pipe.reader, 200_000)
    sink.write([b"x" * 200_000])
    sink.flush()
    assert reader.result() == b"x" * 200_000
    sink.close()


def test_the_event_loop_continues_while_the_reader_stalls(pipe: Pipe) -> None:
    async def main() -> bytes:
        sink = FdSink(pipe.writer)
        sink.write([b"x" * 200_000])
        drained = asyncio.ensure_future(sink.drain())
        await asyncio.sleep(0)
        assert not drained.done()
        reading = asyncio.to_thread(read_all, pipe.reader, 200_000)
        data, _ = await asyncio.gather(reading, drained)
        sink.close()
        return data

    assert asyncio.run(main()) == b"x" * 200_000


def test_what_a_slow_reader_leaves_follows_without_another_call(pipe: Pipe) -> None:
    async def main() -> bytes:
        sink = FdSink(pipe.writer)
        sink.write([b"x" * 200_000])
        assert sink.waiting
        data, complete = bytearray(), asyncio.Event()

        def read() -> None:
            data.extend(os.read(pipe.reader, 10_000))
            if len(data) == 200_000:
                complete.set()

        asyncio.get_running_loop().add_reader(pipe.reader, read)
        await complete.wait()
        asyncio.get_running_loop().remove_reader(pipe.reader)
        assert not sink.waiting
        sink.close()
        return bytes(data)

    assert asyncio.run(main()) == b"x" * 200_000


def test_a_reader_that_goes_before_it_has_read_everything_is_reported_with_the_next_call(pipe: Pipe) -> None:
    async def main() -> None:
        sink = FdSink(pipe.writer)
        sink.write([b"x" * 200_000])
        pipe.close_reader()
        while sink.waiting:
            await asyncio.sleep(0)
        with pytest.raises(ReaderGone):
            sink.write([b"y"])
        sink.close()

    asyncio.run(main())


def test_draining_can_be_given_up_and_begun_again(pipe: Pipe) -> None:
    async def main() -> bytes:
        sink = FdSink(pipe.writer)
        sink.write([b"x" * 200_000])
        given_up = asyncio.ensure_future(sink.drain())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        data, _ = await asyncio.gather(asyncio.to_thread(read_all, pipe.reader, 200_000), sink.drain())
        sink.close()
        return data

    assert asyncio.run(main()) == b"x" * 200_000


@pytest.mark.parametrize("gone_before", [True, False])
def test_a_reader_that_has_gone_is_reported(pipe: Pipe, gone_before: bool) -> None:
    if gone_before:
        pipe.close_reader()
        sink = FdSink(pipe.writer)
    else:
        sink = FdSink(pipe.writer)
        sink.write([b"heard\n"])
        pipe.close_reader()
    with pytest.raises(ReaderGone):
        sink.write([b"x\n"])
    assert sink.waiting == 0
    sink.flush()
    sink.close()


def test_a_reader_that_goes_while_we_wait_is_reported(pipe: Pipe) -> None:
    async def main() -> None:
        sink = FdSink(pipe.writer)
        sink.write([b"x" * 200_000])
        drained = asyncio.ensure_future(sink.drain())
        await asyncio.sleep(0)
        pipe.close_reader()
        with pytest.raises(ReaderGone):
            await drained
        sink.close()

    asyncio.run(main())


def test_no_space_left_is_an_error_of_its_own() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        sink = FdSink(full.fileno())
        with pytest.raises(NotWritten, match="no space left"):
            sink.write([b"x"])


def test_what_is_written_while_it_is_held_comes_afterwards(pipe: Pipe) -> None:
    sink = FdSink(pipe.writer)

    async def main() -> None:
        sink.write([b"before "])
        with sink.held():
            sink.write([b"after"])
            drained = asyncio.ensure_future(sink.drain())
            await asyncio.sleep(0)
            os.write(pipe.writer, b"question ")
            assert not drained.done()
        await drained

    asyncio.run(main())
    sink.close()
    assert read_all(pipe.reader, 21) == b"before question after"
