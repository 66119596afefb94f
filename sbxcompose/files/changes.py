"""(here, there) -> what to send, what to delete, what only changes its mode; pure.

`there` is what we have put there before: what a sandbox has made itself is in neither, and is never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from sbxcompose.files.manifest import Manifest, ManifestEntry


class PathChanges(Struct, frozen=True):
    """Paths in order. `cleared` have to go before something of another kind takes their place; `deleted` go last.

    `send` has files and links whose contents travel, `directories` those that are made or whose mode is set, `modes`
    files that only change their mode.
    """

    send: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.send, self.directories, self.modes, self.cleared, self.deleted))

    @property
    def touched(self) -> tuple[str, ...]:
        """Return every path whose state is unknown while the change is under way."""
        return (*self.send, *self.directories, *self.modes, *self.cleared, *self.deleted)


def compare(here: Manifest, there: Manifest) -> PathChanges:
    """Return what makes `there` become `here`."""
    send, directories, modes = [], [], []
    for path, entry in sorted(here.items()):
        before = there.get(path)
        if before is not None and same(entry, before):
            continue
        if entry.kind == "dir":
            directories.append(path)
        elif before is not None and same_contents(entry, before):
            modes.append(path)
        else:
            send.append(path)
    gone = [path for path in there if path not in here]
    cleared = set(_in_the_way(here, there))
    deleted = sorted((path for path in gone if path not in cleared), reverse=True)
    return PathChanges(
        tuple(send), tuple(directories), tuple(modes), tuple(sorted(cleared, reverse=True)), tuple(deleted)
    )


def same(one: ManifestEntry, other: ManifestEntry) -> bool:
    """Return whether nothing has to be done."""
    return one == other and one.known


def same_contents(one: ManifestEntry, other: ManifestEntry) -> bool:
    """Return whether two entries of the same kind differ in their mode at most."""
    if one.kind != other.kind or not (one.known and other.known):
        return False
    return (one.size, one.digest, one.target) == (other.size, other.digest, other.target)


def _in_the_way(here: Manifest, there: Manifest) -> Iterator[str]:
    """Yield what was put there and would have to be a directory now, or was one and must not be, with all below it."""
    for path, before in there.items():
        now = here.get(path)
        if now is not None:
            blocked = (now.kind == "dir") != (before.kind == "dir")
        else:
            blocked = any(_blocks(here.get(above)) for above in parents(path))
        if blocked:
            yield path


def _blocks(entry: ManifestEntry | None) -> bool:
    return entry is not None and entry.kind != "dir"


def parents(path: str) -> Iterator[str]:
    """Yield the directories above a path, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def parts(changes: PathChanges, here: Manifest, limit: int) -> list[PathChanges]:
    """Return the same change in pieces of about `limit` bytes, each of which can be carried out and recorded by itself.

    A folder goes with the first thing that is in it, so that what is new is complete, where it can be, before it is
    moved into place. There is always a piece, if only an empty one.
    """
    pieces = list(_pieces(changes, here, limit))
    last = len(pieces) - 1
    return [
        PathChanges(
            send=tuple(path for path in piece if here[path].kind != "dir"),
            directories=tuple(path for path in piece if here[path].kind == "dir"),
            modes=changes.modes if number == last else (),
            cleared=changes.cleared if number == 0 else (),
            deleted=changes.deleted if number == last else (),
        )
        for number, piece in enumerate(pieces)
    ]


def _pieces(changes: PathChanges, here: Manifest, limit: int) -> Iterator[list[str]]:
    piece: list[str] = []
    size = 0
    for path in sorted([*changes.send, *changes.directories], key=lambda path: path.split("/")):
        if piece and size + here[path].size > limit:
            yield piece
            piece, size = [], 0
        piece.append(path)
        size += here[path].size
    yield piece
