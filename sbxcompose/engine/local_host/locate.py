"""Where the host of a state directory listens, found by whoever has another environment than who started it.

The lock file of the state directory is what counts: it says where the host listens, and its lock whether one runs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from sbxcompose.errors import Unreachable
from sbxcompose.host.base import paths
from sbxcompose.host.keeper import hostrecord

PATIENCE = 15.0
"""Seconds that a host may take to begin, to answer, or to end after its processes have."""


def see_log() -> str:
    """Return the hint that names the log of the host of our state directory."""
    record = hostrecord.read(paths.lock_path())
    return f"see {paths.log_path() if record is None else record.log}"


def find() -> Path | None:
    """Return the socket of the host of our state directory; None if none runs.

    One that is being started, or ends, is waited for; one whose socket is out of reach listens anew. Raises
    `ProviderError` if it does not answer all the same.
    """
    deadline = time.monotonic() + PATIENCE
    asked = False
    while True:
        record = hostrecord.read(paths.lock_path())
        if record is not None and answers(Path(record.socket)):
            return Path(record.socket)
        if not is_locked():
            return None
        if not asked and record is not None and _holds_lock(record.pid):
            # Its file is gone (a runtime directory ends with the last login), or not to be seen from here.
            asked = True
            with suppress(OSError):
                os.kill(record.pid, signal.SIGUSR1)
        if time.monotonic() > deadline:
            raise Unreachable("the host is running, but does not answer", hint=see_log())
        time.sleep(0.01)


def is_locked() -> bool:
    """Whether a host of our state directory runs, or is just being started, whether or not it answers."""
    try:
        fd = os.open(paths.lock_path(), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def was_killed() -> bool:
    """Whether the last host has not ended in good order: what it ran may still be there."""
    return not is_locked() and hostrecord.read(paths.lock_path()) is not None


def answers(path: Path) -> bool:
    """Whether somebody listens. A socket file without a listener is what a killed host leaves behind."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        try:
            sock.connect(os.fspath(path))
        except BlockingIOError:
            return True  # so busy that others wait in front of us
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise Unreachable(f"cannot connect to {path}: {error.strerror}") from error
    return True


def _holds_lock(pid: int) -> bool:
    """Whether that process has the lock file open: a number alone may have gone to somebody else."""
    lock = hostrecord.identity_of(os.fspath(paths.lock_path()))
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{name}")
                if [found.st_dev, found.st_ino] == lock:
                    return True
    return False
