"""Writing small files that others read meanwhile: replaced at once, or added to. Standard library only.

Nothing here waits for the disk. What must survive a loss of power is written through afterwards by the host
(`host/base/flush.py`), many files together.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: str | os.PathLike[str], data: bytes, *, only_writer: bool = False) -> None:
    """Replace a file, or make one, at once: a reader has the old one or the new one, also after a kill.

    It is the user's alone. `only_writer`: no other process writes this file, as is so with the records of the host.
    Raises `OSError`, and leaves nothing half done.
    """
    # Writers of the same file must not write into each other's unfinished one. Where there is one writer the name is
    # always the same, so that what a killed one has left is overwritten by the next, and leftovers do not pile up.
    unfinished = f"{os.fspath(path)}~" if only_writer else f"{os.fspath(path)}.{os.getpid()}~"
    try:
        # O_NOFOLLOW: a link at that name would have us write somewhere else (open(2)).
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(unfinished, path)
    except OSError:
        # On a full disk each try would otherwise leave a part of a file, which keeps it full.
        try:  # noqa: SIM105 (contextlib: half a megabyte in the keeper)
            os.unlink(unfinished)
        except OSError:
            pass
        raise


def append_lines(path: Path, lines: bytes, most: int) -> None:
    """Add whole lines to a file to which other commands add, too; its older half is left out when it has more than
    `most` bytes. Raises `OSError`.
    """
    import fcntl

    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        with open(os.open(path, flags, 0o600), "r+b", buffering=0) as file:
            try:  # noqa: SIM105 (as above)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:  # a file system without locks: lines are lost only if two shorten it at once
                pass
            if not _is_at(path, file.fileno()):
                continue  # another command has just removed it, or replaced it by a shorter one
            file.write(lines)
            if os.fstat(file.fileno()).st_size > most:
                replace_file(path, path.read_bytes()[-most // 2 :].partition(b"\n")[2])
            return


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
