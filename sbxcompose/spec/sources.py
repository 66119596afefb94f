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

SourceContent = bytes | int
"""What is in a file, or the number of the error that reading it gave."""


def read_content(path: str) -> SourceContent:
    """Return the bytes of a regular file, or an `errno` number: a directory is EISDIR, a device or pipe EINVAL.

    A pipe is not even opened: its writer serves each reader once.
    """
    try:
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind):
            return errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
        # By now the path may lead to a pipe, whose opening would block: hence O_NONBLOCK, and the second check below.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:
        return errno.ENOENT
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return errno.EINVAL
        return _read_all(descriptor, status.st_size)
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, size: int) -> SourceContent:
    if size > LARGEST:
        return errno.EFBIG
    chunks = []
    while chunk := os.read(descriptor, max(size + 1, 4096)):
        chunks.append(chunk)
    return b"".join(chunks)


def read_error_text(number: int) -> str:
    """Why a file could not be read, after "`x` …"."""
    words = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "does not exist",
        errno.EISDIR: "is a directory, not a file",
        errno.EINVAL: "is not a regular file",
        errno.ENXIO: "is a named pipe, and nothing writes to it",
        errno.EACCES: "cannot be read: permission denied",
        errno.EFBIG: f"is larger than {LARGEST // 1024 // 1024} MiB",
        errno.ELOOP: "is a symbolic link that leads nowhere",
    }
    return words.get(number) or f"cannot be read: {os.strerror(number).lower()}"


class Pipes:
    """The named pipes of one command. Each is read once, however often the project is loaded.

    `lenient`: a pipe of variables without a writer counts as empty, for commands that only look or stop.
    `ignored`: pipes are not read at all and count as empty, for completion.
    """

    def __init__(self, *, lenient: bool = False, ignored: bool = False) -> None:
        self._lenient = lenient
        self._ignored = ignored
        self._contents: dict[str, SourceContent] = {}

    @property
    def without_writer(self) -> list[str]:
        """The paths of the pipes without a writer."""
        return [path for path, content in self._contents.items() if content == errno.ENXIO]

    def read(self, path: str, *, variables: bool) -> SourceContent:
        """Return all that there was to read. `variables`: it is a file of variables."""
        if self._ignored:
            return b""
        if path not in self._contents:
            from sbxcompose.spec.pipes import read_pipe

            self._contents[path] = read_pipe(path, LARGEST)
        content = self._contents[path]
        return b"" if content == errno.ENXIO and self._lenient and variables else content


class Sources:
    """Reads files and variables, and remembers what each was. Nothing is read twice."""

    def __init__(
        self,
        environ: Mapping[str, str],
        stdin: Callable[[], bytes] | None = None,
        pipes: Pipes | None = None,
    ) -> None:
        self._environ = environ
        self._stdin = stdin
        self._input: SourceContent | None = None
        self._pipes = pipes or Pipes()
        self.files: dict[str, SourceContent] = {}
        self.variables: dict[str, str | None] = {}
        self.lasting = True
        """Whether the same request may be answered from memory: not if standard input or a pipe was read."""

    def read(self, path: str) -> SourceContent:
        """Return the content of the file at an absolute path, or why there is none."""
        if path not in self.files:
            self.files[path] = read_content(path)
        return self.files[path]

    def read_any(self, path: str, *, variables: bool = False) -> SourceContent:
        """As `read`, but the file may also be a named pipe, or a device: `-f <(make-spec)`.

        `variables`: it is a file of variables.
        """
        content = self.read(path)
        if content != errno.EINVAL:
            return content
        self.lasting = False
        return self._pipes.read(path, variables=variables)

    def read_stdin(self) -> SourceContent:
        """Return all of standard input."""
        self.lasting = False
        if self._input is None:
            try:
                self._input = sys.stdin.buffer.read(LARGEST) if self._stdin is None else self._stdin()
            except OSError as error:
                self._input = error.errno or errno.EIO
        return self._input

    def variable(self, name: str) -> str | None:
        """Return an environment variable of the caller."""
        if name not in self.variables:
            self.variables[name] = self._environ.get(name)
        return self.variables[name]
