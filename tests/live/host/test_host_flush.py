"""What is recorded is written through to the disk, soon and together, and nobody waits for it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from sbxcompose.host.base import flush
from sbxcompose.host.base.json_files import write_json


def test_new_files_and_their_directories_are_written_through_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    monkeypatch.setattr(flush, "PAUSE", 60.0)

    async def one_that_ends_too_early() -> None:
        write_json(tmp_path / "early", {})

    async def main() -> None:
        for name in "aab":
            write_json(tmp_path / name, {})
        write_json(tmp_path / "gone", {})
        (tmp_path / "gone").unlink()
        assert synced == []
        while str(tmp_path) not in synced:
            await asyncio.sleep(0)

    asyncio.run(one_that_ends_too_early())
    monkeypatch.setattr(flush, "PAUSE", 0.0)
    asyncio.run(main())
    mine = [path for path in synced if path.startswith(str(tmp_path))]  # earlier tests have left files to be synced
    mine.remove(str(tmp_path / "early"))
    assert mine == [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)]


def test_without_an_event_loop_files_are_written_all_the_same(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"one": 1})
    assert (tmp_path / "a").read_text() == '{"one":1}'
