"""A sandbox's file system over a connection that breaks: what was lost is asked for again.

Everything that `files.by_hand` asks for may be done twice; its scripts see for themselves what has been done already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from typing import TypeVar

from sbxcompose.api.retries import retried
from sbxcompose.errors import SbxError, Unreachable
from sbxcompose.files.remote import RemoteFiles, RemoteResult, Streamed

T = TypeVar("T")

CLEAN_UP = 5.0
"""Seconds that it may take to remove what a copy that has failed, or was interrupted, leaves in a sandbox."""
TRIES = 6
PAUSE = 0.1
"""Seconds before the next try; doubled each time."""


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made twice, again while the connection breaks. Raises `Unreachable` in the end."""
    return await retried(call, tries=TRIES, pause=PAUSE)


class PersistentFiles:
    """Remote files over connections that break. A body that can be sent only once is for its sender to send again."""

    def __init__(self, remote: RemoteFiles) -> None:
        self._remote = remote

    async def read(self, path: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""
        return await persist(lambda: self._remote.read(path))

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        """Hand a file on, from where it was after a break. Raises `SbxError` if what came before has changed."""
        done = _Taken(take)
        return await persist(lambda: self._remote.fetch(path, done.begin(path)))

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        """Write a file and the folders above it."""
        if isinstance(contents, bytes):
            await persist(lambda: self._remote.write(path, contents))
        else:
            await self._remote.write(path, contents)

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        """Run a command to its end; one that broke off is run once more."""
        return await persist(lambda: self._remote.run(arguments))

    @asynccontextmanager
    async def staged(self, path: str) -> AsyncIterator[None]:
        """Remove what the block puts at a path for a while, and its archive, if the block fails or is cancelled."""
        try:
            yield
        except Unreachable:
            raise  # the sandbox cannot be asked to remove it
        except BaseException:
            await self.remove(path)
            raise

    async def remove(self, path: str) -> None:
        """Remove what is at a path, and the archive beside it, if that can be done at once."""
        with suppress(SbxError, TimeoutError):
            async with asyncio.timeout(CLEAN_UP):
                await self.run(("sh", "-c", 'rm -rf -- "$1" "$1.tar"', "sh", path))


class _Taken:
    """What has been handed on of a file, so that another beginning of it is only compared."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._hash = blake2b()
        self._size = 0

    def begin(self, path: str) -> Callable[[bytes], object]:
        """Return what takes the file from its beginning."""
        left, compared = self._size, blake2b()
        expected = self._hash.digest()

        def take(piece: bytes) -> None:
            nonlocal left
            known, piece = piece[:left], piece[left:]
            if known:
                compared.update(known)
                left -= len(known)
                if not left and compared.digest() != expected:
                    raise SbxError(f"{path} changed while it was copied", hint="try it again")
            if piece:
                self._hash.update(piece)
                self._size += len(piece)
                self._take(piece)

        return take
