"""A file that is larger than what its server takes in one request: written in parts, which a command joins there.

The contract says nothing of limits (section 4), and has no way to append: servers have refused more than 2 MB. So what
a server takes is found out when it refuses something, and halved until it does not.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress

from sbxcompose.errors import Refused, SbxError, Unreachable
from sbxcompose.files.remote import RemoteResult
from sbxcompose.spec.units import short_size

TOO_LARGE = 413
SMALLEST = 64 * 1024
"""Bytes of a part below which it is not made smaller."""
MAYBE_TOO_LARGE = 1024 * 1024
"""Bytes above which a connection that breaks while they are sent may have been closed because of their number."""
JOINED = 50
"""How many parts a command joins at a time."""
JOIN = 'f=$1; shift; cat -- "$@" >> "$f" && rm -f -- "$@"'
BEGIN = 'f=$1; shift; cat -- "$@" > "$f" && rm -f -- "$@"'

Put = Callable[[str, bytes], Awaitable[None]]
"""Writes a file. Raises `Refused`."""
Run = Callable[[tuple[str, ...]], Awaitable[RemoteResult]]


class BodyLimit:
    """What a server takes in one request, as far as that is known: `bytes`, None if everything was taken so far."""

    def __init__(self) -> None:
        self.bytes: int | None = None

    def allows(self, size: int) -> bool:
        """Return whether a body of that size may be tried."""
        return self.bytes is None or size <= self.bytes

    def doubted(self, size: int, error: Unreachable) -> bool:
        """Take note of a size at which the connection broke; return whether smaller parts are worth a try.

        A server that refuses a body may close the connection before its answer could be read.
        """
        doubted = error.broke and size > MAYBE_TOO_LARGE
        if doubted:
            self.bytes = MAYBE_TOO_LARGE
        return doubted

    def refused(self, path: str, size: int, whole: int, error: Refused) -> None:
        """Take note of a size that was refused. Raises `SbxError` where even small parts are refused."""
        if size <= SMALLEST:
            raise SbxError(
                f"{path} ({short_size(whole)}) cannot be written: the server refuses even {short_size(size)} "
                f"in one request: {error.message}",
                hint="its proxy, or the sandbox's daemon, limits the size of requests",
            ) from error
        self.bytes = max(min(size, self.bytes or size) // 2, SMALLEST)


async def write_in_parts(
    path: str, whole: int, pieces: AsyncIterable[bytes], limit: BodyLimit, put: Put, run: Run
) -> None:
    """Write the file of `whole` bytes in parts that the limit allows. Raises `Refused` and what `pieces` raises."""
    parts = _Parts(path, whole, limit, put, run)
    held = bytearray()
    try:
        async for piece in pieces:
            held += piece
            while limit.bytes is not None and len(held) >= limit.bytes:
                await parts.send(held)
        while held:
            await parts.send(held)
        await parts.join()
    except BaseException:
        await parts.remove()
        raise


class _Parts:
    """The parts of one file; those that were sent and not joined are `waiting`."""

    def __init__(self, path: str, whole: int, limit: BodyLimit, put: Put, run: Run) -> None:
        self._path = path
        self._whole = whole
        self._limit = limit
        self._put = put
        self._run = run
        self._count = 0
        self._waiting: list[str] = []
        self._begun = False

    async def send(self, held: bytearray) -> None:
        """Send the beginning of what is held, and take it away."""
        while True:
            part = bytes(held[: self._limit.bytes])
            name = f"{self._path}.part{self._count}"
            try:
                await self._put(name, part)
                break
            except Refused as error:
                if error.status != TOO_LARGE:
                    raise
                self._limit.refused(self._path, len(part), self._whole, error)
        del held[: len(part)]
        self._count += 1
        self._waiting.append(name)
        if len(self._waiting) == JOINED:
            await self.join()

    async def join(self) -> None:
        """Append the parts that wait to the file."""
        if not self._waiting and self._begun:
            return
        ran = await self._run(("sh", "-c", JOIN if self._begun else BEGIN, "sh", self._path, *self._waiting))
        if ran.code != 0:
            raise SbxError(f"the parts of {self._path} could not be joined: {ran.words.strip() or ran.code}")
        self._begun = True
        self._waiting = []

    async def remove(self) -> None:
        """Remove what is there of the parts, as far as that can be done."""
        names = [f"{self._path}.part{self._count}", *self._waiting]
        with suppress(SbxError):
            await self._run(("rm", "-f", "--", *names))
