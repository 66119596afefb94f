"""HTTP/1.1 for the host: h11's protocol on asyncio's transports, calling an ASGI application.

A general server costs twice our whole start-up to import, wakes up ten times a second to look at the clock,
and would listen by itself; this one listens on sockets that the keeper holds, and sets a timer only when
something is to happen.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

import h11

from sbxcompose.host.base import memory
from sbxcompose.host.http.accept import Acceptor
from sbxcompose.host.http.exchange import BODY_AHEAD, Application, AsgiScope, Exchange
from sbxcompose.host.http.request_scope import check_framing, scope_of
from sbxcompose.tasks import TaskOwner

MAX_HEAD = 64 * 1024
"""Bytes that a request's line and headers may have."""
ANSWER_AHEAD = 64 * 1024
"""Bytes of an answer that are held for a client that does not take them: the application waits when there are more."""
LINGER = 2.0
"""Seconds for a client to read an answer that was given before its request's body had come whole."""


class Activity:
    """Counts the requests under way; `idle` is called whenever the last one has ended."""

    def __init__(self, tasks: TaskOwner, idle: Callable[[], None] = lambda: None) -> None:
        self.tasks = tasks
        """Owns the requests under way."""
        self.requests = 0
        self.idle = idle

    def begin(self) -> None:
        """Count a request that has come."""
        self.requests += 1

    def end(self) -> None:
        """Count a request that has been answered, or given up."""
        self.requests -= 1
        if self.requests == 0:
            self.idle()


