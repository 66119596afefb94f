"""Running a command's asynchronous part: Ctrl-C, termination and hang-up arrive as interrupts that it can await."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from sbxcompose.errors import Interrupted
from sbxcompose.plan.waits import WORTH_SHOWING
from sbxcompose.tasks import Tasks

T = TypeVar("T")

CLEAN_UPS = 100
"""Steps of cleaning up, one inside the other, that a second interrupt cuts short at most."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Requests to end, each counted and each heard once. The first asks to end in order, the second to end at once.

    A hang-up is never the second: a shell repeats the kernel's SIGHUP, and systemd sends one right after SIGTERM.
    """

    def __init__(self) -> None:
        self.count = 0
        self.signal = signal.SIGINT
        """The latest signal; SIGINT by default."""
        self.hung_up = asyncio.Event()
        """Set by the first hang-up, also by an ignored one: the terminal is gone."""
        self._hangups_count = True
        self._heard = 0
        self._waiters: list[asyncio.Future[None]] = []

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """One more, by that signal."""
        if number == signal.SIGHUP:
            self.hung_up.set()
            if self.count or not self._hangups_count:
                return
        self.count += 1
        self.signal = number
        for future in self._waiters:
            if not future.done():
                future.set_result(None)

    def ignore_hangups(self) -> None:
        """From now on only Ctrl-C and SIGTERM count: what is under way is stopping everything already."""
        self._hangups_count = False

    async def next(self) -> None:
        """Wait for the next interrupt that has not been consumed; it may have arrived already."""
        while self.count == self._heard:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
            try:
                await future
            finally:
                self._waiters.remove(future)
        self._heard += 1

    async def guard(self, work: Awaitable[T]) -> T:
        """Return the result of `work`; it is cancelled and `Interrupted` raised when an interrupt comes first.

        It may clean up after itself until a second one comes, which is left for the caller to hear of as well.
        """
        async with Tasks() as tasks:
            task = tasks.start(work)
            interrupt = tasks.start(self.next())
            await asyncio.wait({task, interrupt}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                self._heard -= interrupt.done()  # it has not been acted upon: the next one who waits gets it
                return task.result()
            task.cancel()
            second = tasks.start(self.next())
            ended = {task, second}
            if not (await asyncio.wait(ended, timeout=WORTH_SHOWING, return_when=asyncio.FIRST_COMPLETED))[0]:
                _tell_cleaning_up()
                await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            self._heard -= second.done()
            for _ in range(CLEAN_UPS):
                if not second.done() or task.done():
                    break
                task.cancel()
                await asyncio.sleep(0)
            raise Interrupted("interrupted")


def _tell_cleaning_up() -> None:
    import click

    context = click.get_current_context(silent=True)
    if context is not None and context.obj is not None:  # the `Shell`, whose module cannot be imported from here
        with suppress(OSError):  # the terminal is gone
            context.obj.note("cleaning up; press Ctrl-C again to quit at once")


def run_command(main: Callable[[Interrupts], Coroutine[Any, Any, T]]) -> T:
    """Run a command that deals with interrupts itself."""

    async def body() -> T:
        # `entry` imports with collections switched off. Modules live until the end, so no collection need visit them.
        gc.enable()
        gc.freeze()
        interrupts = Interrupts()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # A signal that the caller has ignored stays ignored: `nohup` works like this.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, interrupts.interrupt, number)
        return await main(interrupts)

    return asyncio.run(body())


def run_simply(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command that an interrupt just ends (exit code 130)."""
    return run_command(lambda interrupts: interrupts.guard(main()))
