"""Snapshots on disk: what two who delete the same one are told, and what is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sbxcompose.api.sandbox_models import SnapshotInfo
from sbxcompose.host.base import trees
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.sandboxes.snapshots import RECORD, Snapshots
from sbxcompose.tasks import TaskOwner

NUMBER = "s" * 21


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with one snapshot."""
    (tmp_path / NUMBER / "files").mkdir(parents=True)
    info = SnapshotInfo(id=NUMBER, namespace="default", sandbox_id="b" * 21, status="completed")
    write_json(tmp_path / NUMBER / RECORD, info.write())
    return tmp_path


def test_two_deletes_of_the_same_snapshot_both_succeed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    remove = trees.remove_tree

    def watched(path: str) -> None:
        removed.append(path)
        remove(path)

    monkeypatch.setattr(trees, "remove_tree", watched)

    async def both() -> None:
        snapshots = Snapshots(directory, TaskOwner())
        snapshots.load()
        await asyncio.gather(snapshots.delete(NUMBER), snapshots.delete(NUMBER))
        with pytest.raises(Problem, match="not found"):
            await snapshots.delete(NUMBER)

    asyncio.run(both())
    assert removed == [str(directory / NUMBER)]
    assert list(directory.iterdir()) == []


def test_what_cannot_be_removed_is_reported_and_can_be_asked_for_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> None:
        raise OSError(5, "Input/output error", path)

    async def twice() -> None:
        snapshots = Snapshots(directory, TaskOwner())
        snapshots.load()
        with monkeypatch.context() as broken:
            broken.setattr(trees, "remove_tree", fails)
            answers = await asyncio.gather(*(snapshots.delete(NUMBER) for _ in "ab"), return_exceptions=True)
        assert ["cannot be deleted" in str(answer) for answer in answers] == [True, True]
        await snapshots.delete(NUMBER)

    asyncio.run(twice())
    assert list(directory.iterdir()) == []
