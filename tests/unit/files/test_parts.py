"""A file written in parts, at a server that refuses large bodies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sbxcompose.errors import Refused, SbxError, Unreachable
from sbxcompose.files import parts
from sbxcompose.files.parts import BodyLimit, write_in_parts
from sbxcompose.files.remote import RemoteResult

PATH = "/work space/it's"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SMALLEST", 4)


class Server:
    """Takes bodies of up to `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.files: dict[str, bytes] = {}
        self.sizes: list[int] = []

    async def put(self, path: str, data: bytes) -> None:
        self.sizes.append(len(data))
        if len(data) > self.most:
            raise Refused("length limit exceeded", status=413)
        self.files[path] = data

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        if arguments[0] == "rm":
            for name in arguments[3:]:
                self.files.pop(name, None)
            return RemoteResult(0, "")
        script, (path, *names) = arguments[2], arguments[4:]
        before = self.files.get(path, b"") if script == parts.JOIN else b""
        self.files[path] = before + b"".join(self.files.pop(name) for name in names)
        return RemoteResult(0, "")


async def _cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


def write(server: Server, data: bytes, limit: BodyLimit, piece: int = 7) -> dict[str, bytes]:
    asyncio.run(write_in_parts(PATH, len(data), _cut(data, piece), limit, server.put, server.run))
    return server.files


def limit_of(size: int) -> BodyLimit:
    limit = BodyLimit()
    limit.bytes = size
    return limit


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_parts_shrink_until_the_server_takes_them(piece: int) -> None:
    data = bytes(range(200)) * 5
    server, limit = Server(most=30), limit_of(400)
    assert write(server, data, limit, piece) == {PATH: data}
    assert limit.bytes == 25
    assert server.sizes[:5] == [400, 200, 100, 50, 25]
    assert max(server.sizes[5:]) == 25


def test_what_is_known_of_a_server_is_kept_for_the_next_file() -> None:
    server, limit = Server(most=100), limit_of(100)
    write(server, b"x" * 250, limit)
    assert server.sizes == [100, 100, 50]


def test_a_server_that_takes_nothing_is_named_with_size_and_limit() -> None:
    server = Server(most=2)
    with pytest.raises(SbxError, match=r"it's \(2.0 kB\) cannot be written: the server refuses even 4 B .*exceeded"):
        write(server, b"x" * 2000, limit_of(64))
    assert server.files == {}


def test_nothing_is_left_of_what_could_not_be_written() -> None:
    class Failing(Server):
        async def put(self, path: str, data: bytes) -> None:
            await super().put(path, data)
            if len(self.sizes) == 3:
                raise Unreachable("gone")

    server = Failing(most=10)
    with pytest.raises(Unreachable):
        write(server, b"x" * 100, limit_of(10))
    assert server.files == {}


def test_many_parts_are_joined_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "JOINED", 3)
    data = bytes(range(100))
    assert write(Server(most=5), data, limit_of(5)) == {PATH: data}
    assert write(Server(most=50), data[:90], limit_of(30)) == {PATH: data[:90]}, "the last part completes a group"


def test_a_break_while_much_was_sent_may_have_been_a_refusal() -> None:
    broken = Unreachable("does not answer", broke=True)
    limit = BodyLimit()
    assert not limit.doubted(1000, broken)
    assert not limit.doubted(10**7, Unreachable("no route"))
    assert limit.doubted(10**7, broken)
    assert not limit.allows(10**7)
