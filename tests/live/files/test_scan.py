"""The tree on this disk: looked at as a whole, or again where something has changed; digests remembered."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given

from sbxcompose.files.manifest import digest_bytes
from sbxcompose.files.read import Memory, Unreadable, digest_of, read_digests, remembered
from sbxcompose.files.scan import CopySource, ScannedTree, rescan, scan
from tests.support.examples import examples
from tests.unit.files.trees import EDITS, Edit, apply, remove

OLD = 1_000_000_000


def entries(tree: ScannedTree) -> dict[str, object]:
    return {name: (found.path, found.entry, found.signature) for name, found in tree.found.items()}


@given(first=EDITS, second=EDITS)
@examples(2)
def test_to_look_again_where_something_changed_is_to_look_again(first: list[Edit], second: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        root.mkdir()
        try:
            apply(root, first)
            tree = scan([CopySource(str(root), "to")])
            before = entries(tree)
            apply(root, second)
            now = scan([CopySource(str(root), "to")])
            changed = [name for name in {*before, *now.found} if before.get(name) != entries(now).get(name)]
            rescan(tree, [CopySource(str(root), "to")], [str(root / name.removeprefix("to/")) for name in changed])
            assert entries(tree) == entries(now)
        finally:
            remove(os.fsencode(root))


def test_ignored_folders_are_not_looked_into_and_a_changed_ignore_file_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / "node_modules" / "x").mkdir(parents=True)
    (tmp_path / "a.log").touch()
    ignore = tmp_path / ".gitignore"
    ignore.write_text("node_modules/\n*.log\n")
    source = CopySource(str(tmp_path))
    tree = scan([source])
    assert sorted(tree.found) == [".gitignore"]
    ignore.write_text("node_modules/\n")
    rescan(tree, [source], [str(ignore)])
    assert sorted(tree.found) == [".gitignore", "a.log"]
    rescan(tree, [source], [str(tmp_path / "node_modules" / "x")])
    assert sorted(tree.found) == [".gitignore", "a.log"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tree" / "a"
    path.parent.mkdir()
    path.write_text("one")
    return path


def learned(file: Path, memory: Memory) -> ScannedTree:
    """A tree whose digests have been read."""
    tree = scan([CopySource(str(file.parent))])
    read_digests(tree, ["a"], memory, remembered(tree, memory))
    return tree


def make_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all files had been there for long."""
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)


def test_a_digest_is_remembered_until_the_file_changes(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old(monkeypatch)
    memory = Memory(tmp_path / "memory" / "m")
    memory.save(learned(file, memory))
    again = Memory(tmp_path / "memory" / "m")
    tree = scan([CopySource(str(file.parent))])
    assert remembered(tree, again)["a"].digest == digest_bytes(b"one")
    file.write_text("two")
    os.utime(file, ns=(OLD, OLD))
    assert remembered(scan([CopySource(str(file.parent))]), again)["a"].digest == b""


def test_a_file_that_was_just_written_is_not_remembered(file: Path) -> None:
    """It could be written once more within one tick of the clock."""
    memory = Memory()
    tree = learned(file, memory)
    assert remembered(tree, memory)["a"].digest == b""


def test_a_memory_that_is_damaged_is_none(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"nonsense")
    Memory(tmp_path / "m")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(Unreadable, match=f"{loop} cannot be read: Too many levels"):
        digest_of(str(loop))


def test_a_fifo_in_place_of_a_file_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert digest_of(str(tmp_path / "fifo"))[0] == digest_bytes(b"")
