"""A watch whose connection breaks: asked for again for a while, or for as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from sbxcompose.api import follow, frame_encoding
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.errors import Unreachable

TRIES = 5


class Enough(Exception):
    """Ends what would go on for ever."""


class DeadClient:
    """Does not answer; after some tries the watch is over."""

    local = False

    def __init__(self) -> None:
        self.tries = 0

    def stream(self, method: str, path: str, body: dict[str, Any]) -> Any:
        self.tries += 1
        if self.tries > TRIES:
            raise Enough
        raise Unreachable("no answer")


@pytest.mark.parametrize("patient, tries", [(False, 1), (True, TRIES + 1)])
def test_a_patient_watch_is_asked_for_again_as_long_as_it_takes(
    patient: bool, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("RECONNECT_FOR", -1.0), ("FIRST_PAUSE", 0.0), ("LATER_PAUSE", 0.0)):
        monkeypatch.setattr(follow, name, seconds)
    client = DeadClient()
    told: list[follow.FollowEvent] = []

    async def main() -> None:
        watch = follow.Watch(
            cast(SandboxClient, client), follow.WatchSelection(states=True, logs=None), patient=patient
        )
        async for event in watch.events():
            told.append(event)

    with pytest.raises(Enough if patient else Unreachable):
        asyncio.run(main())
    assert (client.tries, told) == (tries, [follow.Broken("no answer")])


class EndingClient:
    """Ends its first answer before all that is there has been told."""

    local = False

    def __init__(self) -> None:
        self.answers = [b"", frame_encoding.SYNCED]

    @asynccontextmanager
    async def stream(self, method: str, path: str, body: dict[str, Any]) -> AsyncIterator[Any]:
        yield self

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.answers.pop(0)


def test_an_answer_that_ends_too_early_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "FIRST_PAUSE", 0.0)

    async def main() -> list[follow.FollowEvent]:
        client = cast(SandboxClient, EndingClient())
        watch = follow.Watch(client, follow.WatchSelection(states=False, logs="all", follow=False))
        return [event async for event in watch.events()]

    broken, synced = asyncio.run(main())
    assert isinstance(broken, follow.Broken)
    assert isinstance(synced, follow.FollowSynced)
