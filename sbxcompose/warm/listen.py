"""Bind the socket of a fork server, and keep the number of servers small."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from sbxcompose.warm import circumstances, control, place

MOST = 4
"""Servers at a time, one for each set of circumstances that commands run in; the least recently used gives way."""


def listen(environ: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the listening socket of these circumstances; None if another server has it, or it cannot be had."""
    if place.is_off(environ):
        return None
    folder = place.directory(environ)
    for path in (os.path.dirname(folder), folder) if place.may_start(environ) else (folder,):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        if not place.is_private(path):
            return None
    path = place.socket_path(folder, circumstances.own()[0])
    if len(os.fsencode(path + place.UNFINISHED)) > place.SOCKET_PATH_LIMIT:
        return None
    with open(f"{folder}/lock", "w", opener=_private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_room(folder, path)
        return _bound(path)


def _bound(path: str) -> socket.socket | None:
    """Return a socket that listens at a path; None if it cannot be had. The caller has the lock."""
    if os.path.lexists(path):
        return None
    unfinished = path + place.UNFINISHED
    with suppress(FileNotFoundError):
        os.unlink(unfinished)  # of a server that was killed here
    listener = socket.socket(socket.AF_UNIX)
    listener.setblocking(False)
    before = os.umask(0o177)
    try:
        listener.bind(unfinished)
        listener.listen(64)
        # Only now under its name: a client that finds the file would be refused before `listen` (connect(2)).
        os.rename(unfinished, path)
    except OSError:
        listener.close()
        return None
    finally:
        os.umask(before)
    return listener


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _make_room(folder: str, path: str) -> None:
    """Remove what a killed server has left, and have the least recently used one end where there are too many."""
    alive = [other for other in control.paths(folder) if control.is_alive(other)]
    if path not in alive:
        for other in alive[: max(0, len(alive) + 1 - MOST)]:
            control.end(other)
