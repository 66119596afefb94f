"""The fork server: a process with everything imported, a fork of which runs a command in milliseconds.

It has one thread and one timer. Whatever goes wrong ends it: commands then start cold, and the first leaves another.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from sbxcompose.clock import monotonic
from sbxcompose.version import __version__
from sbxcompose.warm import client, files, handover, place, wire

IDLE = 600.0
"""Seconds without a command after which a server ends."""
_END = 1
"""Exit code of a fork that has found that its server has to end."""
_NO_COMMAND = 2
"""Exit code of a fork that ran no command: it was asked about its server, refused, or left without a request."""


class ForkServer:
    """Listens, forks, and tells clients of forks that were killed. `command` is what a fork runs; it returns a code."""

    def __init__(self, listener: socket.socket, command: Callable[[], int], idle: float = IDLE) -> None:
        self._listener: socket.socket | None = listener
        self._path = listener.getsockname().removesuffix(place.UNFINISHED)
        self._identity = _identity(self._path)
        self._command = command
        self._idle = idle
        self._clients: dict[int, socket.socket] = {}
        self._files = files.stamps(files.loaded())
        self._started = self._used = monotonic()
        self._served = 0
        self._wake, self._woken = os.pipe()
        for descriptor in (self._wake, self._woken):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Serve until there is a reason to end, and then until the last fork has ended."""
        # Without a handler nothing is written to the wake-up pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: self._stop_listening())
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        try:
            while self._listener is not None or self._clients:
                self._turn()
        finally:
            self._stop_listening()

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        left = None if self._clients else max(0.0, self._used + self._idle - monotonic())
        ready = {number for number, _ in poll.poll(None if left is None else left * 1000 + 1)}
        if not ready and not self._clients and monotonic() >= self._used + self._idle:
            self._stop_listening()
        if self._wake in ready:
            with suppress(BlockingIOError):
                os.read(self._wake, 4096)
        self._reap()
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept()

    def _stop_listening(self) -> None:
        if self._listener is None:
            return
        with suppress(OSError):
            # `control.end` removes the file at once: by now another server may listen at the path.
            if _identity(self._path) == self._identity:
                os.unlink(self._path)
        self._listener.close()
        self._listener = None

    def _reap(self) -> None:
        while self._clients:
            # Until none is left: several that end together are one SIGCHLD (signal(7)).
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            self._used = monotonic()
            sock = self._clients.pop(pid)
            if os.WIFSIGNALED(status):
                with suppress(OSError):
                    wire.send(sock, wire.KILLED, os.WTERMSIG(status))
            elif os.WEXITSTATUS(status) == _END:
                self._stop_listening()
            elif os.WEXITSTATUS(status) == _NO_COMMAND:
                self._served -= 1
            sock.close()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
            if client.peer(sock)[1] != os.getuid():
                sock.close()
                return
            sock.settimeout(handover.PATIENCE)
            # The server has one thread: of several only the one that forks is in the child, and a lock that another one
            # held stays locked there (fork(2)).
            pid = os.fork()
        except BlockingIOError:
            return  # whoever it was has gone
        except OSError:  # out of descriptors, memory or processes: never worth a wait
            self._stop_listening()
            return
        if pid == 0:
            self._be_fork(sock)
        with suppress(OSError):
            os.utime(self._path)  # which server was used last (`listen.py`)
        self._served += 1
        self._clients[pid] = sock

    # -- in the fork ---------------------------------------------------------------------------------------

    def _be_fork(self, sock: socket.socket) -> NoReturn:
        code = _NO_COMMAND
        try:
            signal.set_wakeup_fd(-1)  # the pipe is shared with the server, which would wake for our signals
            self._close_inherited()
            code = self._serve(sock)
        finally:
            # Not `sys.exit`: what the server would tidy up at its own end is not the fork's to tidy up.
            os._exit(code)

    def _close_inherited(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for other in self._clients.values():
            other.close()
        os.close(self._wake)
        os.close(self._woken)

    def _serve(self, sock: socket.socket) -> int:
        """Do what a client asks for; the exit code of the fork."""
        wire.send(sock, wire.HELLO)
        request, received = wire.receive_request(sock)
        if "ask" in request:
            return self._answer(sock, request["ask"])
        if files.stamps(self._files) != self._files:
            wire.send(sock, wire.COLD)
            return _END
        standing = None
        try:
            if handover.matches(request):
                standing = handover.take_over(sock, request, received)
        except (OSError, handover.Unsuitable):
            standing = None
        if standing is None:
            with suppress(OSError):
                wire.send(sock, wire.COLD)
            return _NO_COMMAND
        if not standing.begin():
            return _NO_COMMAND
        code = self._command()
        handover.close_all()
        with suppress(OSError):  # the client is gone
            standing.end(code)
        return 0

    def _answer(self, sock: socket.socket, question: str) -> int:
        if question == "end":
            wire.send(sock, wire.EXIT)
            return _END
        wire.send_request(sock, self._status(), [])
        return _NO_COMMAND

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getppid(),
            "version": __version__,
            "uptime_secs": round(monotonic() - self._started, 1),
            "commands": self._served,
        }


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
