"""What an archive from a sandbox contains, checked before anything is written; pure.

The archive is not trusted, so no member may end up outside the folder it is unpacked into, whatever its name, its
links and their order are. The rules are our own: the standard library's filter is missing before Python 3.11.4.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from sbxcompose.errors import SbxError

LONGEST = 4096
"""Bytes of a path, as of PATH_MAX: longer ones cost time and cannot be opened by name anyway."""

MemberKind = Literal["dir", "file", "hard link", "link"]


class Member(Struct, frozen=True):
    """A member that will be unpacked. `target`: of a link, its text; of a hard link, the name of the first member."""

    name: str
    kind: MemberKind
    info: tarfile.TarInfo
    target: str = ""

    @property
    def parts(self) -> list[bytes]:
        """The names on the way to it, from the folder it is unpacked into; none for that folder itself."""
        return [part for part in encode(self.name).split(b"/") if part]


class Contents(Struct):
    """The members of an archive by name; of several with one name, the last."""

    members: dict[str, Member] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    """Devices, FIFOs and sockets, which stay in the sandbox."""

    def of(self, *kinds: MemberKind) -> list[Member]:
        """Return the members of these kinds, in the order of the archive."""
        return [member for member in self.members.values() if member.kind in kinds]


def check(infos: Iterable[tarfile.TarInfo]) -> Contents:
    """Check all members of an archive. Raises `SbxError` for the first one that leads out of the folder."""
    contents = Contents()
    for info in infos:
        name = _inside(info.name)
        previous = contents.members.pop(name, None)
        contents.skipped.discard(name)
        if info.isdir():
            contents.members[name] = Member(name, "dir", info)
        elif not name:
            raise _leads_out(info.name)
        elif info.isreg():
            contents.members[name] = Member(name, "file", info)
        elif info.issym():
            contents.members[name] = _link(name, info.linkname, info)
        elif info.islnk():
            linked = _hard_link(name, info, contents, previous)
            if linked is not None:
                contents.members[name] = linked
        else:
            contents.skipped.add(name)
    _check_shape(contents)
    return contents


def encode(text: str) -> bytes:
    """Return the bytes of a name in an archive, as tarfile decodes them."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise _broken(f"the name {text!a} cannot be encoded") from error


def _inside(name: str) -> str:
    """Return the name without what means nothing, relative to the folder; empty for the folder itself."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _leads_out(name)
    if len(encode(name)) > LONGEST:
        raise _broken(f"the name {name[:60]!a}... has more than {LONGEST} bytes")
    return "/".join(parts)


def _link(name: str, target: str, info: tarfile.TarInfo) -> Member:
    """Make a symbolic link, whose target must be inside the folder.

    `..` may come only at its beginning, where it counts from the link's own directory. Behind the name of another link
    it would count from wherever that leads, so it is resolved by text (as `tarfile` does since 3.12).
    """
    if "\0" in target or len(encode(target)) > LONGEST:
        raise _broken(f"the target of the link {name!a} cannot be used")
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    if ".." in parts[up:]:
        target = posixpath.normpath(target)
        up = target.split("/").count("..")
    if not target or target.startswith("/") or up > name.count("/"):
        raise SbxError(
            f"the sandbox sent a link that leads out of the folder: {name} -> {target}",
            hint="`-L` copies what links point to instead",
        )
    return Member(name, "link", info, target)


def _hard_link(name: str, info: tarfile.TarInfo, contents: Contents, previous: Member | None) -> Member | None:
    """Another name of an earlier member of this archive, never of what is on this machine already; None if skipped."""
    first = _inside(info.linkname)
    if first == name:
        return previous
    if first in contents.skipped:
        contents.skipped.add(name)
        return None
    member = contents.members.get(first)
    if member is None or member.kind == "dir":
        raise _broken(f"{name} is a hard link to {info.linkname}, which is not a file before it in the archive")
    if member.kind == "link":
        return _link(name, member.target, info)
    return replace(member, name=name, kind="hard link", target=member.target or first)


def _check_shape(contents: Contents) -> None:
    """Refuse `a/b` where `a` is not a directory, and another name of what became something else than a file."""
    for name, member in contents.members.items():
        first = contents.members.get(member.target) if member.kind == "hard link" else None
        if member.kind == "hard link" and (first is None or first.kind != "file"):
            raise _broken(f"{name} is a hard link to {member.target}, which is not a file")
        above = posixpath.dirname(name)
        while above:
            found = contents.members.get(above)
            if found is not None:
                if found.kind != "dir":
                    raise _broken(f"{name} is below {above}, which is not a directory")
                break  # the directory is a member itself, whose own parents are checked in its turn
            above = posixpath.dirname(above)


def _leads_out(name: str) -> SbxError:
    return SbxError(f"the sandbox sent a name that leads out of the folder: {name!a}")


def _broken(why: str) -> SbxError:
    return SbxError(f"cannot unpack what the sandbox sent: {why}")
