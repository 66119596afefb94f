"""The keeper's event loop: epoll, signals, and one deadline. It sleeps until something happens, never to
look.
"""

from __future__ import annotations

import os
import select

from sbxcompose.clock import monotonic
from sbxcompose.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
LONGEST = 86_400.0
"""Seconds; epoll counts milliseconds in 32 bits, and being woken once a day costs nothing."""

_WRITE = select.EPOLLIN | select.EPOLLOUT


class Loop:
    """Calls who waits for a descriptor or for signals."""

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[], None]] = {}
        self._on_signal = on_signal
        self._wakeup, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # A signal that comes just before epoll_wait(2) would not end it; a byte in a pipe does. A full pipe does, too.
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _nothing)
        self.watch(self._wakeup, self._signalled)

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        """Call whenever the descriptor is readable; a pidfd is once its process has ended."""
        self._calls[fd] = call
        self._epoll.register(fd, select.EPOLLIN)

    def watch_writing(self, fd: int, on: bool) -> None:
        """Call when a watched descriptor is writable, too; or no longer."""
        self._epoll.modify(fd, _WRITE if on else select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        """To be called before the descriptor is closed."""
        if self._calls.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def turn(self, deadline: float | None) -> None:
        """Wait for something to happen, until `deadline` (monotonic seconds) at the latest; make the
        calls.
        """
        timeout = -1.0 if deadline is None else min(max(0.0, deadline - monotonic()), LONGEST)
        for fd, _ in self._epoll.poll(timeout):
            call = self._calls.get(fd)  # none if an earlier call of this round has unwatched it
            if call is not None:
                call()

    def _signalled(self) -> None:
        # Each once: one SIGCHLD stands for many ends anyway, see `Units.reap`.
        for number in set(os.read(self._wakeup, 4096)):
            self._on_signal(number)


def _nothing(_number: int, _frame: object) -> None:
    """Do nothing: a handler is needed for the signal to be written to the wake-up pipe."""
