"""Our own terminal while a remote one has it: raw, and whole again after any end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sbxcompose.warm import job_control

_ON_BY_DEFAULT = frozenset({7, 25})
"""Private modes that a terminal has on: wrapping at the margin, and the cursor."""
_ALTERNATE = frozenset({47, 1047, 1049})
_MODE = re.compile(rb"\x1b(?:\[\?([0-9;]{1,40})([hl])|([=>]))")
_UNFINISHED = re.compile(rb"\x1b(?:\[(?:\?[0-9;]{0,40})?)?$")
_LONGEST = 48


class Modes:
    """Which of a terminal's modes a program has changed and not put back; pure."""

    def __init__(self) -> None:
        self._changed: dict[int, bool] = {}
        self._keypad = False
        self._rest = b""
        self.midline = False
        """Whether the cursor stands behind something on its line, as far as one can tell."""

    def feed(self, data: bytes) -> None:
        """Take note of output, cut anywhere."""
        self.midline = not data.endswith(b"\n") if data else self.midline
        data = self._rest + data
        for found in _MODE.finditer(data):
            if found[3]:
                self._keypad = found[3] == b"="
            else:
                for word in found[1].split(b";"):
                    self._note(word, found[2] == b"h")
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _LONGEST))
        self._rest = unfinished[0] if unfinished else b""

    def _note(self, word: bytes, on: bool) -> None:
        if not word or len(word) > 5:
            return
        mode = int(word)
        if on is (mode in _ON_BY_DEFAULT):
            self._changed.pop(mode, None)
        else:
            self._changed[mode] = on

    def undo(self) -> bytes:
        """Return what puts back all that is still changed; the other screen is left first, so that the rest is seen."""
        order = sorted(self._changed, key=lambda mode: (mode not in _ALTERNATE, mode))
        words = [b"\x1b[?%d%s" % (mode, b"l" if self._changed[mode] else b"h") for mode in order]
        return b"".join([*words, *([b"\x1b>"] if self._keypad else [])])


class LocalTerminal:
    """The terminal at a descriptor, in raw mode between `make_raw` and `restore`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before = termios.tcgetattr(fd)

    def make_raw(self) -> None:
        """Every key goes to who reads, as it is."""
        job_control.before_change(self._fd)
        tty.setraw(self._fd, termios.TCSANOW)

    def restore(self) -> None:
        """As it was before, also from the background, where the kernel would stop us for that."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(termios.error):  # it has hung up
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTTOU})


@contextmanager
def raw(fd: int) -> Iterator[LocalTerminal]:
    """Raw mode while the block runs, however it ends."""
    terminal = LocalTerminal(fd)
    terminal.make_raw()
    try:
        yield terminal
    finally:
        terminal.restore()


def window_size() -> tuple[int, int]:
    """Rows and columns of our terminal; 24 and 80 where there is none."""
    for fd in (1, 0, 2):
        with suppress(OSError):
            size = os.get_terminal_size(fd)
            return size.lines or 24, size.columns or 80
    return 24, 80


def size_of(fd: int) -> tuple[int, int]:
    """Return columns and rows of the terminal at a descriptor; 80 and 24 where that cannot be known."""
    try:
        size = os.get_terminal_size(fd)
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24


def in_foreground(fd: int, *, unknown: bool = True) -> bool:
    """Return whether we are in the foreground of a terminal; `unknown`: the answer if it is not our controlling one.

    In the background reading it or changing its modes would stop us, and what is redrawn is in the shell's way.
    """
    known = job_control.in_foreground(fd)
    return unknown if known is None else known


@contextmanager
def around_stops(before: Callable[[], None], after: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-Z calls `before`, stops this process, and calls `after` once it is continued.

    Needs a running event loop. A process that ignores SIGTSTP continues to do so.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        before()
        loop.remove_signal_handler(signal.SIGTSTP)  # which restores the default, as the shell expects it
        job_control.stop(signal.SIGTSTP)
        loop.add_signal_handler(signal.SIGTSTP, stop)
        after()

    handled = signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN
    if handled:
        loop.add_signal_handler(signal.SIGTSTP, stop)
    try:
        yield
    finally:
        if handled:
            loop.remove_signal_handler(signal.SIGTSTP)
            # The default is not enough in a fork of the server: the kernel ignores SIGTSTP there.
            job_control.handle_stops()
