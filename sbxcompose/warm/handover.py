"""The fork's side: become the command that a client has handed over, and answer for it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
import termios
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn

from sbxcompose.warm import circumstances, client, job_control, wire

PATIENCE = 5.0
"""Seconds that a client may take to send its request: one that is late runs its command itself."""
_BY_PYTHON = frozenset((signal.SIGPIPE, signal.SIGXFSZ))
"""Ignored by every Python."""


class Unsuitable(Exception):
    """The client has to run its command itself."""


class ForkClient:
    """The client as the fork sees it: what stands on the terminal."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self._sock = sock
        self._pid = pid
        self._stopping = threading.Lock()

    def in_foreground(self) -> bool:
        """Return whether the client is in the foreground of its terminal."""
        try:
            fields = client.stat_of(self._pid)
        except OSError:
            return False
        group, foreground = fields[2], fields[5]
        return group == foreground

    def stop(self, number: int, *, group: bool) -> bool:
        """Stop the client, which stops us, until both are continued."""
        if not self._stopping.acquire(blocking=False):
            return True  # another thread does
        try:
            wire.send(self._sock, wire.STOP_GROUP if group else wire.STOP, number)
            return wire.receive(self._sock) != (wire.RESUME, 1)
        except OSError:
            return False
        finally:
            self._stopping.release()

    def reading(self, begins: bool) -> None:
        """Say that a read of the terminal begins, or is over."""
        with suppress(OSError):
            wire.send(self._sock, wire.READING, int(begins))

    def end(self, code: int) -> None:
        """Say how the command has ended."""
        with suppress(OSError):
            wire.send(self._sock, wire.EXIT, code & 0xFF)

    def refuse(self) -> None:
        """Have the client run the command itself."""
        with suppress(OSError):
            wire.send(self._sock, wire.COLD)

    def begin(self) -> bool:
        """Say that all is ready; whether the client still wants it."""
        own = os.pidfd_open(os.getpid())
        try:
            wire.send(self._sock, wire.READY, descriptors=[own])
            # For as long as it takes: a client that has heard this relies on us, however late it gets its turn, or
            # is continued. Its end ends the wait.
            self._sock.settimeout(None)
            return wire.receive(self._sock)[0] == wire.GO
        except OSError:
            return False
        finally:
            os.close(own)


def take_over(sock: socket.socket, request: dict[str, Any], received: list[int]) -> ForkClient:
    """Take over all that the client has. Raises `OSError` or `Unsuitable`; the fork is then of no more use."""
    numbers: list[int] = request["descriptors"]
    here, lifeline, *inherited = received
    beyond = max(numbers) + 1
    sock = _lifted(sock, beyond)
    lifeline = _lift(lifeline, beyond)
    os.fchdir(here)
    os.close(here)
    # All are lifted before the first is put in its place: a number that is wanted may be that of one that is still to
    # be moved.
    for number, descriptor in zip(numbers, [_lift(descriptor, beyond) for descriptor in inherited], strict=True):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
    if any(_stops_writers(number) for number in (1, 2)):
        raise Unsuitable
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environ"])
    # The C library has read TZ already, for the server.
    time.tzset()
    sys.argv[:] = request["arguments"]
    _take_dispositions(request["ignored"])
    sys.stdin = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115
    # After the dispositions: only those stop signals are handled that the client does not ignore.
    standing = ForkClient(sock, request["pid"])
    job_control.use(standing)
    _die_with(lifeline)
    return standing


def _lifted(sock: socket.socket, beyond: int) -> socket.socket:
    """Return the socket under a number that the client does not use."""
    lifted = socket.socket(fileno=_lift(sock.detach(), beyond))
    lifted.settimeout(PATIENCE)
    return lifted


def _lift(descriptor: int, beyond: int) -> int:
    number = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, beyond)
    os.close(descriptor)
    return number


def _stops_writers(descriptor: int) -> bool:
    """Return whether a descriptor is a terminal that stops those who write in the background (`stty tostop`)."""
    try:
        return bool(termios.tcgetattr(descriptor)[3] & termios.TOSTOP)
    except termios.error:
        return False


def _take_dispositions(ignored: int) -> None:
    """Ignore the signals that the client does, and no others."""
    for number in range(1, signal.NSIG):
        if number in _BY_PYTHON or number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        wanted: Any = signal.SIG_IGN if ignored >> (number - 1) & 1 else signal.SIG_DFL
        if number == signal.SIGINT and wanted is signal.SIG_DFL:
            wanted = signal.default_int_handler
        with suppress(OSError, ValueError):  # two belong to the C library
            if signal.getsignal(number) is not wanted:
                signal.signal(number, wanted)


def _die_with(lifeline: int) -> None:
    """Have the kernel kill this process when the client, which alone has the other end of this pipe, has ended."""
    # The kernel sends F_SETSIG's signal once the pipe has no writer (fcntl(2)). Unlike PR_SET_PDEATHSIG this needs no
    # parent: the fork's is the server.
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    # If the client ended before this was set up, no signal will come.
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    if poll.poll(0):
        raise Unsuitable


def close_all() -> None:
    """Close what the command had open: who reads its output sees the end of it before the client is gone."""
    for number in (0, 1, 2):
        with suppress(OSError):
            os.close(number)
    sys.stdout = sys.stderr = sys.stdin = None


def exit_at_once() -> NoReturn:
    """End this fork without the interpreter's tidying up, which would touch all its memory."""
    os._exit(0)


def matches(request: dict[str, Any]) -> bool:
    """Return whether client and server have the same circumstances."""
    own, _ = circumstances.own()
    return circumstances.difference(own, request["circumstances"]) is None
