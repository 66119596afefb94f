"""What is made by a request is undone if its caller is interrupted before the answer."""

from __future__ import annotations

import asyncio

import pytest

from sbxcompose.api import undone
from sbxcompose.api.undone import made_or_undone
from sbxcompose.errors import Refused, Unreachable


class Making:
    """A request that is answered when `answer` is set; what was said of it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.answer = asyncio.Event()
        self.error = error
        self.said: list[str] = []

    async def make(self) -> str:
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return "made"

    async def undo(self, made: str) -> None:
        self.said.append(f"undone: {made}")

    async def run(self) -> str:
        return await made_or_undone(
            self.make(),
            self.undo,
            given_up=lambda: self.said.append("given up"),
            lost=lambda: self.said.append("lost"),
        )


def interrupted(times: int, *, answers: bool, error: Exception | None = None) -> list[str]:
    async def main() -> list[str]:
        making = Making(error)
        task = asyncio.ensure_future(making.run())
        await asyncio.sleep(0)
        task.cancel()
        while not making.said:
            await asyncio.sleep(0)
        if times == 2:
            task.cancel()
        if answers:
            making.answer.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return making.said

    return asyncio.run(main())


def test_what_is_answered_in_time_is_handed_on() -> None:
    async def main() -> tuple[str, list[str]]:
        making = Making()
        making.answer.set()
        return await making.run(), making.said

    assert asyncio.run(main()) == ("made", [])


def test_an_answer_that_comes_after_the_interrupt_says_what_to_undo() -> None:
    assert interrupted(1, answers=True) == ["given up", "undone: made"]


def test_where_no_answer_comes_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undone, "LAST_ANSWER", 0.0)
    assert interrupted(1, answers=False) == ["given up", "lost"]
    assert interrupted(1, answers=True, error=Unreachable("cut")) == ["given up", "lost"]


def test_a_second_interrupt_ends_the_wait() -> None:
    assert interrupted(2, answers=False) == ["given up", "lost"]


def test_what_was_refused_need_not_be_undone() -> None:
    assert interrupted(1, answers=True, error=Refused("no", status=400)) == ["given up"]
