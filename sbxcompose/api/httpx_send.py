"""Requests given to httpx so that they can be cancelled at any moment without losing a connection.

Cancelled during a TLS handshake, httpcore (1.0.9) drops the socket unclosed; cancelled after connecting and before the
first byte is sent, it keeps the connection in its pool, unused. So a request runs in a task of its own. One that is
given up is cancelled in the steps in which httpcore closes the connection; in others it ends at the next step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbxcompose.tasks import TaskOwner

if TYPE_CHECKING:
    import httpx

_CANCELLABLE = frozenset({"connect_tcp", "send_request_headers", "send_request_body", "receive_response_headers"})
"""The steps in which httpcore closes its connection when it is cancelled."""


class HttpxSend:
    """One request: `response` waits for the head of its answer, and gives it up when it is cancelled."""

    def __init__(self, client: httpx.AsyncClient, request: httpx.Request, owner: TaskOwner) -> None:
        request.extensions["trace"] = self._trace
        self._owner = owner
        self._given_up = False
        self._cancellable = False
        self._connected: Any = None
        """The connection below a TLS handshake, while there is one."""
        self._task: asyncio.Task[Any] = owner.start(self._send(client, request))

    async def response(self) -> httpx.Response:
        """Return the answer, whose body is not read yet. Raises as `httpx.AsyncClient.send`."""
        try:
            answer: httpx.Response = await asyncio.shield(self._task)
            return answer
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """End the request soon, for its caller waits no longer."""
        self._given_up = True
        if self._task.done():
            # Answered just as the caller was cancelled: an answer that is never read or closed keeps its connection.
            if not self._task.cancelled() and self._task.exception() is None:
                self._owner.start(self._task.result().aclose())
        elif self._cancellable:
            self._task.cancel()
        elif self._connected is not None:
            self._owner.start(self._connected.aclose())  # the handshake fails

    async def _send(self, client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
        answer = await client.send(request, stream=True)
        if self._given_up:
            await answer.aclose()
        return answer

    async def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Note how far httpcore has come (its extension `trace`: `connection.connect_tcp.started` and the like)."""
        _, step, state = name.split(".")
        self._cancellable = step in _CANCELLABLE and state == "started"
        if step == "connect_tcp" and state == "complete":
            self._connected = info["return_value"]
        elif step == "start_tls" and state != "started":
            self._connected = None
        if self._given_up and self._cancellable:
            raise asyncio.CancelledError
        if self._given_up and state == "complete" and step in ("connect_tcp", "start_tls"):
            await info["return_value"].aclose()
            raise asyncio.CancelledError
