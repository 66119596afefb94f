"""`cp` through standard input or output tells how far it is, as every other copy does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from sbxcompose.files.by_hand import ByHand, CopyOptions, SandboxPath
from sbxcompose.files.progress import PIECE, TransferProgress
from tests.support.fake_sandbox import FolderRemote


async def _contents_in(hand: ByHand, there: Path) -> None:
    await hand.put_contents(bytes(3 * PIECE), SandboxPath(str(there / "new"), "app:new"))


async def _archive_in(hand: ByHand, there: Path) -> None:
    await hand.put_archive(bytes(3 * PIECE), SandboxPath(str(there), "app:"))


async def _contents_out(hand: ByHand, there: Path) -> None:
    await hand.get_contents(SandboxPath(str(there / "big"), "app:big"), lambda piece: None)


@pytest.mark.parametrize("copy", [_contents_in, _archive_in, _contents_out])
def test_a_copy_through_a_stream_is_told_of_as_well(
    copy: Callable[[ByHand, Path], Coroutine[None, None, None]], tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes(3 * PIECE))
    told = list[TransferProgress]()
    asyncio.run(copy(ByHand(FolderRemote(), CopyOptions(), told.append), tmp_path))
    assert {progress.all_size for progress in told} == {3 * PIECE}
