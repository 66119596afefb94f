"""Whole directory trees: copied with all that makes a file what it is, and removed. For a thread: disks are slow."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from weakref import WeakValueDictionary

from msgspec import Struct

from sbxcompose.host.base.unlocked import UnlockedFiles

FICLONE = 0x40049409
"""ioctl: share the blocks of another file until one of the two is written to (btrfs, XFS, bcachefs)."""
# What says that blocks cannot be shared here (ioctl_ficlone(2)), and not that the copy has failed: the bytes are
# copied.
_CANNOT_CLONE = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EPERM})
# The same of copy_file_range(2), which kernels refuse between file systems of different kinds (EXDEV).
_CANNOT_COPY_RANGE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_CHUNK = 1 << 20
_READ_AND_SEARCH = stat.S_IRUSR | stat.S_IXUSR


class _Lock:
    """A lock that can be referred to weakly."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *error: object) -> None:
        self.lock.release()


_locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()
"""One for each directory that is being copied."""
_locks_lock = threading.Lock()


class CopySize(Struct):
    """What a copy came to: bytes of its files, and bytes that they take on the disk."""

    content: int = 0
    disk: int = 0


def copy_tree(source: str, target: str) -> CopySize:
    """Copy what is in the directory `source` into the directory `target`, which is empty. Raises `OSError`.

    Modes, times, owners, extended attributes, symbolic and hard links, holes and FIFOs are kept; sockets are left out,
    for nothing listens on a copy; so is what vanishes meanwhile. Where the file system can, blocks are shared. Files
    and directories of this user that it may not read are made readable while they are copied, and a second copy of the
    same directory waits meanwhile: it would take those modes for the real ones.
    """
    if os.geteuid() == 0:
        return _Copy().run(source, target)
    with _locks_lock:
        lock = _locks.setdefault(os.path.realpath(source), _Lock())
    with lock:
        return _Copy().run(source, target)


def remove_tree(path: str) -> None:
    """Remove a directory and all in it, also what its owner may not write to. Raises `OSError`."""
    if not os.path.lexists(path):
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _unlock(path)
        shutil.rmtree(path)


def _unlock(path: str) -> None:
    """Give the owner of a directory, and of all below it, the rights to remove what is there."""
    os.chmod(path, 0o700)
    for top, directories, _ in os.walk(path):
        for name in directories:
            directory = os.path.join(top, name)
            if not os.path.islink(directory):
                os.chmod(directory, 0o700)


class _Copy:
    """One copy under way."""

    def __init__(self) -> None:
        self._size = CopySize()
        self._links: dict[tuple[int, int], str] = {}
        self._unlocked = UnlockedFiles()

    def run(self, source: str, target: str) -> CopySize:
        """Copy everything."""
        try:
            return self._run(source, target)
        finally:
            self._unlocked.close()

    def _run(self, source: str, target: str) -> CopySize:
        directories: list[tuple[str, str]] = []
        waiting = [(source, target)]
        while waiting:
            here, there = waiting.pop()
            directories.append((here, there))
            with suppress(FileNotFoundError):
                self._unlocked.unlock(here, os.lstat(here), _READ_AND_SEARCH)
            for entry in _entries(here):
                into = os.path.join(there, entry.name)
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        os.mkdir(into, 0o700)
                        waiting.append((entry.path, into))
                    else:
                        self._entry(entry.path, into, found)
        for here, there in reversed(directories[1:]):  # last, for a directory may forbid to write into it
            with suppress(FileNotFoundError):
                self._directory(here, there)
        self._directory(source, target)
        return self._size

    def _directory(self, source: str, target: str) -> None:
        found = os.stat(source)
        _keep_attributes(source, target, found, self._unlocked.mode(source))
        self._unlocked.lock(source)

    def _entry(self, source: str, target: str, found: os.stat_result) -> None:
        first = self._links.get((found.st_dev, found.st_ino))
        if first is not None:
            os.link(first, target, follow_symlinks=False)
            return
        if stat.S_ISREG(found.st_mode):
            self._unlocked.unlock(source, found, stat.S_IRUSR)
            self._file(source, target, found)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)
        elif stat.S_ISFIFO(found.st_mode):
            os.mkfifo(target)
        elif stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:  # says in an overlay that a name was removed
            os.mknod(target, stat.S_IFCHR, 0)
        else:
            return
        _keep_attributes(source, target, found)
        self._unlocked.lock(source)  # only now: extended attributes cannot be read either without the right to read
        # Remembered only where another name may come: a tree of a million files would fill the memory otherwise.
        if found.st_nlink > 1:
            self._links[found.st_dev, found.st_ino] = target

    def _file(self, source: str, target: str, found: os.stat_result) -> None:
        read = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            write = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                if not _clone(read, write):
                    _copy_data(read, write, os.fstat(read).st_size)
            finally:
                os.close(write)
        finally:
            os.close(read)
        self._size.content += found.st_size
        self._size.disk += found.st_blocks * 512


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        yield from entries


def _clone(read: int, write: int) -> bool:
    try:
        fcntl.ioctl(write, FICLONE, read)
    except OSError as error:
        if error.errno not in _CANNOT_CLONE:
            raise
        return False
    return True


def _copy_data(read: int, write: int, size: int) -> None:
    """Copy what is data; what is a hole stays one."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(read, position, os.SEEK_DATA)
            end = os.lseek(read, begin, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # nothing but a hole is left
        _copy_range(read, write, begin, end)
        position = end
    # A hole at the end has no data to be copied, only a length.
    os.ftruncate(write, size)


def _copy_range(read: int, write: int, begin: int, end: int) -> None:
    while begin < end:
        try:
            count = os.copy_file_range(read, write, end - begin, begin, begin)
        except OSError as error:
            if error.errno not in _CANNOT_COPY_RANGE:
                raise
            count = os.pwrite(write, os.pread(read, min(_CHUNK, end - begin), begin), begin)
        if not count:
            return  # it has become shorter
        begin += count


def _keep_attributes(source: str, target: str, found: os.stat_result, mode: int | None = None) -> None:
    link = stat.S_ISLNK(found.st_mode)
    # The owner before the mode: a chown clears the setuid and setgid bits (chown(2)).
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    if not link:
        _keep_extended(source, target)
        os.chmod(target, stat.S_IMODE(found.st_mode) if mode is None else mode)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def _keep_extended(source: str, target: str) -> None:
    try:
        names = os.listxattr(source)
    except OSError:  # not every file system has them
        return
    for name in names:
        with suppress(OSError):  # not every user may set every one
            os.setxattr(target, name, os.getxattr(source, name))
