"""Network namespaces: made, and entered for a moment by the one thread that asks."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from sbxcompose.light import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

CLONE_NEWNET = 0x4000_0000
# Of the thread: setns(2) and unshare(2) move the one that calls, and /proc/self is the first thread of all.
_OWN = "/proc/thread-self/ns/net"
_IFREQ = "16sh22x"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


class Inside:
    """`with Inside(namespace):` this thread is in another network, given by a descriptor; None is to stay.

    Sockets made and processes started there belong there for good. Raises `OSError` when it may not enter.
    """

    def __init__(self, namespace: int | None) -> None:
        self._namespace = namespace
        self._home = -1

    def __enter__(self) -> None:
        if self._namespace is None:
            return
        self._home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._namespace)
        except OSError:
            os.close(self._home)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._namespace is not None:
            _go_home(self._home)


def make() -> int:
    """Make a network with nothing but a loopback device, which is up, and return its descriptor.

    Raises `OSError`: EPERM without CAP_SYS_ADMIN, ENOSPC when there are too many.
    """
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _call("unshare", CLONE_NEWNET)
    except OSError:
        os.close(home)
        raise
    # A new network begins with its loopback device down. The descriptor is what keeps it when this thread leaves.
    try:
        _raise_loopback()
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        _go_home(home)


def _raise_loopback() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack(_IFREQ, b"lo", 0))
        _, flags = struct.unpack(_IFREQ, answer)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack(_IFREQ, b"lo", flags | _IFF_UP))
    finally:
        sock.close()


def _enter(namespace: int) -> None:
    _call("setns", namespace, CLONE_NEWNET)


def _go_home(home: int) -> None:
    try:
        _enter(home)
    except OSError as error:  # all that we would do from now on would happen in the wrong network
        os.write(2, f"cannot leave a network namespace: {error}\n".encode())
        os.abort()
    os.close(home)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library that Python has only from 3.12 on. Raises `OSError`."""
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
