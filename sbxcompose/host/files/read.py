"""The files of a sandbox, as the daemon's file routes need them (contract, section 4): read, listed, deleted.

Paths are bytes from the request to the file system: a name need not be text. Everything here waits for the disk and
is called in a thread; what goes wrong is an `OSError`, which `problem` puts into words.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_from_bytes

from sbxcompose.host.base.problems import NO_SPACE, Problem, from_os

CHUNK = 512 * 1024
"""Bytes of a file that are read at a time."""

_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BAD_PATH = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL})


class NotAFile(Exception):
    """A FIFO, a socket or a device: to open it could block forever, or do something."""


def resolve(given: bytes | None, base: str) -> bytes:
    """Return the path that a request means; a relative one begins at `base`. Raises `Problem`."""
    if not given:
        raise Problem(400, "`path` is missing: ?path=…", "BAD_PATH")
    if b"\0" in given:
        raise Problem(400, "path must not contain a NUL byte", "BAD_PATH")
    if b".." in given.split(b"/"):
        raise Problem(403, f"{show(given)}: `..` is not allowed in a path", "PATH_TRAVERSAL")
    return os.path.join(os.fsencode(base), given)


def show(path: bytes) -> str:
    """Return a path for people, and for JSON: what is not UTF-8 is replaced."""
    return path.decode("utf-8", "replace")


def problem(error: OSError | NotAFile, given: bytes) -> Problem:
    """Return what a client is told of an error with the file that it named."""
    name = show(given[:300])
    if isinstance(error, NotAFile):
        return Problem(400, f"{name} is {error}, not a regular file", "NOT_A_FILE")
    words = f"{name}: {os.strerror(error.errno or 0).lower()}"
    match error.errno:
        case errno.ENOENT:
            return Problem(404, words, "NOT_FOUND")
        case errno.EISDIR:
            return Problem(400, words, "IS_DIRECTORY")
        case errno.ENOTDIR:
            return Problem(400, words, "NOT_A_DIRECTORY")
        case number if number in _NOT_ALLOWED:
            return Problem(403, words, "PERMISSION_DENIED", "the host has the rights of the user who started it")
        case number if number in _BAD_PATH:
            return Problem(400, words, "BAD_PATH")
        case number if number in NO_SPACE:
            return Problem(500, words, "NO_SPACE", "free space on that disk; the file is unchanged")
    return from_os(error, name)


def check_regular(mode: int) -> None:
    """Refuse what is not an ordinary file. Raises `IsADirectoryError` or `NotAFile`."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise NotAFile(_KINDS.get(stat.S_IFMT(mode), "a special file"))


_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link in a loop",
}


class Reading:
    """A file that is being read, piece by piece; `size` is what it said of its size when it was opened."""

    def __init__(self, path: bytes) -> None:
        check_regular(os.stat(path).st_mode)  # before it is opened: that alone wakes up a FIFO's writer
        # It may have been replaced since: O_NONBLOCK keeps a FIFO from blocking here, until it is refused below.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        self._lock = threading.Lock()
        self._closed = False
        try:
            found = os.fstat(self._descriptor)
            check_regular(found.st_mode)
        except BaseException:
            self.close()
            raise
        self.size = found.st_size

    def read(self) -> bytes:
        """Return the next `CHUNK` bytes; fewer only at the file's end."""
        pieces, left = [], CHUNK
        with self._lock:  # whoever gives up meanwhile must not close the descriptor under our feet
            while left and not self._closed and (piece := os.read(self._descriptor, left)):
                pieces.append(piece)
                left -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)


def delete(path: bytes) -> None:
    """Remove a file, or a symbolic link, not what it points to."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    os.unlink(path)


StatLink = Callable[[bytes], os.stat_result]
"""What a symbolic link leads to, by its name; raises `OSError`."""


def listing(path: bytes, given: bytes, stat_link: StatLink | None = None) -> bytes:
    """Return the JSON answer for a directory: directories first, then by name."""
    with os.scandir(path) as found:
        entries = [_entry(entry, stat_link) for entry in found]
    entries.sort(key=lambda entry: (not entry["is_dir"], entry["name"]))
    return json.dumps({"path": show(given), "entries": entries}, separators=(",", ":")).encode()


def _entry(found: os.DirEntry[bytes], stat_link: StatLink | None) -> dict[str, Any]:
    try:
        about = found.stat() if stat_link is None or not found.is_symlink() else stat_link(found.name)
    except OSError:  # a symbolic link to nothing
        about = found.stat(follow_symlinks=False)
    is_dir = stat.S_ISDIR(about.st_mode)
    name = show(found.name)
    entry = {
        "name": name,
        "is_dir": is_dir,
        "size": None if is_dir else about.st_size,
        "modified_at": about.st_mtime_ns // 1_000_000,
    }
    if name.encode() != found.name:
        entry["name_encoded"] = quote_from_bytes(found.name)  # an extension: JSON can carry only text
    return entry
