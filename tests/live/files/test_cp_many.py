"""`cp` of many files: what a file costs does not grow with their number."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from sbxcompose.files.by_hand import ByHand, CopyOptions, SandboxPath
from sbxcompose.files.scan import ScannedEntry
from tests.support.fake_sandbox import FolderRemote

FILES = 500


class CountedName(str):
    """A name that counts how often it is looked up."""

    lookups = 0

    def __hash__(self) -> int:
        CountedName.lookups += 1
        return super().__hash__()

    __eq__ = str.__eq__


class CountingByHand(ByHand):
    """Copies with counted names."""

    def _walk(self, top: str, status: os.stat_result) -> Iterator[tuple[str, ScannedEntry]]:
        for name, entry in super()._walk(top, status):
            yield CountedName(name), entry


def test_a_name_is_looked_up_a_fixed_number_of_times(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    for number in range(FILES):
        (here / f"{number}").touch()
    CountedName.lookups = 0
    copying = CountingByHand(FolderRemote(), CopyOptions()).put(str(here), SandboxPath(str(there), "app:there"))
    moved = asyncio.run(copying)
    assert moved.files == len(list(there.iterdir())) == FILES
    assert CountedName.lookups < 50 * FILES
