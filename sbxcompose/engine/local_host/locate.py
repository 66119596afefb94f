"""Where the host of a state directory listens, found by whoever has another environment than who started it.

The state directory is what counts: its lock says whether a host runs, and a file in it where the host listens.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from sbxcompose import paths
from sbxcompose.clock import monotonic
from sbxcompose.host.base import host_info
from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.hostrecord import HostRecord
from sbxcompose.host.keeper.listen import is_held

PATIENCE = 15.0
"""Seconds that a host may take to begin, or to end after its processes have."""


def log_hint() -> str:
    """Return the hint that names the log of the host of our state directory."""
    record = hostrecord.read(paths.lock_path())
    return f"see {paths.log_path() if record is None else record.log}"


def find() -> Path | None:
    """Return the socket of the host of our state directory; None if none runs.

    One that is being started, or ends, is waited for; one whose socket is out of reach listens anew. Raises
    `ProviderError` if it does not answer all the same.
    """
    deadline = monotonic() + PATIENCE
    asked = False
    while True:
        record = hostrecord.read(paths.lock_path())
        if record is not None and _is_served(record):
            return Path(record.socket)
        if not is_locked():
            return None
        keeper = None if asked else _keeper(record)
        if keeper is not None:
            # Its file is gone (a runtime directory ends with the last login), or not to be seen from here.
            asked = True
            with suppress(OSError):
                os.kill(keeper, signal.SIGUSR1)
        if monotonic() > deadline:
            from sbxcompose.api.wire_errors import host_silent  # imports h11

            raise host_silent(log_hint())
        time.sleep(0.01)


def is_locked() -> bool:
    """Return whether a host of our state directory runs, or is just being started, whether or not it answers."""
    path = paths.lock_path()
    return is_held(path.parent) or is_held(path)


def was_killed() -> bool:
    """Return whether the last host has not ended in good order: what it ran may still be there."""
    return not is_locked() and hostrecord.read(paths.lock_path()) is not None


def answers(path: Path) -> bool:
    """Return whether a process listens. A killed host leaves a socket file without a listener behind."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        try:
            sock.connect(os.fspath(path))
        except BlockingIOError:
            return True  # so busy that others wait in front of us
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except OSError as error:
            from sbxcompose.api.wire_errors import socket_unusable  # imports h11

            raise socket_unusable(path, error) from error
    return True


def _is_served(record: HostRecord) -> bool:
    """Return whether the recorded host will answer on its socket.

    A process that is just being started shares the sockets of its host until its exec. When the host is killed at that
    moment, connections are still taken, and broken by the exec. So where the keeper is gone, the server must answer.
    """
    path = Path(record.socket)
    return answers(path) and (_runs(record.pid) or _replies(path))


def _replies(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(os.fspath(path))
        sock.sendall(b"GET /host/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return bool(sock.recv(1))
    return False


def _runs(pid: int) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        end = select.poll()
        end.register(pidfd, select.POLLIN)
        return not end.poll(0)
    finally:
        os.close(pidfd)


def _keeper(record: HostRecord | None) -> int | None:
    """Return the process that has the lock, also where the record of the host has been removed."""
    pid = host_info.read(paths.state_directory()).get("keeper") if record is None else record.pid
    return pid if isinstance(pid, int) and _holds_lock(pid) else None


def _holds_lock(pid: int) -> bool:
    """Return whether that process has the lock open: the pid alone may have been reused."""
    path = paths.lock_path()
    locks = [hostrecord.identity_of(path.parent), hostrecord.identity_of(path)]
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if [found.st_dev, found.st_ino] in locks:
                    return True
    return False
