"""The way to a cloud: how many requests wait for an answer at a time, and which are made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from sbxcompose.api.addresses import parse_site
from sbxcompose.api.cloud import REQUESTS, CloudChannel
from sbxcompose.api.wire import HttpRequest
from sbxcompose.errors import Unreachable
from tests.support.fake_cloud import FakeReply


class Slow:
    """Answers once it is told to."""

    def __init__(self) -> None:
        self.waiting = 0
        self.answer = asyncio.Event()

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[FakeReply]:
        self.waiting += 1
        try:
            await self.answer.wait()
            yield FakeReply(200, {})
        finally:
            self.waiting -= 1


def test_a_fixed_number_of_requests_wait_for_an_answer_and_a_signal_beside_them() -> None:
    async def main() -> None:
        slow = Slow()
        channel = CloudChannel(parse_site("http://127.0.0.1:1", "the API"), None, {})
        channel._carrier = cast(Any, slow)
        reads = [asyncio.ensure_future(channel.request(HttpRequest("GET", "/x"))) for _ in range(2 * REQUESTS)]
        while slow.waiting < REQUESTS:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert slow.waiting == REQUESTS
        signal = asyncio.ensure_future(channel.request(HttpRequest("POST", "/processes/web/signal", body={})))
        while slow.waiting == REQUESTS:
            await asyncio.sleep(0)
        slow.answer.set()
        assert len(await asyncio.gather(signal, *reads)) == 2 * REQUESTS + 1

    asyncio.run(main())


def test_an_open_stream_takes_no_place_of_a_request() -> None:
    async def main() -> None:
        slow = Slow()
        slow.answer.set()
        channel = CloudChannel(parse_site("http://127.0.0.1:1", "the API"), None, {})
        channel._carrier = cast(Any, slow)
        streams = [channel.stream(HttpRequest("GET", "/follow")) for _ in range(REQUESTS + 1)]
        for stream in streams:
            await stream.__aenter__()
        assert slow.waiting == REQUESTS + 1
        await channel.request(HttpRequest("GET", "/x"))
        for stream in streams:
            await stream.__aexit__(None, None, None)

    asyncio.run(main())


def test_a_request_is_made_again_once_the_other_side_is_not_asleep() -> None:
    happened: list[str] = []

    class Breaking:
        @asynccontextmanager
        async def stream(self, request: HttpRequest) -> AsyncIterator[FakeReply]:
            happened.append("request")
            if happened.count("request") < 3:
                raise Unreachable("broken")
            yield FakeReply(200, {})

    async def asleep() -> bool:
        happened.append("look")
        return happened.count("look") in (1, 2)

    async def main() -> None:
        channel = CloudChannel(parse_site("http://127.0.0.1:1", "the API"), None, {})
        channel._carrier = cast(Any, Breaking())
        assert (await channel.request(HttpRequest("GET", "/x", asleep=asleep))).status == 200

    asyncio.run(main())
    assert happened == ["request", "look", "look", "look", "request", "look", "request"]
