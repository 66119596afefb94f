"""One file of this disk, sent by itself: read and hashed as it goes out, however large it is."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from hashlib import blake2b

from msgspec.structs import replace

from sbxcompose.files.manifest import DIGEST_SIZE, ManifestEntry
from sbxcompose.files.read import PIECE, Memory, Opened
from sbxcompose.files.remote import RemoteFiles, Streamed
from sbxcompose.files.scan import ScannedEntry, signature_of
from sbxcompose.threads import call_in_thread

Take = Callable[[bytes], object]
"""Takes the next piece of something."""


class _Unsteady(Exception):
    """The file became shorter while it was sent."""


async def send(remote: RemoteFiles, path: str, found: ScannedEntry, memory: Memory) -> ManifestEntry | None:
    """Write the file to `path`; its entry, or None if it is not the one that was found, or did not hold still.

    Raises `Unreadable` and what `RemoteFiles.write` does.
    """
    try:
        file = await call_in_thread(Opened, found.path)
    except FileNotFoundError:
        return None
    with file:
        if signature_of(os.fstat(file.fileno())) != found.signature:
            return None
        hasher = blake2b()

        def begin() -> AsyncGenerator[bytes, None]:
            nonlocal hasher
            hasher = blake2b(digest_size=DIGEST_SIZE)
            os.lseek(file.fileno(), 0, os.SEEK_SET)
            return _pieces(file, found.entry.size, hasher)

        try:
            await remote.write(path, Streamed(begin, found.entry.size))
        except _Unsteady:
            return None
        if signature_of(os.fstat(file.fileno())) != found.signature:
            return None
    memory.learn(found.path, found.signature, hasher.digest())
    return replace(found.entry, digest=hasher.digest())


async def _pieces(file: Opened, size: int, hasher: blake2b) -> AsyncGenerator[bytes, None]:
    def read(most: int) -> bytes:
        piece = file.read(most)
        hasher.update(piece)
        return piece

    while size:
        piece = await call_in_thread(read, min(PIECE, size))
        if not piece:
            raise _Unsteady
        size -= len(piece)
        yield piece
