"""A disk of limited size for an isolated sandbox: a file that is mounted by a loop device.

The file lies in the directory of the disk, and takes as much room as is written to it. The init process of the sandbox
mounts it in the sandbox's own mount namespace (`keeper.sandbox_init`); the host opens it mounted nowhere. Both see the
same file system, and the kernel lets it go with the last of them.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.sandbox_init import IMAGE, IMAGE_KIND
from sbxcompose.linux import loop, syscalls
from sbxcompose.linux.kernel import read_text

SMALLEST = 16 << 20
"""Bytes: less leaves no space beside the file system's own structures."""
_PROGRAM = "mke2fs"
_PLACES = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"


def refusal() -> str | None:
    """Return why this machine cannot limit a disk; None if it can."""
    if os.geteuid() != 0:
        return "limiting a disk needs a host that runs as root"
    if shutil.which(_PROGRAM, path=_PLACES) is None:
        return f"`{_PROGRAM}` is not installed on this machine; it comes with the package e2fsprogs"
    try:
        device = os.open(loop.free_device(), os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"no loop device is available: {(error.strerror or str(error)).lower()}"
    os.close(device)
    return None


def check_size(size: int) -> None:
    """Refuse what is too small for a file system. Raises `Problem`."""
    if size < SMALLEST:
        raise Problem(
            400, f"a disk of {size >> 20} MiB is too small; expected at least {SMALLEST >> 20} MiB", "BAD_LIMIT"
        )


def make(disk: str, size: int) -> None:
    """Make the image of a disk, empty. Raises `OSError`."""
    image = os.path.join(disk, IMAGE)
    with open(image, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.truncate(size)
    program = shutil.which(_PROGRAM, path=_PLACES) or _PROGRAM
    # No blocks are kept for root: programs of a sandbox are root as well.
    command = [program, "-q", "-F", "-t", IMAGE_KIND, "-m", "0", "-E", "nodiscard", image]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise OSError(f"{_PROGRAM}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def exists(disk: str) -> bool:
    """Return whether a disk is of limited size."""
    return os.path.exists(os.path.join(disk, IMAGE))


def open_disk(disk: str) -> int:
    """Open the root directory of what is in the image of a disk. Raises `OSError`."""
    with loop.attached(os.path.join(disk, IMAGE)) as device:
        return syscalls.open_file_system(IMAGE_KIND, device)


def free(directory: str) -> int:
    """Return the bytes that may still be written below a directory; 0 where no more files can be made, too. Raises
    `OSError`.
    """
    found = os.statvfs(directory)
    if found.f_files and not found.f_favail:
        return 0
    return found.f_bavail * found.f_frsize


def is_read_only(directory: str) -> bool:
    """Return whether the file system of a directory has become read-only, as ext4 does when a write to its journal
    fails. Raises `OSError`.
    """
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        return True
    # Since Linux 6.15 only a try tells. It writes, so it takes an error that the kernel has counted.
    if not _errors(os.stat(directory).st_dev):
        return False
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _errors(device: int) -> int:
    """Return how many errors the kernel has seen on a file system, at any time."""
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"))
    text = read_text(f"/sys/fs/{IMAGE_KIND}/{name}/errors_count").strip()
    return int(text) if text.isdigit() else 0


class OpenDisk:
    """Where the contents of a disk are, for the host: kept open from the first use on, until it is closed."""

    def __init__(self, disk: str) -> None:
        self._disk = disk
        self._root: int | None = None
        self._free: int | None = None
        """Bytes that were free when it was closed."""

    @property
    def limited(self) -> bool:
        """Whether it is of limited size."""
        return exists(self._disk)

    @property
    def path(self) -> str:
        """The directory with the root and the layers. Raises `OSError`."""
        if self._root is None and exists(self._disk):
            self._root = open_disk(self._disk)
        return self._disk if self._root is None else f"/proc/self/fd/{self._root}"

    @property
    def free(self) -> int | None:
        """Bytes that may still be written to it; None if it has no limit, or cannot be opened."""
        if not self.limited:
            return None
        if self._root is None and self._free is not None:
            return self._free
        try:
            return free(self.path)
        except OSError:
            return None

    @property
    def read_only(self) -> bool:
        """Whether it is open and has become read-only: it can be written to again after it has been closed."""
        try:
            return self._root is not None and is_read_only(self.path)
        except OSError:
            return False

    @property
    def machine_free(self) -> int | None:
        """Bytes that are free on the disk of the machine that holds it; None if that cannot be found out."""
        try:
            return free(self._disk)
        except OSError:
            return None

    def close(self) -> None:
        """Let it go, until it is used again."""
        if self._root is not None:
            self._free = free(self.path)
            os.close(self._root)
            self._root = None

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Give the directory as long as it is needed, also if it is closed meanwhile. Raises `OSError`."""
        if not self.limited:
            yield self._disk
            return
        root = open_disk(self._disk)
        try:
            yield f"/proc/self/fd/{root}"
        finally:
            os.close(root)
