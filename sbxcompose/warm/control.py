"""The fork servers of a user, from outside: asked how they are, ended."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sbxcompose.warm import client, place, wire

PATIENCE = 2.0
"""Seconds that a server may take to answer."""


def paths(folder: str) -> list[str]:
    """Return the sockets in a directory, the least recently used first."""
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(place.SUFFIX)]
        return [entry.path for entry in sorted(found, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)]
    except OSError:
        return []


def all_status(environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """Return what each server says of itself (pid, version, uptime_secs, commands)."""
    found = []
    for path in _own_paths(environ):
        with suppress(OSError, ValueError), _asked(path, "status") as sock:
            found.append(wire.receive_request(sock)[0])
    return found


def end_all(environ: Mapping[str, str] = os.environ) -> int:
    """Have all servers end, once the commands that they run have ended; how many there were.

    Those in a directory that `SBXCOMPOSE_WARM` names are left alone.
    """
    if not place.may_start(environ):
        return 0
    return sum(end(path) for path in _own_paths(environ))


def end(path: str) -> bool:
    """Have a server end; whether there was one. Remove a socket that nothing listens at."""
    try:
        with _asked(path, "end") as sock:
            wire.receive(sock)
            with suppress(OSError):
                os.unlink(path)  # at once, and also if it is stopped
            return True
    except ConnectionRefusedError:
        with suppress(OSError):
            os.unlink(path)
    except TimeoutError:
        return _end_silent(path)
    except OSError:
        return False
    return False


def _end_silent(path: str) -> bool:
    """Have a server end that does not answer, when it gets its turn or is continued; whether it is there."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)  # its backlog may be full
            sock.connect(path)
            pid, user, _ = client.peer(sock)
            os.unlink(path)
            if user == os.getuid():
                os.kill(pid, signal.SIGTERM)
            return True
    except OSError:
        return False


def _own_paths(environ: Mapping[str, str]) -> list[str]:
    folder = place.directory(environ)
    return paths(folder) if place.is_private(folder) else []


def _asked(path: str, question: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(PATIENCE)
        sock.connect(path)
        if client.peer(sock)[1] != os.getuid():
            raise OSError("the server belongs to another user")
        wire.receive(sock)  # hello
        wire.send_request(sock, {"ask": question}, [])
    except OSError:
        sock.close()
        raise
    return sock


def is_alive(path: str) -> bool:
    """Return whether something listens at a socket; one that a killed server has left is removed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            with suppress(OSError):
                os.unlink(path)
            return False
        except OSError:
            return os.path.lexists(path)
    return True
