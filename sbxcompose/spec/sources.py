"""Everything that a project is made from: files and environment variables, each remembered as it was
read.

Whoever reads a file (or finds that it is not there) or asks for a variable does so through `Sources`, so
that the cache knows exactly what an unchanged project depends on. Standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Mapping

LARGEST = 64 * 1024 * 1024
"""Bytes; a larger file is not a project's file."""

Content = bytes | int
"""What is in a file, or the number of the error that reading it gave."""


def read_content(path: str) -> Content:
    """The bytes of a regular file, or an `errno` number: a directory is EISDIR, a device or pipe EINVAL."""
    try:
        # Without O_NONBLOCK, a named pipe that nobody writes to would hold us for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:
        return errno.ENOENT
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return errno.EISDIR
        if not stat.S_ISREG(status.st_mode):
            return errno.EINVAL
        return _read_all(descriptor, status.st_size)
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> Content:
    if size > LARGEST:
        return errno.EFBIG
    chunks = []
    while chunk := os.read(descriptor, max(size + 1, 4096)):
        chunks.append(chunk)
    return b"".join(chunks)


def in_words(number: int) -> str:
    """Why a file could not be read, after "`x` …"."""
    words = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "does not exist",
        errno.EISDIR: "is a directory, not a file",
        errno.EINVAL: "is not a regular file",
        errno.EACCES: "cannot be read: permission denied",
        errno.EFBIG: f"is larger than {LARGEST // 1024 // 1024} MiB",
        errno.ELOOP: "is a symbolic link that leads nowhere",
    }
    return words.get(number) or f"cannot be read: {os.strerror(number).lower()}"


class Sources:
    """Reads files and variables, and remembers what each was. Nothing is read twice."""

    def __init__(self, environ: Mapping[str, str], stdin: Callable[[], bytes] | None = None) -> None:
        self._environ = environ
        self._stdin = stdin
        self.files: dict[str, Content] = {}
        self.variables: dict[str, str | None] = {}
        self.lasting = True
        """Whether the same request may be answered from memory: not if standard input or a pipe was read."""

    def read(self, path: str) -> Content:
        """The content of the file at an absolute path, or why there is none."""
        if path not in self.files:
            self.files[path] = read_content(path)
        return self.files[path]

    def read_named(self, path: str) -> Content:
        """As `read`, but a file named on the command line may be a pipe: `-f <(make-spec)`."""
        content = self.read(path)
        if content == errno.EINVAL:
            self.lasting = False
            try:
                with open(path, "rb") as stream:
                    content = stream.read(LARGEST)
            except OSError as error:
                content = error.errno or errno.EIO
        return content

    def read_stdin(self) -> Content:
        """All of standard input."""
        self.lasting = False
        try:
            return sys.stdin.buffer.read(LARGEST) if self._stdin is None else self._stdin()
        except OSError as error:
            return error.errno or errno.EIO

    def variable(self, name: str) -> str | None:
        """An environment variable of the caller."""
        if name not in self.variables:
            self.variables[name] = self._environ.get(name)
        return self.variables[name]
