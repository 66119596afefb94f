"""Files of this disk -> one archive, read and hashed in the same pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from sbxcompose.files.manifest import ManifestEntry, digest_bytes, name_bytes
from sbxcompose.files.read import Memory, Opened
from sbxcompose.files.scan import ScannedEntry, signature_of
from sbxcompose.files.tar import END, member, padding
from sbxcompose.threads import check_cancelled


class Packed(Struct):
    """Members of an archive, and what they are. `unsettled`: changed or vanished while they were read, so left out."""

    stage: str = ""
    pieces: list[bytes] = field(default_factory=list)
    entries: dict[str, ManifestEntry] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)
    singles: dict[str, str] = field(default_factory=dict)
    """Files that are not in the archive but sent by themselves, with their names in the stage."""

    def add(self, name: str, contents: bytes, mode: int = 0o600) -> None:
        """Add a small file of this program."""
        self.pieces += [member(name_bytes(name), mode, len(contents)), contents, padding(len(contents))]

    def finished(self) -> bytes:
        """Return the archive."""
        return b"".join([*self.pieces, END])


def pack(
    prefix: str,
    names: Iterable[str],
    found: Mapping[str, ScannedEntry],
    memory: Memory,
    done: Callable[[int], None] = lambda size: None,
) -> Packed:
    """Pack these entries, folders before what is in them, below `prefix`. Raises `Unreadable`.

    A folder gets a mode that lets things be put into it; `done` is told the size of each file.
    """
    packed = Packed()
    for name in sorted(names):
        check_cancelled()
        file = found[name]
        path = name_bytes(prefix + name)
        match file.entry.kind:
            case "dir":
                packed.pieces.append(
                    member(path + b"/", file.entry.mode | 0o700, 0, file.signature.mtime // 10**9, b"", file.owner)
                )
                packed.entries[name] = file.entry
            case "link":
                target = file.entry.target
                packed.pieces.append(member(path, 0o777, 0, file.signature.mtime // 10**9, target, file.owner))
                packed.entries[name] = file.entry
            case "file":
                _pack_file(packed, name, path, file, memory)
                done(file.entry.size)
    return packed


def _pack_file(packed: Packed, name: str, path: bytes, found: ScannedEntry, memory: Memory) -> None:
    taken = take(found)
    if taken is None:
        packed.unsettled.add(name)
        return
    contents, entry = taken
    memory.learn(found.path, replace(found.signature, size=entry.size), entry.digest)
    header = member(path, entry.mode, entry.size, found.signature.mtime // 10**9, b"", found.owner)
    packed.pieces += (header, contents, padding(entry.size))
    packed.entries[name] = entry


def take(found: ScannedEntry) -> tuple[bytes, ManifestEntry] | None:
    """Return all of a file and its entry; None if it is not the one that was found, or does not hold still."""
    try:
        with Opened(found.path) as file:
            contents = file.read_all(found.entry.size)
            # After reading, to see changes meanwhile, and by descriptor: the name may be another file's by now.
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    if signature_of(status) != found.signature or len(contents) != found.entry.size:
        return None
    return contents, replace(found.entry, digest=digest_bytes(contents))
