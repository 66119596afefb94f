"""Ctrl-C as commands wait for it: every one counts, also one that comes while another is being dealt with."""

from __future__ import annotations

import asyncio
import signal

import pytest

from sbxcompose.cli.async_main import Interrupts
from sbxcompose.errors import Interrupted

TURNS = 20
"""Turns of the event loop after which everything that can happen has happened."""


async def after_a_while(task: asyncio.Task[None]) -> bool:
    """Whether the task has ended by then; it is cancelled if not."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return ended


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


def test_an_interrupt_ends_what_is_guarded() -> None:
    async def main() -> None:
        interrupts = Interrupts()
        task = asyncio.create_task(interrupts.guard(for_ever()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        interrupts.interrupt()
        with pytest.raises(Interrupted):
            await task

    asyncio.run(main())


def test_a_second_interrupt_counts_though_the_first_is_still_being_dealt_with() -> None:
    """As a fast second Ctrl-C: `up` has not yet begun to wait for it when it comes."""

    async def main() -> bool:
        interrupts = Interrupts()

        async def slow_to_end() -> None:
            try:
                await for_ever()
            finally:
                interrupts.interrupt()

        first = asyncio.create_task(interrupts.guard(slow_to_end()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        interrupts.interrupt()
        with pytest.raises(Interrupted):
            await first
        assert interrupts.count == 2
        return await after_a_while(asyncio.create_task(interrupts.guard(for_ever())))

    assert asyncio.run(main())


def test_a_hangup_never_asks_for_a_harder_end() -> None:
    """A closed terminal sends SIGHUP by the kernel and by the shell; systemd sends it right after SIGTERM."""

    async def main() -> None:
        for first in (signal.SIGHUP, signal.SIGTERM):
            interrupts = Interrupts()
            interrupts.interrupt(first)
            interrupts.interrupt(signal.SIGHUP)
            assert interrupts.count == 1
            assert interrupts.hung_up.is_set()
            interrupts.interrupt(signal.SIGINT)
            assert interrupts.count == 2

    asyncio.run(main())


def test_hangups_can_be_ignored_and_ctrl_c_still_counts() -> None:
    async def main() -> None:
        interrupts = Interrupts()
        interrupts.ignore_hangups()
        interrupts.interrupt(signal.SIGHUP)
        assert interrupts.count == 0
        interrupts.interrupt(signal.SIGINT)
        assert interrupts.count == 1

    asyncio.run(main())
