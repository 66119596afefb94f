"""Reading files of this disk: their digests, remembered from one time to the next, and what changes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec.structs import replace

from sbxcompose.clock import wall_ns
from sbxcompose.errors import SbxError
from sbxcompose.files.manifest import DIGEST_SIZE, ManifestEntry
from sbxcompose.files.scan import FileSignature, ScannedEntry, ScannedTree, signature_of
from sbxcompose.threads import check_cancelled

PIECE = 1024 * 1024
GRANULARITY = 100_000_000
"""Nanoseconds within which a second change to a file may leave its times as they are (a kernel's tick, generously)."""


class Unreadable(SbxError):
    """A file that is to be copied cannot be read."""


class Memory:
    """Digests by absolute path, each good as long as the file's seal is the one it was read under.

    A file that had just been written when it was read is not remembered: it could be written once more without that
    being seen (git calls that racily clean).
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, tuple[FileSignature, bytes]] = {}
        self._changed = False
        if file is not None:
            with suppress(OSError, msgspec.MsgspecError):
                self._known = msgspec.msgpack.decode(file.read_bytes(), type=dict[str, tuple[FileSignature, bytes]])

    def digest(self, found: ScannedEntry) -> bytes:
        """Return what is remembered of a file; empty if nothing is."""
        known = self._known.get(_key(found.path))
        return known[1] if known is not None and known[0] == found.signature else b""

    def learn(self, path: str, signature: FileSignature, digest: bytes) -> None:
        """Take note that a file was read between two looks that found this seal."""
        if max(signature.mtime, signature.ctime) + GRANULARITY < wall_ns():
            self._known[_key(path)] = (signature, digest)
            self._changed = True

    def save(self, tree: ScannedTree) -> None:
        """Keep what is about files of the tree; a memory that cannot be kept does no harm."""
        if self._file is None or not self._changed:
            return
        paths = {_key(file.path) for file in tree.found.values()}
        kept = {path: known for path, known in self._known.items() if path in paths}
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            temporary.write_bytes(msgspec.msgpack.encode(kept))
            temporary.replace(self._file)
            self._changed = False


def _key(path: str) -> str:
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").hex()


def remembered(tree: ScannedTree, memory: Memory) -> dict[str, ManifestEntry]:
    """Return the tree's manifest, with the digests that are remembered; those of other files are empty."""
    manifest = {}
    for name, found in tree.found.items():
        entry = found.entry
        if entry.kind == "file":
            digest = memory.digest(found)
            if digest:
                entry = ManifestEntry("file", entry.mode, entry.size, digest)
        manifest[name] = entry
    return manifest


def read_digests(tree: ScannedTree, names: Iterable[str], memory: Memory, manifest: dict[str, ManifestEntry]) -> None:
    """Read these files and put their digests into the manifest; what has vanished leaves it.

    Raises `Unreadable`. A file that changes while it is read gets the digest of what was read: it is sent, and read
    again on the way.
    """
    for name in names:
        found = tree.found[name]
        try:
            digest, signature, steady = digest_of(found.path)
        except FileNotFoundError:
            manifest.pop(name)
            continue
        if steady:
            memory.learn(found.path, signature, digest)
        manifest[name] = replace(found.entry, size=signature.size, digest=digest)


def digest_of(path: str) -> tuple[bytes, FileSignature, bool]:
    """Return the digest of a file, its seal before it was read, and whether it was the same afterwards."""
    hasher = blake2b(digest_size=DIGEST_SIZE)
    with Opened(path) as file:
        before = signature_of(os.fstat(file.fileno()))
        while piece := file.read(PIECE):
            check_cancelled()
            hasher.update(piece)
        return hasher.digest(), before, signature_of(os.fstat(file.fileno())) == before


class Opened:
    """A file of this disk, opened for reading without following a link in its last part; a context manager.

    Raises `FileNotFoundError` if it has vanished, else `Unreadable`.
    """

    def __init__(self, path: str) -> None:
        try:
            # O_NONBLOCK: what was a file when it was found may be a named pipe by now, whose opening would block.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreadable(
                f"{path} cannot be read: {error.strerror}",
                hint="make it readable, or leave it out with `ignore:` or a `.sbxcomposeignore`",
            ) from error

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def read(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        return os.read(self._descriptor, size)

    def read_all(self, expected: int) -> bytes:
        """Return all of it; more than `expected` bytes are not waited for."""
        # One byte more than expected shows that the file has grown.
        first = os.read(self._descriptor, expected + 1)
        if len(first) == expected:
            return first  # the usual case: there was no more
        pieces = [first]
        while (rest := expected + 1 - sum(map(len, pieces))) > 0 and (piece := os.read(self._descriptor, rest)):
            pieces.append(piece)
        return b"".join(pieces)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
