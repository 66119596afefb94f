"""Files that others read meanwhile: replaced as a whole, or added to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import pytest

from sbxcompose.file_writing import append_lines, replace_file


@pytest.mark.parametrize("only_writer", [False, True])
def test_a_file_is_replaced_as_a_whole_and_is_the_users_alone(tmp_path: Path, only_writer: bool) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    path.chmod(0o644)
    replace_file(path, b"after", only_writer=only_writer)
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(path, b"after")
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_added_and_the_older_half_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for number in range(30):
        append_lines(path, b"%04d\n" % number, 100)
    assert path.read_bytes().split() == [b"%04d" % number for number in range(12, 30)]


@pytest.mark.parametrize("removed", [False, True])
def test_no_line_is_added_to_a_file_that_another_command_has_just_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    path = tmp_path / "lines"
    real, others = fcntl.flock, [b"new\n"]

    def lock(file: IO[bytes], operation: int) -> None:
        if others:
            replace_file(path, others.pop())
            if removed:
                path.unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    append_lines(path, b"late\n", 1000)
    assert path.read_bytes() == (b"" if removed else b"new\n") + b"late\n"


def test_the_unfinished_files_of_two_writers_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = tmp_path / "kept", os.rename
    begun: list[str] = []

    def note(unfinished: str, target: Path) -> None:
        begun.append(unfinished)
        rename(unfinished, target)

    monkeypatch.setattr(os, "rename", note)
    for pid in (7, 8):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        replace_file(path, b"x")
    replace_file(path, b"x", only_writer=True)
    assert begun == [f"{path}.7~", f"{path}.8~", f"{path}~"]


def test_what_a_killed_writer_has_left_is_overwritten_and_a_link_is_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "kept", tmp_path / "other"
    (tmp_path / "kept~").write_bytes(b"a longer half")
    replace_file(path, b"whole", only_writer=True)
    assert path.read_bytes() == b"whole"
    other.write_bytes(b"of somebody else")
    (tmp_path / "kept~").symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        replace_file(path, b"again", only_writer=True)
    assert other.read_bytes() == b"of somebody else"
    replace_file(path, b"again", only_writer=True)
    assert path.read_bytes() == b"again"
