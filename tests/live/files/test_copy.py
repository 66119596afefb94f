"""Trees copied into a folder that stands for a sandbox, with the shell of this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sbxcompose.errors import Unreachable
from sbxcompose.files import carry, read, transfer
from sbxcompose.files.read import Memory
from sbxcompose.files.scan import CopyRefused, CopySource
from sbxcompose.files.transfer import Copied, Copy, CopyFailed
from tests.support.fake_sandbox import FolderRemote
from tests.unit.files.trees import picture


class Sides:
    """A tree here, and what becomes of it there."""

    def __init__(self, root: Path) -> None:
        self.here, self.there = root / "here", root / "there"
        self.here.mkdir()
        self.there.mkdir()
        self.memory = Memory(root / "memory")

    def write(self, path: str, text: str = "text\n", mode: int = 0o644) -> Path:
        file = self.here / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def copy(self, remote: FolderRemote | None = None, *sources: CopySource, origin: str = "test") -> Copy:
        own = sources or (CopySource(str(self.here)),)
        return Copy(remote or FolderRemote(), str(self.there), own, self.memory, origin)

    def sync(self, remote: FolderRemote | None = None, *sources: CopySource) -> Copied:
        return asyncio.run(self.copy(remote, *sources).sync())

    @property
    def same(self) -> bool:
        return picture(self.here) == picture(self.there)


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    return Sides(tmp_path)


def test_a_tree_arrives_with_modes_links_and_empty_folders(sides: Sides) -> None:
    sides.write("src/run.sh", mode=0o755)
    sides.write("odd/-rf\n 'quoted' é $x")
    (sides.here / "empty").mkdir(0o700)
    (sides.here / "link").symlink_to("src/run.sh")
    copied = sides.sync()
    assert (copied.files, copied.deleted) == (3, 0)
    assert sides.same


def test_a_tree_that_is_there_already_costs_one_request(sides: Sides) -> None:
    sides.write("a")
    os.utime(sides.here / "a", (1, 1))
    sides.sync()
    remote = FolderRemote()
    assert not sides.sync(remote)
    copy = sides.copy(remote)
    assert not asyncio.run(copy.compare())
    assert {request.partition(" ")[2] for request in remote.requests[:1]} == {f"{sides.there}/.sbxcompose/state"}


def test_what_had_just_changed_is_remembered_by_the_first_look_that_can(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sides.write("a")
    monkeypatch.setattr(read, "GRANULARITY", 10**18)  # as if it had been written a moment ago, and once more
    sides.sync()
    monkeypatch.setattr(read, "GRANULARITY", -(10**18))
    for requests in (2, 1):
        sides.memory = Memory(tmp_path / "memory")  # as another command has it
        remote = FolderRemote()
        assert not asyncio.run(sides.copy(remote).compare())
        assert len(remote.requests) == requests


def test_a_single_change_is_one_file_and_one_command(sides: Sides) -> None:
    for name in "abc":
        sides.write(name)
    remote = FolderRemote()
    copy = sides.copy(remote)
    asyncio.run(copy.sync())
    changed = sides.write("b", "new\n")
    remote.requests.clear()
    copied = asyncio.run(copy.sync([str(changed)]))
    assert (copied.files, copied.size) == (1, 4)
    assert [request.partition(" ")[0] for request in remote.requests] == ["write", "run"]
    assert sides.same


def test_only_what_we_have_sent_is_deleted(sides: Sides) -> None:
    sides.write("src/a.py")
    sides.write("src/b.py")
    sides.sync()
    (sides.there / "src" / "build.o").write_text("the sandbox's own")
    (sides.there / "data").mkdir()
    shutil.rmtree(sides.here / "src")
    assert sides.sync().deleted == 3
    assert sorted(path.name for path in (sides.there / "src").iterdir()) == ["build.o"]
    assert (sides.there / "data").is_dir()


def test_what_the_sandbox_had_before_is_kept_and_what_we_send_is_laid_over_it(sides: Sides) -> None:
    (sides.there / "src").mkdir()
    (sides.there / "src" / "own").write_text("own")
    (sides.there / "src" / "a").write_text("old")
    sides.write("src/a", "new")
    sides.write("src/deep/b")
    sides.sync()
    assert (sides.there / "src" / "own").read_text() == "own"
    assert (sides.there / "src" / "a").read_text() == "new"
    assert (sides.there / "src" / "deep" / "b").exists()


def test_a_folder_of_the_sandboxs_own_in_the_way_is_named(sides: Sides) -> None:
    (sides.there / "out").mkdir()
    (sides.there / "out" / "own").write_text("own")
    sides.write("out")
    sides.write("other")
    with pytest.raises(CopyFailed, match=r"\./out is a directory there, with files of its own"):
        sides.sync()
    assert (sides.there / "out" / "own").exists()


def test_links_that_lead_out_are_refused_all_at_once_with_the_remedy(sides: Sides) -> None:
    (sides.here / "up").symlink_to("../secret")
    (sides.here / "absolute").symlink_to("/etc/passwd")
    with pytest.raises(
        CopyRefused, match=r"absolute is a link to /etc/passwd.*up is a link|up is a link.*absolute is"
    ) as e:
        sides.sync()
    assert "ignore" in (e.value.hint or "")
    assert not list(sides.there.iterdir())


def test_a_socket_is_left_out_and_said(sides: Sides) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(sides.here / "s"))
        os.mkfifo(sides.here / "fifo")
        sides.write("a")
        copied = sides.sync()
    assert sorted(name for name, _ in copied.skipped) == ["fifo", "s"]
    assert list(picture(sides.there)) == [b"a"]


def test_a_link_there_never_leads_a_write_or_a_delete_outside(sides: Sides, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("precious")
    sides.write("d/a")
    sides.write("d/b")
    sides.sync()
    shutil.rmtree(sides.there / "d")
    (sides.there / "d").symlink_to(outside)
    (sides.here / "d" / "a").unlink()
    sides.write("d/b", "new")
    sides.sync()
    assert (outside / "a").read_text() == "precious"
    assert sorted(path.name for path in outside.iterdir()) == ["a"]
    assert (sides.there / "d" / "b").read_text() == "new"


def test_files_go_where_the_spec_says(sides: Sides) -> None:
    sides.write("conf/app.toml")
    sides.write("site/index.html")
    sides.write("site/x.tmp")
    sides.sync(
        None,
        CopySource(str(sides.here / "site"), "www/public", ("*.tmp",)),
        CopySource(str(sides.here / "conf" / "app.toml"), "etc/renamed.toml"),
        CopySource(str(sides.here / "conf" / "app.toml"), ""),
    )
    found = sorted(path for path, (kind, *_) in picture(sides.there).items() if kind == "file")
    assert found == [b"app.toml", b"etc/renamed.toml", b"www/public/index.html"]


def test_a_source_that_is_missing_is_named(sides: Sides) -> None:
    with pytest.raises(CopyRefused, match=r"/here/nope: No such file"):
        sides.sync(None, CopySource(str(sides.here / "nope")))


class Meddler(FolderRemote):
    """Does something to the tree while an archive is on its way."""

    def __init__(self, meddle: Callable[[], object], times: int = 1) -> None:
        super().__init__()
        self._meddle = meddle
        self._times = times

    async def read(self, path: str) -> bytes | None:
        if path.endswith("manifest") and self._times:
            self._times -= 1
            self._meddle()
        return await super().read(path)


def test_a_file_that_changes_while_it_is_sent_is_sent_again(sides: Sides) -> None:
    file = sides.write("a", "one")
    sides.write("b")
    copied = sides.sync(Meddler(lambda: file.write_text("longer than before")))
    assert sides.same
    assert copied.unsettled == ()


def test_a_file_that_vanishes_is_not_there_in_the_end(sides: Sides) -> None:
    file = sides.write("a", "one")
    sides.write("b")
    sides.sync(Meddler(file.unlink))
    assert sides.same
    assert not file.exists()


def test_the_second_of_two_machines_compares_again(sides: Sides, tmp_path: Path) -> None:
    sides.write("a", "old")
    sides.sync()
    other = tmp_path / "other"
    shutil.copytree(sides.here, other)
    (other / "a").write_text("theirs")
    (other / "only").write_text("theirs")
    mine = sides.copy()
    sides.write("a", "mine")
    assert asyncio.run(mine.compare()).changes.send == ("a",)
    theirs = Copy(FolderRemote(), str(sides.there), [CopySource(str(other))], Memory(), "other")
    asyncio.run(theirs.sync())
    asyncio.run(mine.sync())
    assert sides.same


def test_many_at_once_end_exact(sides: Sides, tmp_path: Path) -> None:
    trees = []
    for number in range(3):
        tree = tmp_path / f"tree{number}"
        tree.mkdir()
        for name in ("a", "b", f"own{number}"):
            (tree / name).write_text(f"{name} of {number}")
        trees.append(tree)
    copies = [Copy(FolderRemote(), str(sides.there), [CopySource(str(t))], Memory(), t.name) for t in trees]

    async def all_at_once() -> None:
        await asyncio.gather(*(copy.sync() for copy in copies))

    asyncio.run(all_at_once())
    assert picture(sides.there) in [picture(tree) for tree in trees]
    assert not any(path.name.startswith(("in.", "lock")) for path in (sides.there / ".sbxcompose").iterdir())


def test_a_lock_of_a_dead_process_blocks_nothing(sides: Sides) -> None:
    lock = sides.there / ".sbxcompose" / "lock"
    lock.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (lock / "pid").write_text(f"{ended.pid}\n")
    sides.write("a")
    sides.sync()
    assert sides.same


def test_a_large_file_travels_by_itself_and_arrives_whole(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "PART", 10_000)
    (sides.here / "large").write_bytes(os.urandom(50_000))
    for number in range(20):
        sides.write(f"small/{number}", "x" * 900)
    remote = FolderRemote()
    sides.sync(remote)
    assert sides.same
    assert any("/one." in request for request in remote.requests)
    assert sum(request.startswith("run") for request in remote.requests) > 2, "in parts"


def test_what_got_through_is_not_sent_again(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry, "PART", 1000)
    for number in range(10):
        sides.write(f"f{number}", "x" * 900)
    runs = 0

    def cut(moment: str) -> bool:
        nonlocal runs
        runs += moment == "before a run"
        return runs > 6

    with pytest.raises(Unreachable):
        sides.sync(FolderRemote(cut=cut))
    assert len(asyncio.run(sides.copy().compare()).changes.send) == 4
    sides.sync()
    assert sides.same


def test_no_space_left_is_reported(sides: Sides, tmp_path: Path) -> None:
    sides.write("a")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "tar").write_text("#!/bin/sh\necho 'tar: a: Cannot write: No space left on device' >&2; exit 2\n")
    (tools / "tar").chmod(0o755)
    sides.write("b")
    remote = FolderRemote(shell=("env", f"PATH={tools}:{os.environ['PATH']}"))
    with pytest.raises(CopyFailed, match="No space left") as error:
        sides.sync(remote)
    assert error.value.hint == "no space left in the sandbox"


def test_a_record_that_is_damaged_means_to_send_everything(sides: Sides) -> None:
    sides.write("a")
    sides.write("b")
    sides.sync()
    (sides.there / ".sbxcompose" / "manifest").write_bytes(b"nonsense")
    (sides.there / ".sbxcompose" / "state").unlink()
    (sides.there / "b").write_text("spoilt")
    sides.sync()
    assert sides.same


def test_a_reader_never_sees_half_a_file(sides: Sides) -> None:
    """A reader in the sandbox sees the old contents or the new ones, whenever it looks."""
    file = sides.write("a", "0" * 100_000)
    copy = sides.copy()
    asyncio.run(copy.sync())
    target = sides.there / "a"
    seen: set[str] = set()

    async def read(stop: asyncio.Event) -> None:
        while not stop.is_set():
            seen.add(await asyncio.to_thread(target.read_text))

    async def main() -> None:
        stop = asyncio.Event()
        reading = asyncio.create_task(read(stop))
        for digit in "12345":
            file.write_text(digit * 100_000)
            await copy.sync([str(file)])
        stop.set()
        await reading

    asyncio.run(main())
    assert all(len(item) == 100_000 and len(set(item)) == 1 for item in seen)
