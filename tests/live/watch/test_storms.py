"""Very many changes at once, and changes that the kernel's notifications do not tell in full."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
from pathlib import Path
from threading import Thread

from sbxcompose.watch.notifications import INSTANCES, Notifications, Notified
from tests.live.watch.eye import Eye, root, watching


def git(top: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "gc.auto=0")
    subprocess.run(["git", *settings, *arguments], cwd=top, check=True, capture_output=True)


def write_all(top: Path, names: list[str], text: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


async def everything(eye: Eye, expected: set[str]) -> set[str]:
    """All that is reported until nothing of what is expected is missing."""
    found: set[str] = set()
    while not expected <= found:
        found |= await eye.batch()
    return found


def test_a_checkout_of_two_thousand_files_is_seen_whole(tmp_path: Path) -> None:
    kept = [f"kept{number % 50}/file{number}" for number in range(1500)]
    removed = [f"kept{number % 50}/old{number}" for number in range(200)]
    added = [f"new{number % 20}/deep/file{number}" for number in range(300)]
    git(tmp_path, "init", "-q", "-b", "one")
    write_all(tmp_path, [*kept, *removed], "one")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "checkout", "-q", "-b", "two")
    for name in removed:
        (tmp_path / name).unlink()
    write_all(tmp_path, [*kept, *added], "number two")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "two")
    git(tmp_path, "checkout", "-q", "one")

    async def main() -> None:
        async with watching(tmp_path) as eye:
            await asyncio.to_thread(git, tmp_path, "checkout", "-q", "two")
            expected = {*kept, *removed, *added}
            assert await everything(eye, expected) == expected
            await asyncio.to_thread(git, tmp_path, "checkout", "-q", "one")
            expected = {*kept, *removed}
            gone = await everything(eye, expected) - expected
            assert {name.partition("/")[0] for name in gone} <= {name.partition("/")[0] for name in added}

    asyncio.run(main())


def test_an_installation_into_an_ignored_folder_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "src").mkdir()
    notifications = Notifications()

    def install() -> None:
        write_all(tmp_path, [f"node_modules/p{number % 100}/lib/f{number}.js" for number in range(2000)], "x")
        (tmp_path / "package-lock.json").write_text("{}")

    async def main() -> None:
        async with watching(tmp_path, notifications=notifications) as eye:
            await asyncio.to_thread(install)
            assert await eye.batch() == {"package-lock.json"}
            assert {os.path.relpath(path, tmp_path) for path in notifications.directories} == {"..", ".", "src"}

    asyncio.run(main())


def test_many_new_folders_one_after_the_other_are_all_watched(tmp_path: Path) -> None:
    async def main() -> None:
        async with watching(tmp_path) as eye:
            for number in range(2 * INSTANCES + 2):
                folder = tmp_path / f"new{number}"
                assert await eye.after(lambda: write_all(folder, ["one"], "1")) == {f"new{number}/one"}  # noqa: B023
            for number in range(2 * INSTANCES + 2):
                assert await eye.after(lambda: (tmp_path / f"new{number}/one").write_text("22")) == {  # noqa: B023
                    f"new{number}/one"
                }

    asyncio.run(main())


def test_reading_while_files_are_made_loses_none(tmp_path: Path) -> None:
    names = [f"file{number}" for number in range(2000)]
    notifications = Notifications()
    notifications.add([str(tmp_path)])
    writer = Thread(target=write_all, args=(tmp_path, names, "x"))
    writer.start()
    found: set[str] = set()
    while len(found) < len(names):
        found |= {os.path.basename(path) for _, path in notifications.read().changes}
    writer.join()
    notifications.close()
    assert found == set(names)


class Losing(Notifications):
    """A kernel whose queue has overflowed: it reports nothing, and watchfiles does not say so."""

    def read(self) -> Notified:
        return Notified(frozenset(), not super().read().changes)


def test_what_a_lost_notification_would_have_told_is_found_by_comparing(tmp_path: Path) -> None:
    for name in ("written", "removed"):
        (tmp_path / name).write_text("old")

    def act() -> None:
        (tmp_path / "written").write_text("new text")
        (tmp_path / "removed").unlink()
        (tmp_path / "made").write_text("new")

    async def main() -> None:
        async with watching(tmp_path, notifications=Losing()) as eye:
            act()
            expected = {"written", "removed", "made"}
            assert await everything(eye, expected) == expected

    asyncio.run(main())


def test_a_name_that_is_not_utf8_does_not_end_the_watching(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"folder\xff")).mkdir()

    def act() -> None:
        (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
        (tmp_path / "plain").write_text("x")

    async def main() -> None:
        async with watching(tmp_path) as eye:
            for _ in range(2):
                act()
                expected = {os.fsdecode(b"caf\xe9"), "plain"}
                assert await everything(eye, expected) == expected
                for name in expected:
                    (tmp_path / name).unlink()
                assert await everything(eye, expected) == expected

    asyncio.run(main())


def notify_threads() -> set[str]:
    """The threads of watchfiles in this process."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            if (task / "comm").read_text().startswith("notify-rs"):
                found.add(task.name)
        except OSError:
            continue  # it has just ended
    return found


def test_no_thread_and_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    gc.collect()  # what earlier tests have left is not counted

    async def main() -> None:
        threads, descriptors = notify_threads(), len(os.listdir("/proc/self/fd"))
        async with watching(tmp_path, root(tmp_path)) as eye:
            assert await eye.after(lambda: (tmp_path / "one/file").write_text("x")) == {"one/file"}
            assert notify_threads() - threads
        while notify_threads() - threads or len(os.listdir("/proc/self/fd")) > descriptors:
            await asyncio.sleep(0.01)

    asyncio.run(main())
