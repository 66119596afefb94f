"""A sandbox's file system over a connection that breaks: what was lost is asked for again.

Everything that `files.by_hand` asks for may be done twice; its scripts see for themselves what has been done already.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b
from typing import TypeVar

from sbxcompose.api.retries import retried
from sbxcompose.errors import SbxError, Unreachable
from sbxcompose.files.remote import RemoteFiles, RemoteResult, Streamed

T = TypeVar("T")

REMOVE = """p=$1; shift; rm -rf -- "$p" "$p".* || exit
for d; do rmdir -- "$d" 2>/dev/null || exit 0; done"""
CLEAN_UP = 5.0
"""Seconds that it may take to remove what a copy that has failed, or was interrupted, leaves in a sandbox."""
TRIES = 6
PAUSE = 0.2
"""Seconds before the next try; doubled each time."""


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made twice, again while the connection breaks. Raises `Unreachable` in the end."""
    return await retried(call, tries=TRIES, pause=PAUSE)


class PersistentFiles:
    """Remote files over connections that break; `say` is told what stays there.

    A body that can be sent only once is for its sender to send again.
    """

    def __init__(self, remote: RemoteFiles, say: Callable[[str], None] = lambda text: None) -> None:
        self._remote = remote
        self._say = say

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
    async def staged(self, path: str, *, throughout: bool = False, made: Sequence[str] = ()) -> AsyncIterator[None]:
        """Remove what the block puts at a path for a while, and beside it under the same name and a dot, if the block
        fails or is cancelled; `throughout`: also if it succeeds. `made`: folders that it makes, the lowest first; those
        that are empty then are removed, too.
        """
        try:
            yield
        except (asyncio.CancelledError, Unreachable):
            await self._remove_staged(path, made, CLEAN_UP)
            raise
        except BaseException:
            await self._remove_staged(path, made)
            raise
        if throughout:
            await self._remove_staged(path)

    async def _remove_staged(self, path: str, made: Sequence[str] = (), patience: float | None = None) -> None:
        removed = False
        try:
            with suppress(SbxError, TimeoutError):
                async with asyncio.timeout(patience):
                    ran = await self.run(("sh", "-c", REMOVE, "sh", path, *made))
                    removed = ran.code == 0
        finally:  # a second Ctrl-C may have cut it short
            if not removed:
                self._say(f"{path} may be left in the sandbox; the next `cp` to or from there removes it")

    async def remove(self, paths: Sequence[str]) -> None:
        """Remove these, as far as that can be done."""
        with suppress(SbxError):
            await self.run(("rm", "-rf", "--", *paths))


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
