"""Our terminal while the screen is drawn: textual's driver, without its polling, and whole again after any end."""

from __future__ import annotations

import os
import select
import signal
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TextIO

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

ESCAPE_DELAY = 0.1
"""Seconds after which an ESC is the key of that name, and not the beginning of a sequence."""
SIGNALS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
"""What textual's driver handles, and leaves handled."""


_ASCII = str.maketrans({"─": "-", "…": "~", "·": "|", "↑": "^", "↓": "v", "←": "<", "→": ">"})
"""Our own characters for a terminal that has only ASCII."""


class QuietFile:
    """A file that can be written to although the terminal behind it has been closed: then it drops everything.

    Characters that the terminal does not have are replaced by others of the same width.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        encoding = (file.encoding or "ascii").lower()
        self._encoding = None if encoding.replace("_", "-") in ("utf-8", "utf8") else encoding
        self.fileno = file.fileno
        self.isatty = file.isatty

    def write(self, text: str) -> None:
        """Write, if that is possible."""
        if self._encoding is not None:
            text = text.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)
        with suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(OSError, ValueError):
            self._file.flush()


class TopDriver(LinuxDriver):
    """Waits for keys without a timeout, asks only for clicks and drags of the mouse, and draws on standard output."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        assert sys.__stdout__ is not None
        self._file = QuietFile(sys.__stdout__)  # type: ignore[assignment]
        self._wake = os.pipe()

    @property
    def backlog(self) -> int:
        """How many pieces of frames wait for the terminal."""
        return self._writer_thread._queue.qsize() if self._writer_thread is not None else 0

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1002h\x1b[?1006h")
            self.flush()

    def _disable_mouse_support(self) -> None:
        self.write("\x1b[?1000l\x1b[?1002l\x1b[?1006l")
        self.flush()

    def _query_in_band_window_resize(self) -> None:
        """Don't ask: SIGWINCH tells the size, and mouse positions are in cells."""

    def set_mouse(self, wanted: bool) -> None:
        """Take the mouse, or leave it to the terminal."""
        self._mouse = wanted
        if wanted:
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()

    def disable_input(self) -> None:
        """Stop reading keys, at once."""
        self.exit_event.set()
        os.write(self._wake[1], b"x")
        if self._key_thread is not None:
            self._key_thread.join()
            self._key_thread = None
        os.read(self._wake[0], 64)
        self.exit_event.clear()
        super().disable_input()

    def run_input_thread(self) -> None:
        """Read keys and hand them on until the end; wakes up for nothing else."""
        parser = XTermParser(False)
        decode = getincrementaldecoder("utf-8")("replace").decode
        waiting = False
        while not self.exit_event.is_set():
            try:
                ready, _, _ = select.select([self.fileno, self._wake[0]], [], [], ESCAPE_DELAY if waiting else None)
                data = os.read(self.fileno, 4096) if self.fileno in ready else None
            except OSError:
                return  # the terminal was closed: SIGHUP tells
            if data == b"":
                return
            if data:
                self._hand_on(parser.feed(decode(data)))
            waiting = bool(data)
            if not ready:
                self._hand_on(parser.tick())

    def _hand_on(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)


def restore_signals() -> None:
    """Let signals do what they did before textual's driver took them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
