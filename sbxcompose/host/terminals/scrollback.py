"""The last of what a terminal has written: in memory for its viewers, and in files for the server's successor.

Positions count all bytes since the session began. The files are named by the position at which they begin; an older one
is dropped once the newer ones have all that has to be kept.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from sbxcompose.host.base import damage

KEPT = 1024 * 1024
"""Bytes that are kept (contract, section 5)."""


class Scrollback:
    """What is kept of one terminal's output. `directory` holds its files, and nothing else that ends in `.out`."""

    def __init__(self, directory: Path, kept: int = KEPT) -> None:
        self._directory = directory
        self._size = kept
        self._data = bytearray()
        self._fd: int | None = None
        self._in_file = 0
        self.end = 0
        self._load()

    @property
    def start(self) -> int:
        """The position of the first byte that is still kept."""
        return self.end - len(self._data)

    def read(self, position: int, most: int) -> bytes:
        """Up to `most` bytes from a position on; what is no longer kept is skipped."""
        begin = max(0, position - self.start)
        return bytes(memoryview(self._data)[begin : begin + most])

    def append(self, data: bytes) -> None:
        """Keep `data`. A disk that is full costs the file, not the terminal."""
        self._data += data
        self.end += len(data)
        if len(self._data) > 2 * self._size:
            del self._data[: -self._size]
        try:
            self._write(data)
        except OSError as error:
            print(f"a terminal's output is not recorded: {error}", file=sys.stderr)

    def _write(self, data: bytes) -> None:
        if self._fd is None or self._in_file >= self._size:
            self._next_file(self.end - len(data))
        assert self._fd is not None
        self._in_file += os.write(self._fd, data)

    def _next_file(self, position: int) -> None:
        self.close()
        for old, following in pairwise(self._files()):
            if following <= position - self._size:
                with suppress(OSError):
                    self._path(old).unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path(position), flags, 0o600)
        self._in_file = 0

    def _load(self) -> None:
        """Continue where a predecessor was killed; a gap, left by a full disk, makes what is before it worthless."""
        for position in self._files():
            data = damage.load(self._path(position), bytes)
            if data is not None:
                if position != self.end:
                    self._data.clear()
                self._data += data
                self.end = position + len(data)

    def _files(self) -> list[int]:
        with suppress(OSError):
            names = (path.stem for path in self._directory.glob("*.out"))
            return sorted(int(name) for name in names if name.isdecimal())
        return []

    def _path(self, position: int) -> Path:
        return self._directory / f"{position}.out"

    def close(self) -> None:
        """Write no more to its file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
