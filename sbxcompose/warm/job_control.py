"""Job control for who touches the terminal: the kernel's, or in a fork of the server its emulation.

A fork is not in the session of its caller. The kernel would let it read a terminal that a shell has taken back, and
would ignore SIGTSTP. So who reads a terminal or sets its attributes asks here first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Remote(Protocol):
    """The process that stands on the terminal for us."""

    def in_foreground(self) -> bool:
        """Return whether it is in the foreground of its terminal."""

    def stop(self, number: int, *, group: bool) -> bool:
        """Stop it and us until both are continued; False if we can never use the terminal again."""

    def reading(self, begins: bool) -> None:
        """Say that a read of the terminal begins, or is over."""


_remote: Remote | None = None


def use(remote: Remote) -> None:
    """Have a process stand in for this one from now on."""
    global _remote
    _remote = remote
    handle_stops()


def handle_stops() -> None:
    """Have Ctrl-Z stop this command, after a handler of its own was removed; nothing to do but in a fork."""
    if _remote is None:
        return
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        # Ignored by the caller, as under nohup or in a shell without job control: then it stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: _stop(number))


def in_foreground(fd: int) -> bool | None:
    """Return whether we are in a terminal's foreground: reading or changing it from the background stops a process.

    None if it is not our controlling terminal.
    """
    if _remote is not None:
        return _remote.in_foreground() if os.isatty(fd) else None
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return None


def stop(number: int) -> None:
    """Stop this command, by SIGSTOP or a SIGTSTP that it does not handle, until its shell continues it."""
    if _remote is None:
        os.kill(os.getpid(), number)
    else:
        _stop(number)


def before_change(fd: int) -> None:
    """Wait, stopped, until we are in the terminal's foreground and its attributes can be set."""
    _wait(fd, signal.SIGTTOU)


@contextmanager
def reading(fd: int) -> Iterator[None]:
    """Have a read of the terminal, in this block, happen only in the foreground. Raises `OSError` as the read would."""
    if _remote is None or not os.isatty(fd):
        yield
        return
    # Said before the look: a Ctrl-Z between the two would stop us, and `bg` let us read in the background.
    _remote.reading(True)
    try:
        _wait(fd, signal.SIGTTIN)
        yield
    finally:
        _remote.reading(False)


def _wait(fd: int, number: int) -> None:
    while _remote is not None and os.isatty(fd) and not _remote.in_foreground():
        if not _remote.stop(number, group=True):
            # As the kernel does to a process that no shell could continue (an orphaned process group).
            raise OSError(5, "Input/output error")


def _stop(number: int) -> None:
    if _remote is not None:
        _remote.stop(number, group=False)
