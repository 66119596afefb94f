"""Single keys while a command shows output: read at once and not echoed, with Ctrl-C and Ctrl-Z as ever.

Only in the foreground of a terminal; whoever puts the command into the background has the terminal as it was.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from sbxcompose.cli.tty import in_foreground

Press = Callable[[str], None]


def has_terminal() -> bool:
    """Return whether keys can be read and what they do is seen."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


class Keys:
    """A context manager inside a running event loop: `press` is called with each key, until the block ends."""

    def __init__(self, press: Press, fd: int = 0) -> None:
        self._press = press
        self._fd = fd
        self._before: list[Any] | None = None
        self._aside = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        # Sent by the shell to whom it puts into the foreground: we have the terminal again, as the shell has left it.
        loop.add_signal_handler(signal.SIGCONT, self._begin)
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCONT)
        self._end()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While inside, the terminal is as it was: a question is asked on it."""
        self._aside = True
        self._end()
        try:
            yield
        finally:
            self._aside = False
            self._begin()

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        if self._before is not None and self._in_foreground():
            self._set(self._before)

    def _begin(self) -> None:
        if self._aside or not self._in_foreground():
            return
        try:
            now = termios.tcgetattr(self._fd)
        except termios.error:
            return
        # Only the first time: after SIGCONT `now` may be the modes that were set here before the stop.
        self._before = self._before or now
        keys = [*now[:3], now[3] & ~(termios.ICANON | termios.ECHO), *now[4:6], list(now[6])]
        keys[6][termios.VMIN], keys[6][termios.VTIME] = 1, 0
        self._set(keys)
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def _set(self, attributes: list[Any]) -> None:
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        except termios.error:
            return  # it has hung up

    def _in_foreground(self) -> bool:
        """Return whether we are in the foreground: from the background, reading or changing the terminal stops us."""
        return in_foreground(self._fd, unknown=False)

    def _read(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._in_foreground():
            loop.remove_reader(self._fd)
            return
        try:
            data = os.read(self._fd, 64)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(self._fd)
        for key in data.decode("utf-8", "replace"):
            self._press(key)
