"""The timer of a backoff: at the moment itself, where asyncio's are one to two milliseconds late."""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.host.base.timer import NEAR, BootTimer, PreciseTimer, Timer
from sbxcompose.linux import syscalls


class _Waits(selectors.EpollSelector):
    """Notes for how long the loop wanted to wait each time; None is until a descriptor can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.asked.append(timeout)
        return super().select(timeout)


def _waits(main: Callable[[], Awaitable[None]]) -> list[float | None]:
    selector = _Waits()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(main())  # type: ignore[arg-type]
    return [asked for asked in selector.asked if asked != 0]


async def _until_due(timer: Timer | PreciseTimer, seconds: float) -> None:
    due = asyncio.Event()
    timer.set(seconds, due.set)
    await due.wait()


def test_near_its_moment_it_waits_for_no_number_of_milliseconds() -> None:
    assert set(_waits(lambda: _until_due(PreciseTimer(), 0.005))) == {None}
    assert None not in _waits(lambda: _until_due(Timer(), 0.005))


def test_longer_ones_need_no_descriptor_until_then() -> None:
    waits = _waits(lambda: _until_due(PreciseTimer(), NEAR + 0.005))
    assert waits[-1] is None
    assert all(asked is not None and asked < NEAR for asked in waits[:-1])


def test_one_that_is_over_already_calls_at_once() -> None:
    _waits(lambda: _until_due(PreciseTimer(), 0.0))


def test_set_anew_or_cancelled_it_keeps_no_descriptor_and_calls_nothing() -> None:
    called: list[str] = []

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        timer = PreciseTimer()
        timer.set(0.0, lambda: called.append("first"))
        await _until_due(timer, 0.001)
        timer.set(0.0, lambda: called.append("second"))
        timer.cancel()
        assert len(os.listdir("/proc/self/fd")) == before
        await _until_due(Timer(), 0.005)

    asyncio.run(main())
    assert called == []


def test_without_a_descriptor_it_calls_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(when: float) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(syscalls, "timer", none_left)
    _waits(lambda: _until_due(PreciseTimer(), 0.005))


def test_where_the_loop_cannot_wait_for_a_descriptor_it_calls_all_the_same_and_keeps_none() -> None:
    class Full(selectors.EpollSelector):
        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            if self.get_map():  # the first is the loop's own
                raise OSError(28, "No space left on device")
            return super().register(fileobj, events, data)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Full())) as runner:
        runner.run(asyncio.sleep(0))
        before = len(os.listdir("/proc/self/fd"))
        runner.run(_until_due(PreciseTimer(), 0.005))
        assert len(os.listdir("/proc/self/fd")) == before


def test_time_for_which_the_machine_sleeps_counts_where_it_should() -> None:
    """A machine cannot be put to sleep by a test: the kernel says by which clock a timer is (proc_pid_fdinfo(5))."""

    async def main() -> None:
        timer = BootTimer()
        timer.set(3600.0, lambda: None)
        (clock,) = [line for fd in os.listdir("/proc/self/fdinfo") for line in _lines_of(fd) if "clockid" in line]
        assert clock.split() == ["clockid:", str(time.CLOCK_BOOTTIME)]
        await _until_due(timer, 0.001)
        assert not timer.is_set
        assert not [line for fd in os.listdir("/proc/self/fdinfo") for line in _lines_of(fd) if "clockid" in line]

    asyncio.run(main())


def test_without_a_descriptor_a_lifetime_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(when: float) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(syscalls, "boot_timer", none_left)
    timer = BootTimer()

    async def main() -> None:
        await _until_due(timer, 0.005)

    asyncio.run(main())
    assert not timer.is_set


def _lines_of(fd: str) -> list[str]:
    try:
        return Path("/proc/self/fdinfo", fd).read_text().splitlines()
    except FileNotFoundError:  # that of the directory itself
        return []
