"""What the lock file of a state directory says of the host that holds it: where it listens, and which process it is.

Written by the keeper that holds the lock, and emptied at an orderly end. So a record under a lock that is not held
tells that a host was killed, and may have left processes running. In a copy of the file the record counts as missing:
it is about the host of the original.
"""

from __future__ import annotations

import os

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

    def write(self, lock: int) -> None:
        """Put it into the lock file. Raises `OSError`."""
        import json

        value = {name: getattr(self, name) for name in self.__slots__}
        value["lock"] = _identity(os.fstat(lock))
        data = json.dumps(value).encode() + b"\n"
        os.pwrite(lock, data, 0)
        os.ftruncate(lock, len(data))

    def is_its_own(self) -> bool:
        """Return whether the file at the socket's path is still the one that was bound."""
        return identity_of(self.socket) == self.identity


def read(path: str | os.PathLike[str]) -> HostRecord | None:
    """Return what a lock file says of its host; None if there is nothing, or nothing that makes sense."""
    import json

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        value: Any = json.loads(os.read(fd, MOST) or b"null")
        if value.get("lock", own := _identity(os.fstat(fd))) != own:
            return None
        return HostRecord(int(value["pid"]), str(value["socket"]), list(value["identity"]), str(value["log"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    finally:
        os.close(fd)


def clear(lock: int) -> None:
    """Empty the lock file: the host ends, and leaves nothing."""
    try:
        os.ftruncate(lock, 0)
    except OSError:
        return


def identity_of(path: str) -> list[int]:
    """Device and inode of the file at a path; empty if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return []
    return _identity(found)


def host_name(lock: int | str) -> str:
    """Return the name of the host with this lock file: the same for all its keepers, and another one for any copy."""
    return "{:x}:{:x}".format(*_identity(os.stat(lock)))


def _identity(found: os.stat_result) -> list[int]:
    return [found.st_dev, found.st_ino]
