"""What is ended because no client comes: not because this process did not get its turn."""

from __future__ import annotations

import asyncio

import pytest

from sbxcompose.host.base import absence
from sbxcompose.host.base.absence import IdleTimer


def block(seconds: float) -> None:
    """Let nothing else of this process have its turn."""
    clock = asyncio.get_running_loop().time
    over = clock() + seconds
    while clock() < over:
        pass


def test_a_client_that_comes_while_the_process_has_no_turn_is_not_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "LATE_AFTER", 0.01)

    async def check() -> list[str]:
        happened: list[str] = []
        over = asyncio.Event()
        timer = IdleTimer(0.001, lambda: happened.append("ended"))

        def come() -> None:
            happened.append("come")
            timer.cancel()
            over.set()

        block(0.02)
        # A client that has come is noticed in the next turn of the loop, when the timer is due as well.
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(come))
        await over.wait()
        return happened

    assert asyncio.run(check()) == ["come"]


def test_without_a_client_it_is_called_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absence, "LATE_AFTER", 0.01)

    async def check() -> None:
        over = asyncio.Event()
        IdleTimer(0.001, over.set)
        block(0.02)
        await over.wait()

    asyncio.run(check())
