"""The answer to a command of `run` at a daemon that need not send keep-alives: whether it is silent, or has stalled.

While nothing comes the command is looked at. A daemon that knows its commands tells that one has ended whose end has
not come; the limit of the connection is for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from sbxcompose.api.http_client import Reply
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.wire_errors import stalled
from sbxcompose.errors import NotFound, Refused
from sbxcompose.tasks import Lookahead

SILENT_RUN = 600.0
"""Seconds for which a command may write nothing, beside those that are fine for every request."""
BEGIN = 90.0
"""Seconds within which the answer has to begin, with the retries of a bad network."""
POLL_AFTER = 20.0
"""Seconds of silence before the command is looked at, and after its end before its answer counts as stalled."""


class SilentRun:
    """Watches one answer; `pid` is to be set as soon as the answer has told it."""

    def __init__(self, command: str, get: Callable[[str], Awaitable[ProcessInfo]]) -> None:
        self._command = command
        self._get = get
        self.pid: int | None = None

    @asynccontextmanager
    async def begin(self, answer: AbstractAsyncContextManager[Reply]) -> AsyncIterator[Reply]:
        """Enter an answer. Raises `Unreachable` if it does not begin within `BEGIN` seconds."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(BEGIN):
                    reply = await stack.enter_async_context(answer)
            except TimeoutError:
                raise stalled(self._command, BEGIN) from None
            yield reply

    async def chunks(self, reply: Reply) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of the body. Raises `Unreachable` if the command has ended, or has not begun, and nothing
        comes for `POLL_AFTER` seconds after that was seen.
        """
        ahead = Lookahead(pieces(reply))
        doomed = False
        try:
            while True:
                try:
                    piece = await ahead.next(POLL_AFTER)
                except TimeoutError:
                    if doomed:
                        raise stalled(self._command, 2 * POLL_AFTER) from None
                    doomed = await self._should_speak()
                    continue
                if piece is None:
                    return
                doomed = False
                yield piece
        finally:
            await ahead.close()

    async def _should_speak(self) -> bool:
        """Return whether something should have come: the command's beginning, or its end."""
        if self.pid is None:
            return True
        try:
            return (await self._get(str(self.pid))).status != "running"
        except (NotFound, Refused):  # a daemon need not list the commands of `run`
            return False


async def pieces(reply: Reply) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a body, however long none comes."""
    async for piece in reply.chunks():
        yield piece
