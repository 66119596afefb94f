"""Files of the host's state that cannot be used: they are set aside and reported, and the rest continues.

They are moved into one directory, under names that tell where they were and when, so that nothing is lost and a later
start does not stumble over them again. Whoever has looked at them may delete that directory.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sbxcompose.clock import wall_time
from sbxcompose.host.base import unsaved

DIRECTORY = "damaged"
LARGEST = 64 * 1024 * 1024
"""Bytes of a record; those of this host have a few kilobytes."""
SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say nothing about the file."""

_numbers = count(1)
_shelf: Path | None = None
_left: list[str] = []
_beside: list[str] = []
"""What was set aside by this server, and not into the directory: where it is."""


def keep_in(directory: Path | None) -> None:
    """Set files aside into `directory` from now on; without one they stay beside where they were."""
    global _shelf
    _shelf = None
    _left.clear()
    _beside.clear()
    if directory is not None and os.path.lexists(directory):
        if os.path.islink(directory) or not os.path.isdir(directory):
            set_aside(directory, "it is not a directory")
        elif not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            set_aside(directory, "permission denied")
    _shelf = directory


def report() -> dict[str, Any] | None:
    """Return what was set aside, by this server or one before it, and what could not be; None if there is nothing.

    The paths of `files` are relative to the directory.
    """
    files = _kept() if _shelf is not None else []
    return {"directory": str(_shelf), "files": files, "left": list(_left)} if files or _left else None


def _kept() -> list[str]:
    assert _shelf is not None
    files: list[str] = []
    with suppress(OSError):
        files += sorted(os.listdir(_shelf))
    beside = {os.path.relpath(path, _shelf) for path in _beside}
    with suppress(OSError):  # what earlier servers found in the place of the directory
        names = os.listdir(_shelf.parent)
        beside |= {f"../{name}" for name in names if name.startswith(f"{DIRECTORY}.{DIRECTORY}-")}
    return files + sorted(beside)


def set_aside(path: str | os.PathLike[str], why: object) -> None:
    """Move a file or directory out of the way, and say so in the host's log. Never raises."""
    source = os.fspath(path)
    for target in _targets(source):
        try:
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            os.rename(source, target)
        except OSError:
            continue
        if _shelf is None or os.path.dirname(target) != str(_shelf):
            _beside.append(target)
        print(f"damaged: {source}: {why}; kept as {target}", file=sys.stderr)
        return
    if source not in _left:
        _left.append(source)
    print(f"damaged: {source}: {why}; it cannot be moved away", file=sys.stderr)


def report_missing(path: str | os.PathLike[str], why: object) -> None:
    """Report a file that is missing, like those set aside: by an empty one in their directory. Never raises."""
    source = os.fspath(path)
    print(f"damaged: {source}: {why}", file=sys.stderr)
    if _shelf is not None:
        with suppress(OSError):
            os.makedirs(_shelf, mode=0o700, exist_ok=True)
            Path(f"{_targets(source)[0]}.missing").touch(0o600)


def _targets(source: str) -> list[str]:
    """Where it may go. A directory of another user can be renamed, but not moved to another one."""
    stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.localtime(wall_time()))}-{os.getpid()}-{next(_numbers)}"
    beside = f"{source}.{DIRECTORY}-{stamp}"
    if _shelf is None:
        return [beside]
    name = os.path.relpath(source, _shelf.parent).replace("/", "-")
    return [str(_shelf / f"{stamp}-{name[-150:]}"), beside]


def read_file(path: str | os.PathLike[str], most: int = LARGEST) -> bytes:
    """Read a regular file. Raises `OSError` for anything else, at once: a FIFO has no end, a link leads anywhere."""
    fd = open_regular(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes")
        with open(fd, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(fd)


def open_regular(path: str | os.PathLike[str], flags: int) -> int:
    """Open a regular file that is not a link. Raises `OSError`."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is not a regular file")


def names_in(directory: str | os.PathLike[str]) -> list[str]:
    """List a directory in order; nothing if there is none. What is none, or cannot be read, is set aside."""
    try:
        return sorted(os.listdir(directory))
    except OSError as error:
        if error.errno in SHORTAGE:
            raise
        if not isinstance(error, FileNotFoundError) or os.path.islink(directory):
            set_aside(directory, _reason(error))
        return []


T = TypeVar("T")


def load(path: str | os.PathLike[str], make: Callable[[bytes], T], *, whole: str | None = None) -> T | None:
    """Return what `make` makes of a file; None if there is none, or if it cannot be used, which is set aside.

    What the file should contain and could not be written counts instead of what is in it.

    `make` raises `ValueError` for what it cannot use. `whole` is what is set aside instead of the file itself.
    Raises `OSError` in a shortage, which says nothing about the file.
    """
    try:
        held = unsaved.content(os.fspath(path))
        return make(read_file(path) if held is None else held)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in SHORTAGE:
            raise
        set_aside(path if whole is None else whole, f"{os.path.basename(path)}: {_reason(error)}")
        return None


def record_of(kind: type[T]) -> Callable[[bytes], T]:
    """Return a function that reads a record of this kind from JSON, for `load`."""
    return lambda data: msgspec.convert(decode(data), kind)


def decode(data: bytes) -> Any:
    """Decode JSON. Raises `ValueError`."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else f"no record: {error}"
