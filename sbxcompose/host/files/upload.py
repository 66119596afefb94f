"""A file that is being written, whole or not at all (contract, section 4).

What comes goes to a file without a name in the same directory (or the nearest one above that is there), which takes
the place of the old one at the end: no process ever reads half a file, and an upload that breaks off, or a host that
is killed, leaves everything as it was. Where that cannot be done (a directory that the host may not write to, a file
that is mounted by itself, an owner that cannot be kept), the contents are collected elsewhere and then copied into
the file.

Everything here waits for the disk and is called in a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import suppress

from sbxcompose.host.files.read import check_regular

MODE = 0o644
DIRECTORY_MODE = 0o755
"""As the processes of a sandbox make them; the host's own files are its user's alone."""

_NO_UNNAMED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
_IN_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EBUSY})


class Upload:
    """Contents on their way into a file. Raises `OSError` or `NotAFile`, here and in every method."""

    def __init__(self, path: bytes, target: bytes | None = None) -> None:
        """`target` is what `path` means, if it was resolved already."""
        # A symbolic link stays one: what it points to is written.
        self._target = os.path.realpath(path) if target is None else target
        self._before = _existing(path, self._target)
        self._directory = _nearest_directory(os.path.dirname(self._target))
        self._named: bytes | None = None
        self._beside = True
        self._descriptor = self._open()

    def _open(self) -> int:
        try:
            return self._open_beside()
        except OSError as error:
            if self._before is None or error.errno not in _IN_PLACE:
                raise
        import tempfile  # rarely needed, and not light

        self._beside = False
        with tempfile.TemporaryFile(buffering=0) as spool:
            return os.dup(spool.fileno())

    def _open_beside(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(self._directory, flags | os.O_TMPFILE, 0o600)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise
        self._named = self._temporary_name()
        return os.open(self._named, flags | os.O_CREAT | os.O_EXCL, 0o600)

    def _temporary_name(self) -> bytes:
        return os.path.join(self._directory, b".sbxcompose-" + secrets.token_hex(8).encode())

    def write(self, data: bytes) -> None:
        """Return the next piece."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def commit(self) -> None:
        """All has come: let it be the file, and see it on the disk."""
        try:
            if self._beside:
                self._replace()
                return
        except OSError as error:
            if self._before is None or error.errno not in _IN_PLACE:
                raise
        self._overwrite()

    def _replace(self) -> None:
        # The owner before the mode: a change of owner can clear the set-user-ID bits (chown(2)).
        if self._before is not None:
            own = os.fstat(self._descriptor)
            if (own.st_uid, own.st_gid) != (self._before.st_uid, self._before.st_gid):
                os.fchown(self._descriptor, self._before.st_uid, self._before.st_gid)
        os.fchmod(self._descriptor, stat.S_IMODE(self._before.st_mode) if self._before is not None else MODE)
        # The contents before the name: after a crash of the machine the name must not lead to a file without them.
        os.fsync(self._descriptor)
        directory = os.path.dirname(self._target)
        make_directories(directory)
        if self._named is None:
            self._named = self._link()
        os.replace(self._named, self._target)
        self._named = None
        sync_directory(directory)

    def _link(self) -> bytes:
        """Give the nameless file a name. (It cannot take the place of another one at once.)"""
        name = self._temporary_name()
        directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # with a directory's descriptor, Python makes the call that follows links
            os.link(f"/proc/self/fd/{self._descriptor}", name, src_dir_fd=directory, follow_symlinks=True)
        finally:
            os.close(directory)
        return name

    def _overwrite(self) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        # Links were resolved before: one that has been put there since leads elsewhere, and O_NOFOLLOW refuses it.
        with (
            open(self._descriptor, "rb", closefd=False) as source,
            open(os.open(self._target, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b") as target,
        ):
            shutil.copyfileobj(source, target, 1024 * 1024)
            target.truncate()
            target.flush()
            os.fsync(target.fileno())

    def close(self) -> None:
        """Let everything go; what was not committed has never been."""
        os.close(self._descriptor)
        if self._named is not None:
            with suppress(OSError):
                os.unlink(self._named)


def _existing(path: bytes, target: bytes) -> os.stat_result | None:
    """Return what is there already, and may be written; None if nothing is."""
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        if path.endswith(b"/"):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
        return None
    check_regular(found.st_mode)
    if path.endswith(b"/"):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(target, os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return found


def _nearest_directory(path: bytes) -> bytes:
    """Return the directory itself, or the nearest one above it that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def make_directories(path: bytes) -> None:
    """Make a directory and all above it, with the mode that a sandbox's processes would give them."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
            os.chmod(directory, DIRECTORY_MODE)
        except FileExistsError:
            if not os.path.isdir(directory):  # else another request was faster
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def sync_directory(path: bytes) -> None:
    """Write a directory's entries to the disk, where the file system can do that."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
