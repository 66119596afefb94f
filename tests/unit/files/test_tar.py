"""Our archives, read by somebody else's reader."""

from __future__ import annotations

import io
import tarfile

from sbxcompose.files.tar import END, member, padding
from tests.support.cases import each_case


def read(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data + END), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        return tar.getmembers()


def test_a_file_a_folder_and_a_link() -> None:
    data = member(b"d/", 0o700, mtime=7) + member(b"d/f", 0o755, 3, 9, owner=(5, 6)) + b"abc" + padding(3)
    data += member(b"d/l", 0o777, target=b"../f")
    folder, file, link = read(data)
    assert (folder.name, folder.isdir(), folder.mode, folder.mtime) == ("d", True, 0o700, 7)
    assert (file.name, file.isreg(), file.mode, file.size, file.mtime) == ("d/f", True, 0o755, 3, 9)
    assert (file.uid, file.gid) == (5, 6)
    assert (link.name, link.issym(), link.linkname) == ("d/l", True, "../f")


@each_case("length", [99, 100, 101, 255, 3000])
def test_long_names_and_targets(length: int) -> None:
    name = b"n" * length
    (found,) = read(member(name, 0o777, target=name))
    assert (found.name, found.linkname) == ("n" * length, "n" * length)


def test_names_that_are_not_text() -> None:
    (found,) = read(member(b"a\xff\nb/", 0o755))
    assert found.name == "a\udcff\nb"


@each_case("size", [0, 1, 511, 512, 513])
def test_contents_fill_whole_blocks(size: int) -> None:
    assert (size + len(padding(size))) % 512 == 0


def test_numbers_that_octal_is_too_small_for() -> None:
    large = member(b"large", 0o644, 2**40, -1)
    found = tarfile.TarInfo.frombuf(large, "utf-8", "surrogateescape")
    assert (found.size, found.mtime) == (2**40, 0)
