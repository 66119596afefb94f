"""How fast output flows through the host's log store: pipes -> files, and back by references.

    python benchmarks/throughput_store.py [--producers 8] [--lines 1000000] [--directory DIR]

Eight `yes | head` write 80-byte lines into pipes; one event loop splices them into eight logs, alone (1),
then with a client on a Unix socket that follows all of it by references and reads the bytes from the files
(2). Then what 50 000 short lines cost as server-sent events (3), the last lines of a large log (4), opening
one (5), and decoding frames (6). CPU seconds are those of the process that is named.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sbxcompose.api import frame_encoding, frames
from sbxcompose.host.http.watch_request import WatchRequest
from sbxcompose.host.logs.follow import events
from sbxcompose.host.logs.segments import STDOUT
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.routes.watch import WatchConnection
from tests.support.output import FakeRow, FakeSource

LINE = "x" * 79


def cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Producer:
    """One `yes | head` whose pipe is spliced into a row's log."""

    def __init__(self, row: FakeRow, lines: int) -> None:
        self._row = row
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.fd, write = os.pipe()
        os.set_blocking(self.fd, False)
        command = f"yes {LINE} | head -n {lines}"
        self._child = subprocess.Popen(["sh", "-c", command], stdout=write)
        os.close(write)
        self._loop.add_reader(self.fd, self._readable)

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            if not self._row.log.splice(STDOUT, self.fd, self._row.runs[-1]):
                self._loop.remove_reader(self.fd)
                os.close(self.fd)
                self._child.wait()
                self._row.exit()
                self.done.set_result(None)


async def produce(source: FakeSource, count: int, lines: int) -> None:
    """Let `count` producers write `lines` lines each, and wait until all of it is in the logs."""
    rows = [source.start(f"p{number}") for number in range(count)]
    await asyncio.gather(*(Producer(row, lines).done for row in rows))


@asynccontextmanager
async def serving(source: FakeSource, path: str) -> AsyncIterator[None]:
    """A watch for whoever connects: the frames alone, without HTTP around them."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # the client has all it wants
            async for piece in WatchConnection(source, WatchRequest(follow=True, refs=True, logs="all")).frames():
                writer.write(piece)
                await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield


CLIENT = """
import os, resource, socket, sys
sys.path.insert(0, sys.argv[1])
from sbxcompose.api import frame_encoding, frames
wanted, decoder, logs, files, total, count = int(sys.argv[3]), frames.FrameDecoder(refs=True), {}, {}, 0, 0
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[2])
    while total < wanted:
        for frame in decoder.feed(connection.recv(1 << 18)):
            if isinstance(frame, frames.Log):
                logs[frame.log] = frame.directory
            elif isinstance(frame, frames.OutputFrame):
                path = os.path.join(logs[frame.log], frames.segment_file(frame.content.segment, frame.stream))
                if path not in files:
                    files[path] = os.open(path, os.O_RDONLY)
                done = 0
                while done < frame.length:
                    data = os.pread(files[path], min(frame.length - done, 1 << 20), frame.content.offset + done)
                    assert data
                    done += len(data)
                total += frame.length
                count += 1
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, count)
"""


def report(name: str, seconds: float, used: float, lines: int) -> None:
    size = lines * (len(LINE) + 1)
    print(
        f"{name:28} {size / seconds / 1e9:6.2f} GB/s {lines / seconds / 1e6:6.2f} M lines/s"
        f" {used / lines * 1e6:7.3f} CPU s per million lines"
    )


async def store_alone(directory: Path, producers: int, lines: int) -> None:
    source = FakeSource(directory, limit=64 << 20)
    began, used = time.perf_counter(), cpu()
    await produce(source, producers, lines)
    report("1 store", time.perf_counter() - began, cpu() - used, producers * lines)
    source.close()


async def store_and_client(directory: Path, producers: int, lines: int) -> None:
    source = FakeSource(directory, limit=64 << 20)
    wanted = producers * lines * (len(LINE) + 1)
    arguments = [str(Path(__file__).resolve().parent.parent), str(directory / "socket"), str(wanted)]
    async with serving(source, str(directory / "socket")):
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, *arguments, stdout=subprocess.PIPE)
        while not source.attached:
            await asyncio.sleep(0.01)
        began, used = time.perf_counter(), cpu()
        await produce(source, producers, lines)
        used = cpu() - used
        out, _ = await client.communicate()
        seconds = time.perf_counter() - began
        theirs, count = out.split()
        source.changes.closed()
    report("2 store and watch", seconds, used, producers * lines)
    report(f"  client, {int(count)} frames", seconds, float(theirs), producers * lines)
    source.close()


async def server_sent_events(directory: Path) -> None:
    source = FakeSource(directory)
    row = source.start("web")
    row.write(b"".join(b"line number %d of the output\n" % number for number in range(50_000)))
    row.exit()
    began, size = time.perf_counter(), 0
    async for piece in events(row, source.changes):
        size += len(piece)
    seconds = time.perf_counter() - began
    print(f"3 server-sent events         50 000 lines in {seconds * 1000:.0f} ms, {size / 1e6:.1f} MB")
    source.close()


def tail_of_a_large_log(directory: Path) -> None:
    source = FakeSource(directory, limit=128 << 20)
    row = source.start("web")
    for _ in range(64):
        row.write((LINE + "\n").encode() * ((1 << 20) // 80))
    for lines in (10, 100_000, 10**9):
        began = time.perf_counter()
        row.log.position_of_tail(lines)
        print(f"4 tail of {lines:<10} in 64 MiB {(time.perf_counter() - began) * 1000:8.2f} ms")
    source.close()
    began = time.perf_counter()
    LogStore.open(row.log.directory)
    print(f"5 reopening 64 MiB           {(time.perf_counter() - began) * 1000:8.2f} ms")


def decoding() -> None:
    feed = frame_encoding.encode_output(frames.OutputFrame(1, 1, 1, 1, 1, 65_000, b"x" * 65_000)) * 4
    began = time.perf_counter()
    for _ in range(1000):
        frames.FrameDecoder(refs=False).feed(feed)
    print(f"6 decoding a feed of 256 KiB {(time.perf_counter() - began) * 1000:8.2f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--producers", type=int, default=8)
    parser.add_argument("--lines", type=int, default=1_000_000, help="a producer")
    parser.add_argument("--directory", help="where the logs go (default: a temporary directory)")
    options = parser.parse_args()
    steps: list[Any] = [
        lambda where: asyncio.run(store_alone(where, options.producers, options.lines)),
        lambda where: asyncio.run(store_and_client(where, options.producers, options.lines)),
        lambda where: asyncio.run(server_sent_events(where)),
        tail_of_a_large_log,
    ]
    for step in steps:
        directory = Path(tempfile.mkdtemp(dir=options.directory))
        try:
            step(directory)
        finally:
            shutil.rmtree(directory)
    decoding()


if __name__ == "__main__":
    main()
