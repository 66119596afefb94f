"""Archives as a sandbox may send them, unpacked into a folder: nothing of them ends up elsewhere."""

from __future__ import annotations

import io
import os
import random
import stat
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sbxcompose.errors import SbxError
from sbxcompose.files.unpack import unpack
from tests.support.archives import HOSTILE, folder, hard, info, link
from tests.unit.files.trees import picture

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away and make devices")


class Box:
    """A folder to unpack into, `here`, in a directory where nothing else may change."""

    def __init__(self, directory: Path) -> None:
        self.around = directory / "around"
        self.here = self.around / "up" / "here"
        self.archive = directory / "tar"
        self.here.parent.mkdir(parents=True)
        (self.around / "secret").write_text("untouched")

    def make(self, *members: tarfile.TarInfo, contents: bytes = b"data", format: int = tarfile.GNU_FORMAT) -> None:
        with tarfile.open(self.archive, "w", format=format, encoding="utf-8", errors="surrogateescape") as tar:
            for member in members:
                member.size = len(contents) if member.isreg() else 0
                tar.addfile(member, io.BytesIO(contents))

    def unpack(self, *members: tarfile.TarInfo, owners: bool = False) -> tuple[int, int]:
        self.make(*members)
        return unpack(str(self.archive), str(self.here), owners=owners)

    def others(self) -> list[str]:
        """What there is besides the folder."""
        inside = f"{self.here}/"
        found = [os.path.join(top, name) for top, *names in os.walk(self.around) for name in names[0] + names[1]]
        return sorted(name for name in found if not name.startswith(inside) and name != str(self.here))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_tree_with_modes_times_links_and_other_names(box: Box) -> None:
    script, closed = info("./bin/run.sh"), folder("./closed")
    script.mode, script.mtime, closed.mode, closed.mtime = 0o751, 1_000_000_000, 0o500, 900_000_000
    members = [
        folder("."),
        folder("./bin"),
        script,
        closed,
        info("closed/in"),
        hard("b", "bin/run.sh"),
        link("l", "bin"),
    ]
    assert box.unpack(*members) == (4, 8)
    run = (box.here / "bin" / "run.sh").stat()
    assert (run.st_mode & 0o7777, run.st_mtime, run.st_nlink) == (0o751, 1_000_000_000, 2)
    assert (box.here / "b").samefile(box.here / "l" / "run.sh")
    assert os.readlink(box.here / "l") == "bin"
    assert ((box.here / "closed").stat().st_mode & 0o777, (box.here / "closed").stat().st_mtime) == (0o500, 900_000_000)
    assert (box.here / "closed" / "in").read_bytes() == b"data"


def test_what_the_system_s_tar_packs_arrives_whole(box: Box, tmp_path: Path) -> None:
    source = tmp_path / "source"
    deep = source / ("d" * 120) / ("é" * 90)
    deep.mkdir(parents=True)
    (deep / os.fsdecode(b"\xff raw")).write_bytes(bytes(range(256)) * 1000)
    os.truncate(deep / os.fsdecode(b"\xff raw"), 1 << 20)
    (deep / "l").symlink_to("../" + "x" * 150)
    (source / "empty").mkdir(mode=0o711)
    (source / "-rf").write_text("")
    for flags in ("-cf", "-cSf"):  # the second writes holes as such
        assert os.spawnlp(os.P_WAIT, "tar", "tar", flags, str(box.archive), "-C", str(source), ".") == 0
        unpack(str(box.archive), str(box.here))
        assert picture(box.here) == picture(source), flags


@pytest.mark.parametrize("what", [what for what in HOSTILE if what != "a name that is no text"])  # cannot be written
def test_a_hostile_archive_changes_nothing_at_all(box: Box, what: str) -> None:
    members = HOSTILE[what]
    box.make(info("harmless"), *members, format=tarfile.PAX_FORMAT)
    before = box.others()
    if what.startswith("a zero byte"):  # cut off where it is not in an extended header
        unpack(str(box.archive), str(box.here))
    else:
        with pytest.raises(SbxError):
            unpack(str(box.archive), str(box.here))
        assert not box.here.exists()
    assert box.others() == before


def test_links_that_are_there_already_are_not_followed(box: Box) -> None:
    box.here.mkdir()
    (box.here / "d").symlink_to("..")
    (box.here / "f").symlink_to("../../secret")
    (box.here / "g").hardlink_to(box.around / "secret")
    box.unpack(info("f"), info("g"))
    assert (box.here / "f").read_bytes() == (box.here / "g").read_bytes() == b"data"
    assert not (box.here / "f").is_symlink()
    for member in (info("d/x"), folder("d"), folder("d/y"), link("d/z", "w")):
        with pytest.raises(
            SbxError, match="a file or a link on this machine is in the place of one of its directories"
        ):
            box.unpack(member)
    assert (box.around / "secret").read_text() == "untouched"
    assert box.others() == [str(box.around / "secret"), str(box.around / "up")]


