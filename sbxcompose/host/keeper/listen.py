"""The host's lock, its Unix socket, and its loopback port if it has one."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from sbxcompose.light import socket
from sbxcompose.linux.listeners import by_whom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BACKLOG = 1024
INSPECT_PAUSE = 0.001
"""Shortest pause in seconds before the lock is tried again while a command inspects it."""


class CannotListen(Exception):
    """A socket or the lock cannot be had; the message is for people. `code` is a word for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def listen_somewhere(paths: Sequence[str]) -> tuple[str, socket.socket]:
    """Bind the first of several paths that can be had; which one. Raises `CannotListen` for the first."""
    first: CannotListen | None = None
    for path in paths:
        try:
            return path, listen_unix(path)
        except CannotListen as error:
            first = first or error
    assert first is not None
    raise first


def take_lock(path: str) -> int | None:
    """Take the lock of a host; its descriptor, or None when another host has it. Raises `CannotListen`.

    Locked is the directory of `path`: a file would be removed by whoever takes it for stale. Where directories cannot
    be locked (NFS), it is the file.
    """
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        taken = _take(directory)
    except OSError:
        os.close(directory)
        return _take_file(path)
    if taken and not is_held(path):
        return directory
    os.close(directory)
    return None


def _take_file(path: str) -> int | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise CannotListen(f"cannot open the lock {path}: {_words(error)}", "LOCK") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise CannotListen(f"{path} is not a regular file; move it away", "LOCK")
    if _take(fd):
        return fd
    os.close(fd)
    return None


def is_held(path: str | os.PathLike[str]) -> bool:
    """Return whether a host has locked this file or directory."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def _take(fd: int) -> bool:
    """Return whether the lock could be taken. Raises `OSError` where there are no locks."""
    while not _locked(fd, fcntl.LOCK_EX):
        # A command that looks whether a host runs shares the lock for a moment; a host never does.
        if not _locked(fd, fcntl.LOCK_SH):
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        time.sleep(INSPECT_PAUSE * (1 + os.urandom(1)[0] / 64))  # not in step with another host that starts
    return True


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def listen_unix(path: str) -> socket.socket:
    """Bind the Unix socket, for its user alone. One without a listener is removed first.

    Raises `CannotListen`, also when another host listens there: that one serves another state directory.
    """
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            if _is_served(path):
                raise CannotListen(f"cannot listen on {path}: another host listens there", "SOCKET")
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CannotListen(f"cannot remove the stale socket {path}: {_words(error)}", "SOCKET") from error
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # By the mask, since a chmod after bind would leave a moment in which others could connect.
    before = os.umask(0o177)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(f"cannot listen on {path}: {_words(error)}", "SOCKET") from error
    finally:
        os.umask(before)
    return sock


def _is_served(path: str) -> bool:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.connect(path)
    except BlockingIOError:
        return True  # its backlog is full
    except OSError:
        return False
    finally:
        sock.close()
    return True


def listen_tcp(port: int) -> socket.socket:
    """Bind a port of 127.0.0.1 (0: any).

    Raises `CannotListen`, which says who has the port where that can be known.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections of the last host may be in TIME_WAIT, for which the port would be refused.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {port} is in use{by_whom(port)}", "PORT_TAKEN") from error
        raise CannotListen(f"cannot listen on port {port}: {_words(error)}", "PORT") from error
    except OverflowError as error:
        sock.close()
        raise CannotListen(f"invalid port {port}", "PORT") from error
    return sock


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
