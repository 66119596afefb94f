"""An answer whose body comes piece by piece, for as long as there is more and the client is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from sbxcompose.tasks import Tasks

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StreamAnswer:
    """An ASGI application that answers 200 with the pieces of `content`.

    When the client has gone, `content` is closed, whether it waits or is being sent: everything it holds is
    free. What the client still sends of its request's body goes to `on_body`. `end` is called in any case, also where
    the client had gone before `content` was begun.
    """

    def __init__(
        self,
        content: AsyncGenerator[bytes, None],
        media_type: str,
        on_body: Callable[[bytes], None] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        end: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.media_type = media_type
        self._headers = {"cache-control": "no-cache", **(headers or {})}
        self._content = content
        self._on_body = on_body
        self._end = end

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request. A HEAD learns that there is an answer, and nothing of it."""
        try:
            async with Tasks() as tasks:
                sending = tasks.start(self._send(send, scope["method"] == "HEAD"))
                listening = tasks.start(self._listen(receive))
                await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    with suppress(OSError):  # the client has gone
                        sending.result()
        finally:
            # Only now that the tasks have ended: a generator that is being run cannot be closed (RuntimeError).
            await self._content.aclose()
            if self._end is not None:
                await self._end()

    async def _send(self, send: Send, head_only: bool) -> None:
        headers = [(b"content-type", self.media_type.encode())]
        headers += [(name.encode(), value.encode()) for name, value in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if not head_only:
            async for piece in self._content:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _listen(self, receive: Receive) -> None:
        """Wait until the client has gone."""
        while (message := await receive())["type"] != "http.disconnect":
            if self._on_body is not None and message.get("body"):
                self._on_body(message["body"])
