"""The kernel's services that the standard library has no name for."""

from __future__ import annotations

import errno
import fcntl
import os

from sbxcompose.light import signal
from sbxcompose.linux.processes import read_process

PR_SET_CHILD_SUBREAPER = 36
PIDFD_SIGNAL_PROCESS_GROUP = 4
"""Flag of pidfd_send_signal (Linux 6.9): to the group that this process leads, also after its own end."""
PIDFD_INFO_EXIT = 8
_INFO_SIZE = 64
_PIDFD_GET_INFO = (3 << 30) | (_INFO_SIZE << 16) | (0xFF << 8) | 11  # _IOWR(0xFF, 11, struct pidfd_info)
_EXIT_CODE = slice(60, 64)


def become_subreaper() -> bool:
    """Make orphans of this process's descendants its own children; whether the kernel agreed."""
    import ctypes

    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def exit_status(pidfd: int) -> int | None:
    """Return the wait status of a process that was reaped by whomever (Linux 6.15); None when it cannot be told."""
    info = bytearray(_INFO_SIZE)
    info[0] = PIDFD_INFO_EXIT
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:
        return None
    if not info[0] & PIDFD_INFO_EXIT:
        return None
    return int.from_bytes(info[_EXIT_CODE], "little", signed=True)


def final_status(pidfd: int, pid: int) -> int | None:
    """Return the wait status of a process that has ended and is another one's to reap, be it reaped or not."""
    status = exit_status(pidfd)
    if status is None:
        # It may be reaped between the two looks: then /proc has nothing left of it, and the pidfd is asked again.
        corpse = read_process(pid)
        status = corpse.status if corpse is not None and corpse.dead else exit_status(pidfd)
    return status


def signal_process(pidfd: int, number: int) -> bool:
    """Send a signal to exactly that process; False when it is gone. Raises `PermissionError`."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def signal_group(pidfd: int, pid: int, number: int, *, unreaped: bool) -> bool:
    """Send a signal to the group that `pid` leads; False when it is empty. Raises `PermissionError`.

    A kernel without the flag is asked by number, which is safe only as long as the leader is not reaped.
    """
    try:
        signal.pidfd_send_signal(pidfd, number, None, PIDFD_SIGNAL_PROCESS_GROUP)
    except ProcessLookupError:
        return False
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return unreaped and _kill_group(pid, number)
    return True


def _kill_group(pid: int, number: int) -> bool:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return False
    return True


def read_text(path: str) -> str:
    """Return the contents of a small file below /proc or /sys, or of a setting; "" if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
