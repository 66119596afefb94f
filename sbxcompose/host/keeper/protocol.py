"""What keeper and server say to each other, and the frames that carry it over a Unix stream socket.

A frame is a JSON object with the descriptors that belong to it: u32 length of the object and u16 number of
descriptors, big-endian, then the object. Descriptors ride on the frame's first byte (SCM_RIGHTS), so that
they have always arrived when the frame is complete; they are read into a queue from which each frame takes
its own. The channel itself never blocks and knows no event loop: both sides drive it from theirs.
"""

from __future__ import annotations

import errno
import os
import sys

from sbxcompose.light import dumps, loads, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

SERVER_DONE = 10
"""Exit status by which the server tells the keeper to end the host (idle, or asked to stop).
Any other end is a death, after which the keeper starts the server again."""

MAX_FDS = 250
"""Descriptors in one frame: the kernel takes at most 253 in one message (SCM_MAX_FD)."""

HEADER = 6
_READ = 1 << 18
_INT = 4
"""Bytes of a descriptor in a message; by hand, since `array` imports `collections`: 0.3 MiB in the keeper."""
_ANCILLARY = socket.CMSG_SPACE(253 * _INT)

ENV_CONTROL = "SBXCOMPOSE_KEEPER_FD"
ENV_LISTEN = "SBXCOMPOSE_LISTEN_FD"
ENV_TCP = "SBXCOMPOSE_TCP_FD"
ENV_LOCK = "SBXCOMPOSE_LOCK_FD"
ENV_KEEPER_PID = "SBXCOMPOSE_KEEPER_PID"
ENV_KEEPER_ARGV = "SBXCOMPOSE_KEEPER_ARGV"
INHERITANCE = (ENV_CONTROL, ENV_LISTEN, ENV_TCP, ENV_LOCK, ENV_KEEPER_PID, ENV_KEEPER_ARGV)
"""Variables by which a server learns what it inherits."""

ARGV_SEPARATOR = "\x1f"
"""Between the words of `ENV_KEEPER_ARGV`."""

MARKER = "SBXCOMPOSE_UNIT"
"""Variable in the environment of everything that a unit starts: the unit's name."""
BEGUN = ""
"""How a unit is frozen that a keeper had begun to freeze when it died: anything of it may be stopped."""


class KeeperFrame:
    """One message and the descriptors that came with it. Who takes a frame owns its descriptors."""

    __slots__ = ("body", "fds")

    def __init__(self, body: dict[str, Any], fds: list[int]) -> None:
        self.body = body
        self.fds = fds


class Channel:
    """Frames over a non-blocking stream socket, which it owns.

    Descriptors to be sent are duplicated when queued, so the caller may close its own at once.
    """

    __slots__ = ("_fds", "_inbox", "_outbox", "socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._inbox = bytearray()
        self._fds: list[int] = []
        self._outbox: list[tuple[bytearray, list[int]]] = []

    def fileno(self) -> int:
        """Return the socket's descriptor, to watch."""
        return self.socket.fileno()

    def queue(self, body: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Put a frame behind those that wait to be sent; frames without descriptors join the one before them."""
        if len(fds) > MAX_FDS:
            raise ValueError(f"{len(fds)} descriptors in one frame")
        payload = dumps(body)
        frame = len(payload).to_bytes(4, "big") + len(fds).to_bytes(2, "big") + payload
        if self._outbox and not fds:
            self._outbox[-1][0].extend(frame)
            return
        copies: list[int] = []
        try:
            for fd in fds:
                copies.append(os.dup(fd))
        except OSError:
            _close(copies)
            raise
        self._outbox.append((bytearray(frame), copies))

    def flush(self) -> bool:
        """Send what can be sent now; whether nothing is left. Raises `OSError` when its reader is gone."""
        while self._outbox:
            data, fds = self._outbox[0]
            try:
                sent = self._send(data, fds)
            except BlockingIOError:  # nothing was taken: the descriptors stay with the frame
                return False
            _close(fds)  # they went with the first byte
            del data[:sent]
            if not data:
                self._outbox.pop(0)
        return True

    def _send(self, data: bytearray, fds: list[int]) -> int:
        numbers = b"".join(fd.to_bytes(_INT, sys.byteorder) for fd in fds)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)] if fds else []
        return self.socket.sendmsg([data], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[list[KeeperFrame], bool]:
        """Return the frames that have arrived, and whether the stream is still open.

        Raises `OSError` when there was no space for descriptors that came: the channel is of no more use.
        """
        alive = self._read()
        frames: list[KeeperFrame] = []
        start = 0
        while len(self._inbox) - start >= HEADER:
            size = int.from_bytes(self._inbox[start : start + 4], "big")
            count = int.from_bytes(self._inbox[start + 4 : start + HEADER], "big")
            end = start + HEADER + size
            if len(self._inbox) < end:
                break
            body = loads(self._inbox[start + HEADER : end])
            frames.append(KeeperFrame(body, self._fds[:count]))
            del self._fds[:count]
            start = end
        del self._inbox[:start]
        return frames, alive

    def _read(self) -> bool:
        while True:
            try:
                data, rights, flags, _ = self.socket.recvmsg(_READ, _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return True
            except OSError:  # ECONNRESET: it was killed before it had read all that we sent
                return False
            for level, kind, payload in rights:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    # A message that was cut short may end inside a number.
                    whole = range(0, len(payload) // _INT * _INT, _INT)
                    self._fds.extend(int.from_bytes(payload[at : at + _INT], sys.byteorder) for at in whole)
            if flags & socket.MSG_CTRUNC:  # no descriptor may be taken for another one; `close` closes those that came
                raise OSError(errno.EMFILE, "descriptors were lost: too many open files")
            if not data:
                return False
            self._inbox += data

    def close(self) -> None:
        """Close the socket and every descriptor that was not sent or not taken."""
        self.socket.close()
        _close(self._fds)
        for _, fds in self._outbox:
            _close(fds)
        self._outbox.clear()


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
    fds.clear()


def chunked(
    items: Iterable[tuple[dict[str, Any], Sequence[int]]],
) -> list[tuple[list[dict[str, Any]], list[int]]]:
    """Part (object, descriptors) pairs into groups whose descriptors fit into one frame each."""
    # Never none: also nothing has to be answered.
    groups: list[tuple[list[dict[str, Any]], list[int]]] = [([], [])]
    for body, fds in items:
        if len(groups[-1][1]) + len(fds) > MAX_FDS:
            groups.append(([], []))
        groups[-1][0].append(body)
        groups[-1][1].extend(fds)
    return groups
