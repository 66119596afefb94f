"""The watcher on real folders: what editors, tools and people do to files, and what is seen of it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from sbxcompose.watch import watcher as watcher_module
from sbxcompose.watch.notifications import Notifications, NotificationsUnavailable
from tests.live.watch.eye import root, watching


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it looks again and again, it does so more often than it does for people."""
    monkeypatch.setattr(watcher_module, "PAUSE", 0.05)


def vim(path: Path) -> None:
    """As vim with `backup`: a test file, the old one moved away, a new one written, the old one removed."""
    probe = path.parent / "4913"
    probe.touch()
    probe.unlink()
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text("new")
    backup.unlink()


def atomic(path: Path) -> None:
    """As most programs that care: a complete new file takes the old one's name."""
    temporary = path.with_name(f".{path.name}.tmp123")
    temporary.write_text("new")
    temporary.rename(path)


def jetbrains(path: Path) -> None:
    temporary = path.with_name(path.name + "___jb_tmp___")
    old = path.with_name(path.name + "___jb_old___")
    temporary.write_text("new")
    path.rename(old)
    temporary.rename(path)
    old.unlink()


def in_place(path: Path) -> None:
    """As VS Code."""
    path.write_text("new")


@pytest.mark.parametrize("save", [vim, atomic, jetbrains, in_place])
@pytest.mark.parametrize("alone", [False, True], ids=["folder", "file"])
def test_each_editor_saves_one_file_once(tmp_path: Path, save: Callable[[Path], None], alone: bool) -> None:
    path = tmp_path / "app.py"
    path.write_text("old")

    async def main() -> None:
        async with watching(tmp_path, root(path if alone else tmp_path)) as eye:
            for _ in range(3):
                assert await eye.after(lambda: save(path)) == {"app.py"}

    asyncio.run(main())


def test_what_is_ignored_is_not_watched_and_its_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("build/\n*.log\n")
    for name in ("src/deep", "build", "node_modules/x", "src/__pycache__"):
        (tmp_path / name).mkdir(parents=True)
    notifications = Notifications()

    async def main() -> None:
        async with watching(tmp_path, notifications=notifications) as eye:
            for name in ("build/a.js", "node_modules/x/i.js", "src/__pycache__/a.pyc", "src/x.log", ".git/HEAD"):
                (tmp_path / name).write_text("x")
            assert await eye.after(lambda: in_place(tmp_path / "src/deep/a.py")) == {"src/deep/a.py"}
            watched = {os.path.relpath(directory, tmp_path) for directory in notifications.directories}
            assert watched == {"..", ".", "src", "src/deep"}

    asyncio.run(main())


def test_a_changed_gitignore_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "out").mkdir()

    async def main() -> None:
        async with watching(tmp_path) as eye:
            assert await eye.after(lambda: (tmp_path / ".gitignore").write_text("src/\n")) == {".gitignore"}
            assert await eye.after(lambda: in_place(tmp_path / "out/a")) == {"out/a"}

    asyncio.run(main())


def test_a_rule_takes_in_again_what_is_left_out_by_default(tmp_path: Path) -> None:
    (tmp_path / "node_modules").mkdir()

    async def main() -> None:
        async with watching(tmp_path, root(tmp_path, "!node_modules")) as eye:
            assert await eye.after(lambda: in_place(tmp_path / "node_modules/a.js")) == {"node_modules/a.js"}

    asyncio.run(main())


def test_new_folders_are_watched_with_what_is_in_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with watching(tmp_path) as eye:

            def make() -> None:
                (tmp_path / "a/b/c").mkdir(parents=True)
                (tmp_path / "a/b/c/one").write_text("1")

            assert await eye.all_after(make, {"a/b/c/one"}) == {"a/b/c/one"}
            assert await eye.after(lambda: in_place(tmp_path / "a/b/two")) == {"a/b/two"}
            moved = {"a", "z/b/c/one", "z/b/two"}
            assert await eye.all_after(lambda: (tmp_path / "a").rename(tmp_path / "z"), moved) == moved
            assert await eye.after(lambda: in_place(tmp_path / "z/b/c/one")) == {"z/b/c/one"}

    asyncio.run(main())


