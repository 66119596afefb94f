"""`cp` that is interrupted or fails: nothing of what it has put into the sandbox for a while stays there."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.errors import Interrupted, SbxError
from sbxcompose.files import persistent
from sbxcompose.files.by_hand import ByHand, CopyOptions, SandboxPath
from sbxcompose.files.hand_scripts import MERGE, PACK, PLACE, UNPACK
from sbxcompose.files.read import Memory
from sbxcompose.files.remote import RemoteResult
from sbxcompose.files.scan import CopySource
from sbxcompose.files.transfer import Copy
from tests.support.fake_sandbox import FolderRemote


class Stuck(FolderRemote):
    """A sandbox in which one script never ends, or fails; what it would do is done before with `late`."""

    def __init__(self, script: str, *, fails: bool = False, late: bool = False) -> None:
        super().__init__()
        self.script, self.fails, self.late = script, fails, late
        self.reached = asyncio.Event()

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        if arguments[2] != self.script:
            return await super().run(arguments)
        if self.late:
            await super().run(arguments)
        self.reached.set()
        if self.fails:
            return RemoteResult(1, "no", "")
        await asyncio.get_running_loop().create_future()
        raise AssertionError


Copying = Callable[[ByHand, Path, Path], Awaitable[object]]


async def file(hand: ByHand, here: Path, there: Path) -> None:
    await hand.put(str(here / "notes"), SandboxPath(str(there / "notes"), "app:notes"))


async def contents(hand: ByHand, here: Path, there: Path) -> None:
    await hand.put_contents(b"words", SandboxPath(str(there / "notes"), "app:notes"))


async def folder(hand: ByHand, here: Path, there: Path) -> None:
    await hand.put(f"{here}/.", SandboxPath(str(there), "app:"))


async def archive(hand: ByHand, here: Path, there: Path) -> None:
    await hand.put_archive(b"", SandboxPath(str(there), "app:"))


@pytest.mark.parametrize("fails", [False, True], ids=["interrupted", "failed"])
@pytest.mark.parametrize(
    "copy, script",
    [(file, PLACE), (contents, PLACE), (folder, UNPACK), (folder, MERGE), (archive, UNPACK)],
    ids=["file", "contents", "folder", "folder at its end", "archive"],
)
def test_nothing_stays_in_the_sandbox(tmp_path: Path, copy: Copying, script: str, fails: bool) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "notes").write_text("words")

    async def main() -> None:
        remote = Stuck(script, fails=fails)
        copying = asyncio.ensure_future(copy(ByHand(remote, CopyOptions()), here, there))
        await remote.reached.wait()
        if not fails:
            copying.cancel()
        with pytest.raises(SbxError if fails else asyncio.CancelledError):
            await copying

    asyncio.run(main())
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("fails", [False, True], ids=["interrupted", "failed"])
@pytest.mark.parametrize("target, kept", [("new", []), ("new/deeper/still", []), ("old/new", ["old"])])
def test_nor_do_the_folders_that_it_would_have_filled(
    tmp_path: Path, target: str, kept: list[str], fails: bool
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for name in kept:
        (there / name).mkdir()
    (here / "notes").write_text("words")

    async def main() -> None:
        remote = Stuck(MERGE, fails=fails)
        to = SandboxPath(str(there / target), f"app:{target}")
        copying = asyncio.ensure_future(ByHand(remote, CopyOptions()).put(str(here), to))
        await remote.reached.wait()
        assert (there / target).is_dir()
        if not fails:
            copying.cancel()
        with pytest.raises(SbxError if fails else asyncio.CancelledError):
            await copying

    asyncio.run(main())
    assert [path.name for path in there.rglob("*")] == kept


def test_nor_does_the_archive_of_a_copy_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("words")

    async def main() -> list[str]:
        remote = Stuck(PACK, late=True)
        copying = asyncio.ensure_future(
            ByHand(remote, CopyOptions()).get_archive(SandboxPath(str(tmp_path), "app:"), lambda data: None)
        )
        await remote.reached.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        return next(request for request in remote.requests if request.startswith(f"run sh -c {PACK}")).split()

    assert not Path(asyncio.run(main())[-2]).exists()


class Silent(Stuck):
    """A sandbox that answers nothing any more once the script has begun."""

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        if self.reached.is_set():
            self.cleaning.set()
            await asyncio.get_running_loop().create_future()
        return await super().run(arguments)

    def __init__(self, script: str) -> None:
        super().__init__(script)
        self.cleaning = asyncio.Event()


@pytest.mark.parametrize("copy, script", [(file, PLACE), (folder, UNPACK)], ids=["file", "folder"])
def test_a_second_interrupt_ends_it_while_it_cleans_up(
    tmp_path: Path, copy: Copying, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "notes").write_text("words")
    monkeypatch.setattr(persistent, "CLEAN_UP", 10_000.0)

    async def main() -> None:
        interrupts, remote = Interrupts(), Silent(script)
        copying = asyncio.ensure_future(interrupts.guard(copy(ByHand(remote, CopyOptions()), here, there)))
        await remote.reached.wait()
        interrupts.interrupt()
        await remote.cleaning.wait()
        assert not copying.done()
        interrupts.interrupt()
        with pytest.raises(Interrupted):
            await copying
        await interrupts.next()  # a caller that has more to do hears of it, too

    asyncio.run(main())


class HeldCall:
    """A function of `os` that waits in its first call with a path below a folder, and counts these calls."""

    def __init__(self, name: str, below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._call, self._below = getattr(os, name), os.fsencode(below)
        self.begun, self.may_end, self.count = threading.Event(), threading.Event(), 0
        monkeypatch.setattr(os, name, self)

    def __call__(self, path: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(path, int) and (b"/" not in os.fsencode(path) or os.fsencode(path).startswith(self._below)):
            self.count += 1
            self.begun.set()
            self.may_end.wait()
        return self._call(path, *args, **options)


async def out(hand: ByHand, here: Path, there: Path) -> None:
    await hand.get(SandboxPath(str(here), "app:"), str(there / "here"))


async def compared(hand: ByHand, here: Path, there: Path) -> None:
    await Copy(FolderRemote(), str(there), [CopySource(str(here), "")], Memory(there / "memory"), "0a").compare()


async def synced(hand: ByHand, here: Path, there: Path) -> None:
    await Copy(FolderRemote(), str(there), [CopySource(str(here), "")], Memory(there / "memory"), "0a").sync()


@pytest.mark.parametrize(
    "copy, call",
    [(folder, "scandir"), (compared, "scandir"), (folder, "open"), (synced, "open"), (out, "rename")],
    ids=["looking", "comparing", "packing", "packing what has changed", "unpacking"],
)
def test_no_thread_works_on_for_it(tmp_path: Path, copy: Copying, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Ctrl-C in a copy of a large tree would wait until all of it had been looked at."""
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, here / "one", here / "one" / "two", there):
        directory.mkdir()
        (directory / "notes").write_text("words")

    async def main() -> None:
        held = HeldCall(call, here if call != "rename" else there, monkeypatch)
        copying = asyncio.ensure_future(copy(ByHand(FolderRemote(), CopyOptions()), here, there))
        while not held.begun.is_set():
            await asyncio.sleep(0)
        copying.cancel()
        for _ in range(10):  # from task to task, to the one that waits for the call
            await asyncio.sleep(0)
        held.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await copying
        await asyncio.get_running_loop().shutdown_default_executor()
        assert held.count == 1

    asyncio.run(main())
    assert not [path for path in there.rglob("*sbxcompose*") if path.name != ".sbxcompose"]