def test_what_is_there_stays_where_nothing_replaces_it(box: Box) -> None:
    (box.here / "d").mkdir(parents=True, mode=0o700)
    (box.here / "d" / "mine").write_text("mine")
    box.unpack(folder("d"), info("d/new"))
    assert sorted(os.listdir(box.here / "d")) == ["mine", "new"]
    assert (box.here / "d").stat().st_mode & 0o777 == 0o700, "a folder that exists keeps its mode"
    for member in (info("d"), link("d", "x")):
        with pytest.raises(SbxError, match=r"cannot write .*/here/d: a folder on this machine has its name"):
            box.unpack(member)
    assert sorted(os.listdir(box.here)) == ["d"], "no unfinished file is left"


def test_no_bit_gives_more_rights(box: Box) -> None:
    program, shared, free = info("program"), folder("shared"), folder("free")
    program.mode, shared.mode, free.mode = 0o6755, 0o2775, 0o1777
    box.unpack(program, shared, free)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(box.here)}
    assert modes == {"program": 0o755, "shared": 0o775, "free": 0o777}


def test_devices_are_left_out(box: Box) -> None:
    assert box.unpack(info("null", tarfile.CHRTYPE), info("sda", tarfile.BLKTYPE), info("pipe", tarfile.FIFOTYPE)) == (
        0,
        0,
    )
    assert os.listdir(box.here) == []


@root
def test_owners_are_kept_only_if_asked_for(box: Box) -> None:
    def owned() -> list[tarfile.TarInfo]:
        members = [folder("d"), info("d/f"), link("l", "d")]
        for member in members:
            member.uid, member.gid, member.uname = 1234, 2345, "root"
        return members

    def found() -> set[tuple[int, int]]:
        return {(status.st_uid, status.st_gid) for status in map(os.lstat, map(box.here.joinpath, ("d", "d/f", "l")))}

    box.unpack(*owned())
    assert found() == {(0, os.getegid())}
    box.unpack(info("other"), owners=True)
    box.here.rename(box.here.parent / "first")
    box.unpack(*owned(), owners=True)
    assert found() == {(1234, 2345)}


def damage(archive: bytes, how: Callable[[bytearray], None]) -> bytes:
    header = bytearray(archive)
    how(header)
    if header[257:262] == b"ustar":
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


def negative_size(header: bytearray) -> None:
    header[124:136] = b"\xff" * 11 + b"\x00"


def endless_header(header: bytearray) -> None:
    header[156:157] = tarfile.XHDTYPE
    header[124:136] = b"%011o\0" % (1 << 20)


def far_time(header: bytearray) -> None:
    header[136:148] = b"\x80" + b"\x7f" * 11


@pytest.mark.parametrize("how", [negative_size, endless_header], ids=lambda how: str(how.__name__))
def test_a_header_that_would_cost_endless_time_is_refused(box: Box, how: Callable[[bytearray], None]) -> None:
    box.make(info("f"))
    box.archive.write_bytes(damage(box.archive.read_bytes(), how))
    with pytest.raises(SbxError, match="cannot unpack what the sandbox sent: a header that claims"):
        unpack(str(box.archive), str(box.here))


def test_times_that_no_file_system_keeps_are_ignored(box: Box) -> None:
    box.make(info("f"))
    box.archive.write_bytes(damage(box.archive.read_bytes(), far_time))
    assert unpack(str(box.archive), str(box.here)) == (1, 4)


def test_an_incomplete_archive_is_not_a_success(box: Box) -> None:
    box.make(info("a"), info("b"), info("c"))
    whole = box.archive.read_bytes()
    for size in (0, 100, 512, 700, 1024, 1536, 3072):
        box.archive.write_bytes(whole[:size])
        with pytest.raises(SbxError, match="cannot unpack what the sandbox sent"):
            unpack(str(box.archive), str(box.here))
    box.archive.write_bytes(whole[:1030] + b"x" + whole[1031:])  # the second header
    with pytest.raises(SbxError, match="damaged or incomplete"):
        unpack(str(box.archive), str(box.here))
    assert not box.here.exists()


def test_no_damage_of_any_byte_does_more_than_be_refused(box: Box) -> None:
    chance = random.Random(11)
    box.make(folder("d"), info("d/f"), link("l", "d/f"), hard("h", "d/f"), info("x" * 200), format=tarfile.PAX_FORMAT)
    whole = box.archive.read_bytes().rstrip(b"\0") + bytes(1024)
    before = box.others()
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        at = chance.randrange(0, len(broken), 512)
        fixed = (
            damage(bytes(broken[at : at + 512]), lambda header: None)
            if chance.random() < 0.7
            else broken[at : at + 512]
        )
        box.archive.write_bytes(bytes(broken[:at]) + bytes(fixed) + bytes(broken[at + 512 :]))
        with suppress(SbxError):
            unpack(str(box.archive), str(box.here))
        assert box.others() == before
