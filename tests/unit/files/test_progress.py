"""How far a copy is: told while a file is on its way, never more often than is read, and never backwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from sbxcompose.files.progress import PIECE, REPORT_INTERVAL, MeteredFiles, TransferMeter, TransferProgress
from sbxcompose.files.remote import Streamed
from tests.support.fake_sandbox import FolderRemote


class Told(list[TransferProgress]):
    """What was told, by a clock that moves on with each look."""

    def __init__(self, step: float) -> None:
        self._now = 0.0
        self._step = step

    def clock(self) -> float:
        self._now += self._step
        return self._now

    @property
    def sizes(self) -> list[int]:
        return [progress.size for progress in self]


def test_a_large_file_is_told_of_piece_by_piece() -> None:
    told = Told(1.0)
    meter = TransferMeter(told.append, told.clock)
    meter.begin(2, 3 * PIECE)
    for _ in range(3):
        meter.sent(PIECE)
    assert told.sizes == [PIECE, 2 * PIECE, 3 * PIECE - 1]
    meter.arrived(1, 3 * PIECE)
    assert told[-1] == TransferProgress(1, 2, 3 * PIECE, 3 * PIECE)


def test_no_more_is_told_than_is_read() -> None:
    told = Told(REPORT_INTERVAL / 100)
    meter = TransferMeter(told.append, told.clock)
    meter.begin(1, 1_000_000)
    for _ in range(1000):
        meter.sent(1000)
    assert 5 <= len(told) <= 10


def test_what_is_on_its_way_already_counts_when_what_came_before_has_arrived() -> None:
    told = Told(0.0)
    meter = TransferMeter(told.append, told.clock)
    meter.begin(2, 100)
    meter.sent(70)
    meter.arrived(1, 50)
    assert told == [TransferProgress(1, 2, 70, 100)]


@pytest.mark.parametrize("streamed", [False, True])
def test_all_that_is_written_is_metered(streamed: bool, tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    told = Told(1.0)
    meter = TransferMeter(told.append, told.clock)
    remote = FolderRemote()

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield data[:100]
        yield data[100:]

    async def main() -> bytes | None:
        files = MeteredFiles(remote, meter)
        await files.write(f"{tmp_path}/file", Streamed(pieces, len(data)) if streamed else data)
        return await files.read(f"{tmp_path}/file")

    meter.begin(1, len(data))
    assert asyncio.run(main()) == data
    assert told.sizes == sorted(told.sizes)
    assert len(told) > 3


def test_what_is_sent_again_counts_once() -> None:
    told = Told(1.0)
    meter = TransferMeter(told.append, told.clock)

    class Broken(FolderRemote):
        async def write(self, path: str, contents: bytes | Streamed) -> None:
            assert isinstance(contents, Streamed)
            for _ in range(2):
                async for _piece in contents.pieces:
                    pass
            raise ConnectionError

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await MeteredFiles(Broken(), meter).write("/file", bytes(300))

    meter.begin(1, 1000)
    asyncio.run(main())
    assert told.sizes == [0, 300, 0, 300, 0]
