"""The kernel's inotify: which entries of which directories have changed. Standard library only."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
OVERFLOW = 0x4000
IGNORED = 0x8000
ISDIR = 0x40000000

APPEARED = CREATE | MOVED_TO
GONE = DELETE | MOVED_FROM
ENTRIES = APPEARED | GONE | DELETE_SELF | MOVE_SELF
"""For a directory of which only the coming and going of entries is of interest."""
CONTENTS = ENTRIES | ATTRIB | CLOSE_WRITE
"""For a directory whose files are watched. A file counts once its writer has closed it, so never half written."""

_ONLYDIR, _EXCL_UNLINK, _MASK_ADD = 0x1000000, 0x4000000, 0x20000000
_HEAD = struct.Struct("iIII")
_BUFFER = 256 * 1024
_READS = 16


class InotifyEvent(NamedTuple):
    """Something happened to the entry `name` of the directory with descriptor `wd` (-1: events were lost)."""

    wd: int
    mask: int
    name: str


class LimitReached(Exception):
    """The kernel watches no more for this user; `setting` is the one to raise."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    import ctypes

    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Inotify:
    """One instance: directories are added and removed; what happened in them is read from `fd`."""

    def __init__(self) -> None:
        try:
            self.fd = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise LimitReached("fs.inotify.max_user_instances") from None
            raise

    def add(self, directory: str, mask: int) -> int:
        """Watch a directory, for `mask` and what it is watched for already; its descriptor.

        Raises `LimitReached`, and `OSError` for what is no directory, or not ours to read.
        """
        flags = mask | _ONLYDIR | _EXCL_UNLINK | _MASK_ADD
        try:
            return _checked(_libc().inotify_add_watch(self.fd, os.fsencode(directory), flags))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise LimitReached("fs.inotify.max_user_watches") from None
            raise

    def remove(self, wd: int) -> None:
        """Watch it no longer; one that is gone already is fine."""
        _libc().inotify_rm_watch(self.fd, wd)

    def read(self) -> Iterator[InotifyEvent]:
        """What has happened since the last call; if that is a lot, the next call has more."""
        for _ in range(_READS):
            try:
                data = os.read(self.fd, _BUFFER)
            except BlockingIOError:
                return
            yield from parse(data)

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self.fd)


def parse(data: bytes) -> Iterator[InotifyEvent]:
    """The events in what was read; pure."""
    place = 0
    while place < len(data):
        wd, mask, _, size = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        yield InotifyEvent(wd, mask, os.fsdecode(data[place : place + size].rstrip(b"\0")))
        place += size