@pytest.mark.parametrize("poll", [False, True], ids=["notified", "polling"])
def test_a_watched_folder_may_vanish_and_come_back(tmp_path: Path, poll: bool) -> None:
    site = tmp_path / "some" / "site"

    def appear() -> None:
        site.mkdir(parents=True)
        (site / "index.html").write_text("hello")

    async def main() -> None:
        async with watching(tmp_path, root(site), poll=poll) as eye:
            for _ in range(2):
                assert await eye.after(appear) == {"some/site/index.html"}
                assert await eye.after(lambda: in_place(site / "more.html")) == {"some/site/more.html"}
                gone = await eye.after(lambda: shutil.rmtree(tmp_path / "some"))
                assert gone
                assert all(path.startswith("some/site") for path in gone)

    asyncio.run(main())


def test_a_missing_file_is_waited_for_also_if_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "later" / "app.env"

    async def main() -> None:
        async with watching(tmp_path, root(path)) as eye:
            path.parent.mkdir()
            assert await eye.after(path.touch) == {"later/app.env"}
            assert await eye.after(path.unlink) == {"later/app.env"}
            assert await eye.after(lambda: path.symlink_to("/etc/hostname")) == {"later/app.env"}

    asyncio.run(main())


def test_a_symbolic_link_that_is_turned_to_another_release_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.py").write_text(name)
    (tmp_path / "current").symlink_to("one")

    def turn() -> None:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(tmp_path / "current")

    async def main() -> None:
        async with watching(tmp_path, root(tmp_path / "current")) as eye:
            assert await eye.after(lambda: in_place(tmp_path / "one/app.py")) == {"current/app.py"}
            assert await eye.after(turn) == {"current/app.py"}
            assert await eye.after(lambda: in_place(tmp_path / "two/app.py")) == {"current/app.py"}

    asyncio.run(main())


def test_what_is_moved_away_is_no_longer_watched(tmp_path: Path) -> None:
    inside = tmp_path / "project"
    (inside / "old").mkdir(parents=True)

    async def main() -> None:
        async with watching(inside) as eye:
            assert await eye.after(lambda: (inside / "old").rename(tmp_path / "elsewhere")) == {"old"}
            in_place(tmp_path / "elsewhere" / "a")
            assert await eye.after(lambda: in_place(inside / "b")) == {"b"}

    asyncio.run(main())


def test_ten_thousand_changes_are_one_batch(tmp_path: Path) -> None:
    names = [f"d{number % 100}/f{number}" for number in range(10_000)]
    for number in range(100):
        (tmp_path / f"d{number}").mkdir()

    async def main() -> None:
        async with watching(tmp_path) as eye:
            found: set[str] = set()
            await asyncio.to_thread(_write_all, tmp_path, names)
            while len(found) < len(names) and "." not in found:
                found |= await eye.batch()
            assert found <= {".", *names}

    asyncio.run(main())


def _write_all(top: Path, names: Iterable[str]) -> None:
    for name in names:
        (top / name).write_text("x")


class Full(Notifications):
    """A kernel whose limit is soon reached."""

    def add(self, directories: Iterable[str]) -> None:
        new = list(directories)
        if len(self.directories | set(new)) > 3:
            raise NotificationsUnavailable(
                "the limit fs.inotify.max_user_watches is reached; `sudo sysctl x` raises it"
            )
        super().add(new)


def test_where_the_kernel_watches_no_more_it_looks_again_and_says_what_to_set(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()

    async def main() -> list[str]:
        async with watching(tmp_path, notifications=Full()) as eye:
            assert await eye.after(lambda: in_place(tmp_path / "c/x")) == {"c/x"}
            return eye.said

    said = asyncio.run(main())
    assert len(said) == 1
    assert "fs.inotify.max_user_watches is reached; `sudo sysctl x` raises it" in said[0]


def test_the_limit_may_be_reached_later_too(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with watching(tmp_path, notifications=Full()) as eye:
            for name in "abc":
                (tmp_path / name).mkdir()
            assert "." in await eye.batch()
            assert "c/x" in await eye.after(lambda: in_place(tmp_path / "c/x"))
            return eye.said

    assert len(asyncio.run(main())) == 1