class Connection(asyncio.Protocol):
    """One client: its requests, one after the other. `trusted`: the socket's file has let it in."""

    def __init__(
        self, application: Application, activity: Activity, *, trusted: bool, acceptor: Acceptor | None = None
    ) -> None:
        self._application = application
        self._activity = activity
        self._trusted = trusted
        self._acceptor = acceptor
        self._scope: AsgiScope = {}
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._writable: asyncio.Future[None] | None = None
        self._lingering = False
        self._skipping: asyncio.TimerHandle | None = None
        self._to_skip = 0
        self._switched = False
        self._lagged = False
        """Whether it has ever not taken what was sent: then memory was needed to hold that."""
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio: a client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(ANSWER_AHEAD)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio: it has gone."""
        self.gone = True
        if self._lagged:
            memory.give_back_soon()
        if self._acceptor is not None:
            self._acceptor.forget(self)
        self._stop_skipping()
        # `drain` may wait for room that will never come: woken here, it raises.
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.disconnected()

    def pause_writing(self) -> None:
        """Asyncio: it does not take what we send."""
        self._lagged = True
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Asyncio: it does again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        """Asyncio: something has come."""
        if self._lingering:
            return
        if self._switched:
            if self._exchange is not None:
                self._exchange.feed(data)
            return
        self._protocol.receive_data(data)
        self._handle()

    def eof_received(self) -> bool:
        """Asyncio: nothing more will come. A client that has gone looks like this: hang up, and learn that it
        has. Another protocol than HTTP may well have an end in one direction alone.
        """
        if self._switched and self._exchange is not None:
            self._exchange.feed(None)
            return True
        return False

    def hang_up(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def _await_request(self) -> None:
        """Limit the time until the next request, unless the client has shown the host's key on this connection."""
        if self._acceptor is not None and not self._scope.get("authenticated"):
            self._acceptor.wait_for(self)

    def _handle(self) -> None:
        """Everything that has come and can be handled now."""
        try:
            while True:
                event = self._protocol.next_event()
                if event is h11.PAUSED:
                    self.pause_reading()  # the next request is here already, and has to wait
                if event is h11.PAUSED or event is h11.NEED_DATA:
                    return
                self._take(event)
                if isinstance(event, h11.ConnectionClosed):
                    return
        except h11.RemoteProtocolError as error:
            self._refuse(error)

    def _take(self, event: object) -> None:
        match event:
            case h11.Request():
                check_framing(event)
                if self._acceptor is not None:
                    self._acceptor.forget(self)
                self._exchange = Exchange(self, event)
                self._activity.begin()
                self._scope = scope_of(event, self._trusted, self._transport)
                self._exchange.start(self._activity.tasks, self._application, self._scope)
            case h11.Data() if self._exchange is not None:
                self._exchange.feed(bytes(event.data))
            case h11.EndOfMessage() if self._exchange is not None:
                self._exchange.feed(None)
            case h11.Data() if self._skipping is not None:
                self._skip(len(event.data))
            case h11.EndOfMessage() if self._skipping is not None:
                self._skipped()
            case h11.ConnectionClosed():
                if self._exchange is None:
                    self._transport.close()
            case _:
                pass

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer what is not HTTP. The application learns that a body is broken off; it may have begun to answer."""
        if self._exchange is not None:
            self._exchange.disconnected()
            if self._protocol.our_state is not h11.SEND_RESPONSE:
                self._transport.close()
                return
        body = json.dumps({"error": f"this is not an HTTP request: {error}", "code": "BAD_REQUEST"}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.send(h11.Response(status_code=error.error_status_hint, headers=headers))
            self.send(h11.Data(data=body))
            self.send(h11.EndOfMessage())
        self._linger()

    def send(self, event: h11.Event) -> None:
        """Put an event on the wire, without a copy of its data."""
        pieces = self._protocol.send_with_data_passthrough(event)
        if pieces and not self.gone:
            self._transport.writelines(pieces)

    def switch(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Answer 101: from now on the connection carries whatever bytes the two sides agree on. Returns what of
        them has come already. Raises `h11.LocalProtocolError` if the client has not asked for that.
        """
        self.send(h11.InformationalResponse(status_code=101, headers=headers))
        self._switched = True
        # h11 pauses after a request for an upgrade, and `_handle` stopped reading at that.
        self._transport.resume_reading()
        return bytes(self._protocol.trailing_data[0])

    def write(self, data: bytes) -> None:
        """Put bytes of another protocol on the wire."""
        if data and not self.gone:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken enough. Raises `OSError` if it has gone.

        Others always get their turn: an answer to a client that takes everything at once, or has gone, would be made
        to its end before anything else is done.
        """
        await (asyncio.sleep(0) if self._writable is None else self._writable)
        if self.gone:
            raise ConnectionResetError("the client has gone")

    def send_continue(self) -> None:
        """Tell a client that waits for it (`Expect: 100-continue`) to send its body."""
        if self._protocol.they_are_waiting_for_100_continue:
            self.send(h11.InformationalResponse(status_code=100, headers=[]))

    def pause_reading(self) -> None:
        """Take no more of the request's body for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""
        self._transport.resume_reading()

    def finished(self, *, whole: bool) -> None:
        """Take note that the application is through with the request; `whole`: its answer is complete."""
        self._exchange = None
        self._activity.end()
        if self.gone or self._lingering:
            return
        if not whole:
            self._transport.abort()
        elif self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
            self._transport.resume_reading()
            self._await_request()
            self._handle()
        elif self._protocol.their_state is h11.SEND_BODY:
            self._begin_skipping()
        else:
            self._transport.close()

    def _begin_skipping(self) -> None:
        """Let the client send the rest of a body that is not wanted: it may have sent it already, and its next request.

        One that has much more to say, or nothing for a while, is hung up on.
        """
        self._to_skip = BODY_AHEAD
        self._skipping = asyncio.get_running_loop().call_later(LINGER, self._linger)
        self._transport.resume_reading()

    def _skip(self, count: int) -> None:
        self._to_skip -= count
        if self._to_skip < 0 and not self._lingering:
            self._linger()

    def _skipped(self) -> None:
        if self._lingering or self._protocol.our_state is not h11.DONE:
            self._transport.close()
            return
        self._stop_skipping()
        self._protocol.start_next_cycle()
        self._await_request()

    def _stop_skipping(self) -> None:
        if self._skipping is not None:
            self._skipping.cancel()
            self._skipping = None

    def _linger(self) -> None:
        # To close with unread input would reset the connection, and the client might never see the answer.
        self._stop_skipping()
        self._lingering = True
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, self._transport.abort)
