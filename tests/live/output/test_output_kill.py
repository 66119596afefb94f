"""A writer that is killed at any moment loses no byte and doubles none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sbxcompose.host.logs.events import Chunk
from sbxcompose.host.logs.segments import STDERR, STDOUT
from sbxcompose.host.logs.store import LogStore

WRITER = """
import os, select, sys
from sbxcompose.host.logs.store import LogStore
directory, out, err, told = sys.argv[1], *map(int, sys.argv[2:])
log = LogStore.open(directory, limit=1 << 30)
fds = {out: 1, err: 2}
while fds:
    for fd in select.select(list(fds), [], [])[0]:
        if not log.splice(fds[fd], fd, 1):
            del fds[fd]
        os.write(told, b".")
"""
KILLS = 25


class Producer(threading.Thread):
    """Writes numbered lines into a pipe, in pieces of any size, until `size` bytes have gone."""

    def __init__(self, fd: int, size: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._fd = fd
        chance = random.Random(seed)
        lines = b"".join(b"%d of %d\n" % (number, seed) for number in range(size // 10))
        self.sent = lines[:size]
        self._cuts = sorted(chance.randrange(len(self.sent)) for _ in range(500))

    def run(self) -> None:
        begin = 0
        for end in [*self._cuts, len(self.sent)]:
            piece = self.sent[begin:end]
            while piece:
                piece = piece[os.write(self._fd, piece) :]
            begin = end
        os.close(self._fd)


def write_until_killed(directory: str, fds: tuple[int, int], splices: int | None) -> bool:
    """Run a writer and kill it after so many splices (None: let it end); whether it was killed."""
    status, told = os.pipe()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, directory, *map(str, (*fds, told))],
        pass_fds=(*fds, told),
        cwd=Path(__file__).parents[3],
    )
    os.close(told)
    seen = 0
    while (splices is None or seen < splices) and (more := os.read(status, 1)):
        seen += len(more)
    if splices is not None:
        writer.kill()
    code = writer.wait()
    os.close(status)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def contents(directory: str) -> dict[int, bytes]:
    """What is in the log, by stream; its positions have no hole."""
    found: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
    log, position = LogStore.open(directory, limit=1 << 30), 0
    with log.reader(0) as reader:
        while events := reader.read():
            for event in events:
                if isinstance(event, Chunk):
                    assert (event.position, event.run) == (position, 1)
                    position = event.end
                    found[event.stream].append(event.data())
    assert position == log.end
    log.close()
    return {stream: b"".join(pieces) for stream, pieces in found.items()}


@pytest.mark.time_limit(400)
def test_kill_9_in_a_loop_under_load(tmp_path: Path) -> None:
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    for fd in (out, err):
        os.set_blocking(fd, False)
    producers = [Producer(out_end, 20_000_000, 1), Producer(err_end, 5_000_000, 2)]
    directory = str(tmp_path / "log")
    LogStore.open(directory).begin_run(1_000.0)
    for producer in producers:
        producer.start()
    chance = random.Random(3)
    killed = [write_until_killed(directory, (out, err), chance.randrange(1, 9)) for _ in range(KILLS)]
    assert sum(killed) > KILLS // 2
    assert not write_until_killed(directory, (out, err), None)
    os.close(out)
    os.close(err)
    assert contents(directory) == {STDOUT: producers[0].sent, STDERR: producers[1].sent}
