"""Paths in an isolated sandbox, as paths that the host can open.

The kernel resolves them below the sandbox's root directory (`RESOLVE_IN_ROOT`), so that no symbolic link that a program
in the sandbox has made, or makes meanwhile, leads to the files of this machine. What it has found is named by its
descriptor.
Everything here waits for the disk and is called in a thread.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from types import TracebackType
from typing import Self

from sbxcompose.host.files.upload import DIRECTORY_MODE
from sbxcompose.linux.syscalls import open_in_root

LINKS = 40
"""How many symbolic links may lead to a file that is made."""
TRIES = 10
"""How often a path is resolved anew that was moved meanwhile."""


class Located:
    """A place in a sandbox: `path` is good until it is closed."""

    def __init__(self, directory: int, name: bytes = b"") -> None:
        self._directory = directory
        self.path = b"/proc/self/fd/%d" % directory + (b"/" + name if name else b"")

    def close(self) -> None:
        """Let it go."""
        os.close(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def existing(root: int, path: bytes) -> Located:
    """Return what a path names, symbolic links followed. Raises `OSError`."""
    return Located(_open(root, path, os.O_PATH))


def entry(root: int, path: bytes) -> Located:
    """Return the directory entry that a path names; one that is a symbolic link is not followed. Raises `OSError`."""
    directory, name = os.path.split(path.rstrip(b"/"))
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return Located(_open(root, directory or b"/", os.O_PATH | os.O_DIRECTORY), name)


def to_write(root: int, path: bytes, links: int = LINKS) -> Located:
    """Return the directory entry that is written when a path is: directories that are missing are made, and a symbolic
    link at the end is followed. Raises `OSError`.
    """
    with suppress(FileNotFoundError):
        fd = _open(root, path, os.O_PATH)
        try:
            # As the kernel shows it: from the sandbox's root on, and without links.
            real = os.fsencode(os.readlink(f"/proc/self/fd/{fd}"))
        finally:
            os.close(fd)
        return entry(root, real)
    directory = os.path.dirname(path.rstrip(b"/"))
    _make_directories(root, directory)
    place = entry(root, path)
    if not os.path.islink(place.path):
        return place
    with place:  # a link to what is not there, which is made
        target = os.path.join(directory, os.readlink(place.path))
    if not links:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return to_write(root, target, links - 1)


def _make_directories(root: int, path: bytes) -> None:
    if path in (b"", b"/"):
        return
    try:
        os.close(_open(root, path, os.O_PATH | os.O_DIRECTORY))
    except FileNotFoundError:
        _make_directories(root, os.path.dirname(path.rstrip(b"/")))
        with entry(root, path) as place, suppress(FileExistsError):
            os.mkdir(place.path)
            with existing(root, path) as made:
                os.chmod(made.path, DIRECTORY_MODE)


def stat_of(root: int, path: bytes) -> os.stat_result:
    """Return what a path leads to. Raises `OSError`."""
    fd = _open(root, path, os.O_PATH)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _open(root: int, path: bytes, flags: int) -> int:
    for attempt in range(1, TRIES + 1):
        try:
            return open_in_root(root, path, flags)
        except BlockingIOError:
            # EAGAIN: a rename meanwhile keeps the kernel from vouching for where `..` has led (openat2(2)).
            if attempt == TRIES:
                raise
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # A link of /proc, which leads wherever a process is.
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
    raise AssertionError(path)
