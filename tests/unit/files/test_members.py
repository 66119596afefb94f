"""What is taken from an archive that came out of a sandbox, and what makes it be refused as a whole."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.errors import SbxError
from sbxcompose.files.members import Contents, check
from tests.support.archives import HOSTILE, folder, hard, info, link
from tests.support.cases import each_case


def taken(contents: Contents) -> dict[str, str]:
    return {member.name: " ".join(filter(None, (member.kind, member.target))) for member in contents.members.values()}


def test_names_are_relative_to_the_folder() -> None:
    archive = [folder("./"), folder("./src/"), info("./src//a"), link("src/b", "./a"), hard("./c", "./src/a")]
    assert taken(check(archive)) == {
        "": "dir",
        "src": "dir",
        "src/a": "file",
        "src/b": "link ./a",
        "c": "hard link src/a",
    }


def test_devices_fifos_and_their_other_names_are_left_out() -> None:
    kinds = (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    archive = [*(info(f"d{number}", kind) for number, kind in enumerate(kinds)), hard("again", "d2"), info("f")]
    contents = check(archive)
    assert taken(contents) == {"f": "file"}
    assert contents.skipped == {"d0", "d1", "d2", "again"}


def test_of_several_members_with_one_name_the_last_counts() -> None:
    archive = [
        link("a", "b"),
        info("a"),
        info("b", tarfile.FIFOTYPE),
        info("b"),
        info("c"),
        info("c", tarfile.FIFOTYPE),
    ]
    assert taken(check(archive)) == {"a": "file", "b": "file"}


def test_another_name_of_a_link_is_a_link_and_of_another_name_the_same_file() -> None:
    archive = [info("f"), hard("g", "f"), hard("h", "g"), hard("f", "f"), link("d/l", "e"), hard("m", "d/l")]
    assert taken(check(archive)) == {
        "g": "hard link f",
        "h": "hard link f",
        "f": "file",
        "d/l": "link e",
        "m": "link e",
    }


@each_case(
    "name, target, kept",
    [
        ("l", "file", "file"),
        ("a/b/l", "../../c/d", "../../c/d"),
        ("a/b/l", "../..", "../.."),
        ("l", "nowhere/at/all", "nowhere/at/all"),
        ("a/l", "b/../c", "c"),
        ("a/b/l", "./../x/./y", "./../x/./y"),
    ],
)
def test_links_that_stay_inside(name: str, target: str, kept: str) -> None:
    assert taken(check([link(name, target)])) == {name: f"link {kept}"}


@each_case("what", HOSTILE)
def test_one_member_that_leads_out_refuses_the_archive(what: str) -> None:
    with pytest.raises(SbxError, match="the sandbox sent"):
        check([info("harmless"), *HOSTILE[what]])


def test_a_refused_link_is_named_with_the_remedy() -> None:
    with pytest.raises(
        SbxError, match=r"a link that leads out of the folder: bin/python -> /usr/bin/python3"
    ) as caught:
        check([link("bin/python", "/usr/bin/python3")])
    assert caught.value.hint == "`-L` copies what links point to instead"


PATHS = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=5).map("/".join)
KINDS = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]


@given(st.lists(st.builds(info, PATHS, st.sampled_from(KINDS), PATHS), max_size=8))
def test_what_is_taken_leads_nowhere_else_through_any_chain_of_links(archive: list[tarfile.TarInfo]) -> None:
    try:
        members = check(archive).members
    except SbxError:
        return
    links = {name: member.target for name, member in members.items() if member.kind == "link"}
    for name in members:
        assert name == "" or not {"", ".", ".."} & set(name.split("/"))
        assert inside(name, links), (name, links)


def inside(name: str, links: dict[str, str]) -> bool:
    """Whether the name, resolved as the kernel does, stays in the folder."""
    done: list[str] = []
    left, followed = name.split("/"), 0
    while left:
        part = left.pop(0)
        if part == "..":
            if not done:
                return False
            done.pop()
        elif part not in ("", "."):
            done.append(part)
            target = links.get("/".join(done))
            if target is not None and (followed := followed + 1) <= 40:
                done.pop()
                left = [*target.split("/"), *left]
    return True


def test_names_from_an_archive_keep_their_bytes() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        tar.addfile(tarfile.TarInfo("a\udcff/é"))
    out.seek(0)
    with tarfile.open(fileobj=out, encoding="utf-8", errors="surrogateescape") as tar:
        [member] = check(tar).members.values()
    assert member.parts == [b"a\xff", "é".encode()]
