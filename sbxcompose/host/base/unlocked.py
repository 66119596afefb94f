"""What its own user may not read, readable for a moment while it is copied.

Modes are recorded before they are changed: should the server be killed meanwhile, the next one gives them back.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from sbxcompose.host.base import damage
from sbxcompose.host.base.ids import new_id

_directory: str | None = None

FileIdentity = tuple[int, int]
"""The device and inode of a file, which its path may no longer lead to."""
_Entry = tuple[str, list[int]]
"""A line of a record: a path, and its device, inode, mode and mode of the moment; nothing once it has its mode back."""


def keep_in(directory: Path) -> None:
    """Record what is made readable in `directory` from now on, and undo what a killed server had no time to undo."""
    global _directory
    _directory = os.fspath(directory)
    for name in damage.names_in(directory):
        try:
            _give_back(os.path.join(_directory, name))
        except (OSError, ValueError) as error:
            print(f"modes of files that were being copied are not restored: {error}", file=sys.stderr)


def _give_back(record: str) -> None:
    with open(record, "rb") as file:
        lines = file.read().splitlines()
    wide: dict[str, tuple[FileIdentity, int, int]] = {}
    for line in lines:
        with suppress(ValueError):  # the server was killed while it wrote: nothing had been changed yet
            path, numbers = msgspec.convert(json.loads(line), _Entry)
            wide.pop(path, None)
            if numbers:
                device, inode, mode, widened = numbers
                wide[path] = (device, inode), mode, widened
    for path, (file_identity, mode, widened) in reversed(wide.items()):  # directories come before what is in them
        with suppress(FileNotFoundError):
            _change(path, file_identity, mode, only_from=widened)
    os.unlink(record)


class UnlockedFiles:
    """What one copy has made readable."""

    def __init__(self) -> None:
        self._modes: dict[str, tuple[FileIdentity, int]] = {}
        self._record: str | None = None
        self._file = -1

    def mode(self, path: str) -> int | None:
        """Return the mode that a file or directory had, and will have; None if it is not unlocked."""
        known = self._modes.get(path)
        return None if known is None else known[1]

    def unlock(self, path: str, found: os.stat_result, rights: int) -> None:
        """Give this user these rights to a file or directory of its own, until `lock`. Raises `OSError`."""
        own = os.geteuid()
        if own == 0 or found.st_uid != own or found.st_mode & rights == rights:
            return
        identity, mode = (found.st_dev, found.st_ino), stat.S_IMODE(found.st_mode)
        self._note(path, [*identity, mode, mode | rights])
        self._modes[path] = identity, mode
        _change(path, identity, mode | rights)

    def lock(self, path: str) -> None:
        """Give a file or directory its mode back; one that is not unlocked is left as it is."""
        known = self._modes.get(path)
        if known is not None:
            with suppress(FileNotFoundError):
                _change(path, *known)
            del self._modes[path]
            with suppress(OSError):  # a full disk: what has another mode than the recorded one is left alone later
                self._note(path, [])

    def close(self) -> None:
        """Give everything its mode back, what is in a directory before the directory."""
        try:
            for path in reversed(list(self._modes)):
                self.lock(path)
            if self._record is not None:  # kept if a mode could not be given back
                os.unlink(self._record)
        finally:
            if self._record is not None:
                os.close(self._file)
                self._record = None

    def _note(self, path: str, numbers: list[int]) -> None:
        if _directory is None:
            return
        if self._record is None:
            os.makedirs(_directory, mode=0o700, exist_ok=True)
            record = os.path.join(_directory, new_id())
            self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._record = record
        line = b"\n" + json.dumps([path, numbers]).encode() + b"\n"  # the line before may have been cut off
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._record)


def _change(path: str, identity: FileIdentity, mode: int, *, only_from: int | None = None) -> None:
    """Change the mode of that very file or directory, never of what a link leads to or another has put there."""
    held = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(held)
        if (found.st_dev, found.st_ino) == identity and only_from in (None, stat.S_IMODE(found.st_mode)):
            os.chmod(f"/proc/self/fd/{held}", mode & 0o7777)
    finally:
        os.close(held)
