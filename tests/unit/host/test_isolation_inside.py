"""Paths in an isolated sandbox: whatever links there are, they lead nowhere but below its root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbxcompose.host.files import inside
from sbxcompose.linux import syscalls


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """The root directory of a sandbox, beside which there is a secret."""
    if not syscalls.supported():
        pytest.skip("this architecture is not known")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "name").write_text("box")
    fd = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def link(tmp_path: Path, name: str, target: str) -> None:
    os.symlink(target, tmp_path / "root" / name)


def text(root: int, path: bytes) -> str:
    with inside.existing(root, path) as place:
        return Path(os.fsdecode(place.path)).read_text()


@pytest.mark.parametrize("target", ["/etc", "etc", "../../../../etc", "/../etc"])
def test_a_link_is_followed_below_the_root(root: int, tmp_path: Path, target: str) -> None:
    link(tmp_path, "link", target)
    assert text(root, b"/link/name") == "box"


@pytest.mark.parametrize("target", ["{}/secret", "../secret", "../../{}/secret", "/proc/self/cwd"])
def test_no_link_leads_out(root: int, tmp_path: Path, target: str) -> None:
    link(tmp_path, "link", target.format(tmp_path))
    for find in (inside.existing, inside.stat_of):
        with pytest.raises(OSError, match=r"No such file|symbolic links"):
            find(root, b"/link")


def test_what_is_written_is_written_below_the_root(root: int, tmp_path: Path) -> None:
    link(tmp_path, "out", f"{tmp_path}/secret")
    link(tmp_path, "chain", "out")
    with inside.to_write(root, b"/chain") as place:
        Path(os.fsdecode(place.path)).write_text("inside")
    assert (tmp_path / "secret").read_text() == "secret"
    assert Path(f"{tmp_path}/root/{tmp_path}/secret").read_text() == "inside"


def test_missing_directories_are_made_with_the_mode_of_any_other(root: int, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with inside.to_write(root, b"/a/b/c") as place:
            assert place.path.endswith(b"/c")
    finally:
        os.umask(before)
    assert (tmp_path / "root" / "a" / "b").stat().st_mode & 0o777 == 0o755


def test_an_entry_is_the_link_itself(root: int, tmp_path: Path) -> None:
    link(tmp_path, "link", "/etc/name")
    with inside.entry(root, b"/link") as place:
        os.unlink(place.path)
    assert (tmp_path / "root" / "etc" / "name").exists()
    with pytest.raises(IsADirectoryError):
        inside.entry(root, b"/")


def test_links_in_a_cycle_are_an_error(root: int, tmp_path: Path) -> None:
    link(tmp_path, "a", "b")
    link(tmp_path, "b", "a")
    for find in (inside.existing, inside.to_write):
        with pytest.raises(OSError, match="symbolic links"):
            find(root, b"/a")
