"""Trees copied with all that makes a file what it is, and removed whatever their modes."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sbxcompose.host.base.trees import CopySize, copy_tree, remove_tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    return path


def copied(source: Path) -> Path:
    """A copy of `source` beside it."""
    target = source.parent / "target"
    target.mkdir()
    copy_tree(str(source), str(target))
    return target


def test_files_keep_content_mode_and_times(source: Path) -> None:
    for name, mode in (("plain", 0o644), ("tool", 0o755), ("secret", 0o600), ("shut", 0o400)):
        (source / name).write_text(name)
        os.utime(source / name, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
        (source / name).chmod(mode)
    target = copied(source)
    for name in ("plain", "tool", "secret", "shut"):
        old, new = (source / name).stat(), (target / name).stat()
        assert (target / name).read_text() == name
        assert (new.st_mode, new.st_mtime_ns) == (old.st_mode, old.st_mtime_ns)


def test_directories_are_kept_empty_ones_and_ones_that_forbid_writing(source: Path) -> None:
    (source / "a/b/c").mkdir(parents=True)
    (source / "a/file").write_text("x")
    (source / "a").chmod(0o555)
    target = copied(source)
    assert (target / "a/b/c").is_dir()
    assert (target / "a/file").read_text() == "x"
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o555
    remove_tree(str(target))
    assert not target.exists()


def test_symbolic_links_stay_links_wherever_they_lead(source: Path) -> None:
    for name, to in (("near", "file"), ("away", "/etc/passwd"), ("dangling", "nowhere"), ("up", "..")):
        (source / name).symlink_to(to)
    target = copied(source)
    assert {path.name: os.readlink(path) for path in target.iterdir()} == {
        "near": "file",
        "away": "/etc/passwd",
        "dangling": "nowhere",
        "up": "..",
    }


def test_hard_links_stay_one_file_and_are_counted_once(source: Path) -> None:
    (source / "one").write_text("x" * 1000)
    os.link(source / "one", source / "two")
    target = source.parent / "target"
    target.mkdir()
    assert copy_tree(str(source), str(target)).content == 1000
    assert (target / "one").stat().st_ino == (target / "two").stat().st_ino
    assert (target / "one").stat().st_ino != (source / "one").stat().st_ino


def test_holes_stay_holes(source: Path) -> None:
    with open(source / "sparse", "wb") as file:
        file.seek(50_000_000)
        file.write(b"middle")
        file.truncate(100_000_000)
    target = copied(source)
    found = (target / "sparse").stat()
    assert found.st_size == 100_000_000
    assert found.st_blocks * 512 < 1_000_000
    with open(target / "sparse", "rb") as file:
        file.seek(50_000_000)
        assert file.read(7) == b"middle\0"


def test_odd_names_and_large_files(source: Path) -> None:
    data = os.urandom(3_000_001)
    names = [b"\xff\xfe", "ümläut".encode(), b"new\nline", b" ", b"-rf"]
    for name in names:
        (source / os.fsdecode(name)).write_bytes(data)
    target = copied(source)
    assert sorted(os.listdir(os.fsencode(target))) == sorted(names)
    assert all((target / os.fsdecode(name)).read_bytes() == data for name in names)


def test_pipes_are_made_anew_and_sockets_left_out(source: Path) -> None:
    os.mkfifo(source / "pipe", 0o620)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "sock"))
        target = copied(source)
    assert [path.name for path in target.iterdir()] == ["pipe"]
    assert stat.S_ISFIFO((target / "pipe").stat().st_mode)


def test_the_directory_itself_keeps_its_mode(source: Path) -> None:
    source.chmod(0o750)
    assert stat.S_IMODE(copied(source).stat().st_mode) == 0o750


def test_the_size_is_that_of_the_files(source: Path) -> None:
    (source / "a").write_bytes(b"x" * 5000)
    (source / "d").mkdir()
    (source / "d/b").write_bytes(b"y")
    target = source.parent / "target"
    target.mkdir()
    size = copy_tree(str(source), str(target))
    assert size.content == 5001
    assert size.disk >= 5001
    assert copy_tree(str(target / "d"), str(_empty(source.parent / "more"))) == CopySize(
        1, size.disk - _disk(source / "a")
    )


def _empty(path: Path) -> Path:
    path.mkdir()
    return path


def _disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_what_cannot_be_written_is_reported(source: Path) -> None:
    (source / "a").write_text("x")
    with pytest.raises(OSError, match="nowhere"):
        copy_tree(str(source), str(source.parent / "nowhere"))


def test_to_remove_what_is_not_there_is_fine(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"))


def test_shut_directories_are_removed_by_a_user_who_is_not_root() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        with as_nobody():
            os.makedirs(f"{place}/top/a/b")
            Path(f"{place}/top/a/b/file").write_text("x")
            os.symlink("/", f"{place}/top/a/root")
            for path in ("top/a/b", "top/a", "top"):
                os.chmod(f"{place}/{path}", 0)
            remove_tree(f"{place}/top")
        assert os.listdir(place) == []


def set_attributes(path: str, *names: str) -> None:
    try:
        for name in names:
            os.setxattr(path, name, b"1")
    except OSError as error:
        pytest.skip(f"this file system has no extended attributes: {error}")


def test_what_its_owner_may_not_read_is_copied_with_its_attributes() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        with as_nobody():
            os.makedirs(f"{place}/from/shut")
            os.mkdir(f"{place}/to")
            Path(f"{place}/from/shut/file").write_text("x")
            for path in ("from/shut/file", "from/shut"):
                set_attributes(f"{place}/{path}", "user.note")
                os.chmod(f"{place}/{path}", 0)
            copy_tree(f"{place}/from", f"{place}/to")
            for side in ("from", "to"):
                for path in ("shut", "shut/file"):
                    found = f"{place}/{side}/{path}"
                    assert stat.S_IMODE(os.stat(found).st_mode) == 0
                    os.chmod(found, 0o700)
                    assert os.listxattr(found) == ["user.note"]
                    assert os.getxattr(found, "user.note") == b"1"


def test_an_attribute_that_may_not_be_set_costs_no_other(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "file").write_text("x")
    set_attributes(str(source / "file"), "user.a", "user.b", "user.c")
    real = os.setxattr

    def refuse(path: str, name: str, value: bytes) -> None:
        if name == "user.b":
            raise PermissionError
        real(path, name, value)

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "listxattr", lambda path: ["user.b", "user.a", "user.c"])
    target = copied(source) / "file"
    monkeypatch.undo()
    assert sorted(os.listxattr(target)) == ["user.a", "user.c"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights to every file."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_a_name_that_an_overlay_says_is_removed_stays_removed(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    try:
        os.mknod(tmp_path / "from" / "gone", stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("root is needed to make such an entry")
    copy_tree(str(tmp_path / "from"), str(tmp_path / "to"))
    found = (tmp_path / "to" / "gone").lstat()
    assert stat.S_ISCHR(found.st_mode)
    assert found.st_rdev == 0
