"""What makes a process the host: the lock of the state directory, and the sockets it listens on."""

from __future__ import annotations

import os

from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.hostrecord import HostRecord
from sbxcompose.host.keeper.listen import CannotListen, listen_somewhere
from sbxcompose.host.keeper.log import log
from sbxcompose.host.keeper.options import KeeperOptions
from sbxcompose.light import socket


class HostDescriptors:
    """The descriptors that make this process the host: they outlive it in the server, and the other way round.

    `path` is where the Unix socket is, `identity` which file it was when it was bound.
    """

    def __init__(self, options: KeeperOptions, lock: int, unix: socket.socket, tcp: socket.socket | None) -> None:
        self._options = options
        self.lock = lock
        self.unix = unix
        self.tcp = tcp
        self.path = options.socket
        self.identity: list[int] = []

    @property
    def fds(self) -> tuple[int, ...]:
        """All of them."""
        return (self.lock, *(listener.fileno() for listener in self.listeners))

    @property
    def listeners(self) -> list[socket.socket]:
        """The sockets on which the host listens."""
        return [self.unix] if self.tcp is None else [self.unix, self.tcp]

    @property
    def address(self) -> str | None:
        """The TCP address, `127.0.0.1:port`."""
        return None if self.tcp is None else "{}:{}".format(*self.tcp.getsockname())

    def record(self) -> None:
        """Note in the lock file where the host listens."""
        try:
            HostRecord(os.getpid(), self.path, self.identity, self._options.log).write(self._options.lock, self.lock)
        except OSError as error:
            log(f"cannot write {self._options.lock}: {error}")

    def listen_anew(self) -> bool:
        """Listen at another path if the socket's file is gone, else at the spare one; whether anything changed."""
        there = hostrecord.identity_of(self.path) == self.identity
        lost = hostrecord.read(self._options.lock) is None
        if lost:  # what says where we listen was removed or damaged: that alone is why they cannot reach us
            self.record()
        if there and (lost or self.path == (self._options.spare or self.path)):
            return False
        wanted = [path for path in self._options.sockets if path != self.path or not there]
        try:
            path, unix = listen_somewhere(wanted)
        except CannotListen as error:
            log(f"cannot listen anew: {error}")
            return False
        self._unlink()
        os.dup2(unix.fileno(), self.unix.fileno(), inheritable=False)  # the number is known to servers to come
        unix.close()
        self.path, self.identity = path, hostrecord.identity_of(path)
        self.record()
        return True

    def leave(self) -> None:
        """End the host in good order: remove its socket's file, and what it has noted."""
        self._unlink()
        hostrecord.clear(self._options.lock)

    def _unlink(self) -> None:
        """Remove the socket's file, if it is still the one that we have bound."""
        if self.identity and hostrecord.identity_of(self.path) == self.identity:
            try:
                os.unlink(self.path)
            except OSError as error:
                log(f"cannot remove {self.path}: {error}")
