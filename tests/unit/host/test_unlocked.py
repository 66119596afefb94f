"""Files that are made readable for a moment get their modes back, also after a kill."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbxcompose.host.base import trees, unlocked
from sbxcompose.host.base.unlocked import UnlockedFiles
from tests.unit.host.test_trees import as_nobody

READ = stat.S_IRUSR | stat.S_IXUSR


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of a user who is not root, with one that he may not read, and a file in it."""
    monkeypatch.setattr(unlocked, "_directory", None)
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        os.chmod(path, 0o777)
        with as_nobody():
            os.makedirs(f"{path}/from/shut")
            Path(f"{path}/from/shut/file").write_text("x")
            os.chmod(f"{path}/from/shut/file", 0)
            os.chmod(f"{path}/from/shut", 0o200)
            unlocked.keep_in(Path(path, "record"))
            yield Path(path)
            for directory, mode in (("from/shut", 0o700), ("from", 0o700)):
                os.chmod(f"{path}/{directory}", mode)


def unlock(files: UnlockedFiles, *paths: Path) -> None:
    for path in paths:
        files.unlock(str(path), path.lstat(), READ)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def begun(place: Path) -> UnlockedFiles:
    """A copy that has made both readable."""
    files = UnlockedFiles()
    unlock(files, place / "from/shut", place / "from/shut/file")
    assert (mode(place / "from/shut"), mode(place / "from/shut/file")) == (0o700, 0o500)
    return files


def test_who_was_killed_meanwhile_is_succeeded_by_one_who_gives_modes_back(place: Path) -> None:
    begun(place)
    unlocked.keep_in(place / "record")
    assert mode(place / "from/shut") == 0o200
    os.chmod(place / "from/shut", 0o700)
    assert mode(place / "from/shut/file") == 0
    assert os.listdir(place / "record") == []


def test_nothing_is_left_to_be_done_after_the_end(place: Path) -> None:
    files = begun(place)
    assert files.mode(str(place / "from/shut")) == 0o200
    files.close()
    assert (mode(place / "from/shut"), os.listdir(place / "record")) == (0o200, [])


def test_what_was_changed_meanwhile_stays_as_it_is(place: Path) -> None:
    begun(place)
    os.chmod(place / "from/shut", 0o750)
    (place / "from/shut/another").write_text("another")
    os.chmod(place / "from/shut/another", 0o500)
    os.rename(place / "from/shut/another", place / "from/shut/file")
    unlocked.keep_in(place / "record")
    assert (mode(place / "from/shut"), mode(place / "from/shut/file")) == (0o750, 0o500)


def test_a_mode_that_was_given_back_is_not_given_again(place: Path) -> None:
    files = begun(place)
    files.lock(str(place / "from/shut/file"))
    os.chmod(place / "from/shut/file", 0o500)  # by its owner
    unlocked.keep_in(place / "record")
    os.chmod(place / "from/shut", 0o700)
    assert mode(place / "from/shut/file") == 0o500


def test_lines_that_a_kill_has_cut_off_or_that_are_damaged_are_passed_over(place: Path) -> None:
    begun(place)
    (record,) = (place / "record").iterdir()
    whole = record.read_bytes()
    record.write_bytes(b'["/x", [1, 2]]\n7\n[7, [1]]\n["a\\u0000b", [1, 2, 3, 4]]\n' + whole + b'["/tmp", [1, 2')
    unlocked.keep_in(place / "record")
    assert mode(place / "from/shut") == 0o200


def test_nothing_is_made_readable_that_cannot_be_recorded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "from/shut").chmod(0o200)
    monkeypatch.setattr(os, "write", lambda fd, data: len(data) - 1)
    files = UnlockedFiles()
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        unlock(files, place / "from/shut")
    assert mode(place / "from/shut") == 0o200
    files.close()


class NotingLock(trees._Lock):
    """A lock that notes that it is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = threading.Event()
        locks.append(self)

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            self.waited_for.set()
            self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()


locks: list[NotingLock] = []


def test_two_copies_at_once_see_the_modes_that_the_files_have(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one begins while the first one has made everything readable; both threads have the user's rights."""
    second: list[threading.Thread] = []
    copy_data = trees._copy_data

    def begin_another(read: int, write: int, size: int) -> None:
        if not second:
            second.append(threading.Thread(target=trees.copy_tree, args=(f"{place}/from", f"{place}/two")))
            second[0].start()
            assert locks[0].waited_for.wait(60)
        copy_data(read, write, size)

    monkeypatch.setattr(trees, "_Lock", NotingLock)
    monkeypatch.setattr(trees, "_clone", lambda read, write: False)
    monkeypatch.setattr(trees, "_copy_data", begin_another)
    for name in ("one", "two"):
        (place / name).mkdir()
    trees.copy_tree(f"{place}/from", f"{place}/one")
    second[0].join()
    for name in ("one", "two"):
        assert mode(place / name / "shut") == 0o200
        os.chmod(place / name / "shut", 0o700)
        assert mode(place / name / "shut/file") == 0
