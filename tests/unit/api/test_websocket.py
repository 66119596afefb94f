"""A WebSocket over a pipe in memory: messages, control frames, closes, and what breaks the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from sbxcompose.api.websocket import Closed, WebSocket
from tests.support.cases import each_case


class Wire:
    """A pipe whose other end is the test's: what was written, and what is to be read."""

    def __init__(self, *pieces: bytes, more: bool = False) -> None:
        self._pieces = list(pieces)
        self._more = more
        self.written = b""
        self.broken = False

    async def read(self) -> bytes:
        if not self._pieces and self._more:
            await asyncio.Event().wait()
        return self._pieces.pop(0) if self._pieces else b""

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise BrokenPipeError("nobody reads")
        self.written += data


def client() -> FrameProtocol:
    return FrameProtocol(True, [])


def frames(written: bytes) -> list[tuple[int, object]]:
    """What a server has written, as its client sees it."""
    reader = FrameProtocol(True, [])
    reader.receive_bytes(written)
    return [(int(frame.opcode), frame.payload) for frame in reader.received_frames()]


def received(wire: Wire, *, limit: int | None = None) -> tuple[list[bytes], Closed]:
    """All messages up to the end, and the end."""

    async def main() -> tuple[list[bytes], Closed]:
        socket = WebSocket(wire, client=False)
        socket.limit = limit
        messages = []
        while True:
            try:
                messages.append(await socket.receive())
            except Closed as closed:
                return messages, closed

    return asyncio.run(main())


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def test_messages_arrive_whole_however_they_are_cut() -> None:
    peer = client()
    data = bytes(peer.send_data(b"one") + peer.send_data(b"tw", fin=False) + peer.ping(b"!") + peer.send_data(b"o"))
    wire = Wire(*bytewise(data))
    messages, closed = received(wire, limit=100)
    assert messages == [b"one", b"two"]
    assert closed.code == 1006
    assert frames(wire.written) == [(0xA, b"!")]


def test_without_a_limit_pieces_are_handed_out_as_they_come() -> None:
    data = bytes(client().send_data(b"abcdef"))
    assert received(Wire(data[:8], data[8:10], data[10:]))[0] == [b"ab", b"cd", b"ef"]


def test_a_close_tells_code_and_reason_and_is_not_answered_before_we_say_so() -> None:
    wire = Wire(bytes(client().close(1000, "exit:7")))
    closed = received(wire)[1]
    assert (closed.code, closed.reason) == (1000, "exit:7")
    assert wire.written == b""


def test_a_close_without_a_code() -> None:
    assert received(Wire(bytes(client().close())))[1].code == 1005


@each_case(
    "data, code",
    [
        (bytes(client().send_data("text")), 1003),
        (bytes(FrameProtocol(False, []).send_data(b"unmasked")), 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\xc2\x80\0\0\0\0", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
        (bytes(client().send_data(b"x" * 11)), 1009),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0" + b"x" * 20, 1009),
        (b"\x88\x81\0\0\0\0x", 1002),
        (b"\x80\x81\0\0\0\0x", 1002),
    ],
    ids=[
        *("text", "unmasked", "unknown-opcode", "reserved-bit", "cut-ping", "long-ping"),
        *("too-large", "endless", "short-close", "continues-nothing"),
    ],
)
def test_a_peer_that_breaks_the_rules_is_told_why_and_closed(data: bytes, code: int) -> None:
    wire = Wire(data)
    messages, closed = received(wire, limit=10)
    assert messages == []
    assert closed.code == code
    ((opcode, payload),) = frames(wire.written)
    assert opcode == 8
    assert isinstance(payload, tuple)
    assert payload[0] == code


def run(wire: Wire, work: Callable[[WebSocket], Awaitable[object]]) -> object:
    async def main() -> object:
        return await work(WebSocket(wire, client=False))

    return asyncio.run(main())


def test_nothing_is_sent_after_our_close() -> None:
    async def work(socket: WebSocket) -> None:
        await socket.send_close(1001, "session terminated")
        await socket.send_close(1000)
        with pytest.raises(Closed):
            await socket.send(b"late")
        with pytest.raises(Closed):
            await socket.receive()

    wire = Wire(bytes(client().ping(b"?")))
    run(wire, work)
    assert frames(wire.written) == [(8, (1001, "session terminated"))]


def test_finish_waits_for_the_answer_and_passes_over_what_was_on_its_way() -> None:
    peer = client()
    wire = Wire(bytes(peer.send_data(b"on its way")), bytes(peer.close(1000)))
    assert run(wire, lambda socket: socket.finish(1000, "bye")) is True
    assert frames(wire.written) == [(8, (1000, "bye"))]


def test_a_pipe_that_breaks_is_a_close_of_its_own() -> None:
    wire = Wire()
    wire.broken = True

    async def work(socket: WebSocket) -> bool:
        with pytest.raises(Closed, match="1006 nobody reads"):
            await socket.send(b"x")
        return socket.broken

    assert run(wire, work) is True


def test_a_peer_that_does_not_answer_pings_is_gone() -> None:
    wire = Wire(more=True)

    async def work(socket: WebSocket) -> None:
        reading = asyncio.ensure_future(socket.receive())
        await asyncio.sleep(0)
        await socket.keep_alive(0)
        reading.cancel()

    run(wire, work)
    assert frames(wire.written) == [(9, b"")]


def test_the_largest_sizes_of_frames_there_and_back() -> None:
    for size in (125, 126, 65535, 65536, 300_000):
        message = bytes(size)
        wire = Wire(bytes(client().send_data(message)))
        assert received(wire, limit=size)[0] == [message]


@given(st.binary(max_size=300), st.integers(1, 40))
def test_whatever_comes_it_ends_in_a_close(data: bytes, size: int) -> None:
    pieces = [data[index : index + size] for index in range(0, len(data), size)]
    wire = Wire(*pieces)
    messages, closed = received(wire, limit=100)
    assert all(len(message) <= 100 for message in messages)
    assert 1000 <= closed.code < 5000
    assert all(opcode in (8, 0xA) for opcode, _ in frames(wire.written))
