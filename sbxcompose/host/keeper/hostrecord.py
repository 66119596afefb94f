"""What a file in the state directory says of the host that has locked it: where it listens, and which process it is.

Written by the keeper that holds the lock, and emptied at an orderly end. So a record under a lock that is not held
tells that a host was killed, and may have left processes running. In a copy of the file the record counts as missing:
it is about the host of the original.
"""

from __future__ import annotations

import os
import stat

from sbxcompose.light import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 16_384


class HostRecord:
    """The keeper's process id, the path of its socket, that file's identity, and the path of its log."""

    __slots__ = ("identity", "log", "pid", "socket")

    def __init__(self, pid: int, socket: str, identity: list[int], log: str) -> None:
        self.pid = pid
        self.socket = socket
        self.identity = identity
        self.log = log

    def write(self, path: str, lock: int) -> None:
        """Put it into the file at `path`, whatever is there; `lock` is the host's lock. Raises `OSError`."""
        value = {name: getattr(self, name) for name in self.__slots__}
        value["state"] = identity_of(os.path.dirname(path))
        data = dumps(value) + b"\n"
        if stat.S_ISREG(os.fstat(lock).st_mode):  # where directories cannot be locked the file itself is the lock
            os.pwrite(lock, data, 0)
            os.ftruncate(lock, len(data))
            return
        if os.path.isdir(path) and not os.path.islink(path):
            os.rename(path, f"{path}.damaged-{os.getpid()}")
        from sbxcompose.file_writing import replace_file  # late: commands only read it

        replace_file(path, data, only_writer=True)  # whoever has the lock


def read(path: str | os.PathLike[str]) -> HostRecord | None:
    """Return what a lock file says of its host; None if there is nothing, or nothing that makes sense."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        value: Any = loads(os.read(fd, MOST) or b"null")
        own = identity_of(os.path.dirname(path))
        if value.get("state", own) != own:
            return None
        return HostRecord(int(value["pid"]), str(value["socket"]), list(value["identity"]), str(value["log"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    finally:
        os.close(fd)


def clear(path: str) -> None:
    """Empty the file: the host ends, and leaves nothing."""
    try:
        os.truncate(path, 0)
    except OSError:
        return


def identity_of(path: str | os.PathLike[str]) -> list[int]:
    """Device and inode of the file at a path; empty if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return []
    return [found.st_dev, found.st_ino]


def host_name(lock: int | str) -> str:
    """Return the name of the host with this lock: the same for all its keepers, and another one for any copy."""
    found = os.stat(lock)
    return f"{found.st_dev:x}:{found.st_ino:x}"
