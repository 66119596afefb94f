"""Loop devices: a file of a fixed size as a disk. The standard library alone; every function raises `OSError`.

A device is released by the kernel with its last mount and descriptor, so nothing is left when its user is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SET_UP, _GET_STATUS, _GET_FREE = 0x4C0A, 0x4C05, 0x4C82
_AUTOCLEAR = 4
_FLAGS_AT, _STATUS_SIZE, _CONFIG_RESERVED = 52, 232, 64
"""Where the flags are in `struct loop_info64`, its size, and what follows it in `struct loop_config`."""
_TRIES = 8
"""How often a free device may be taken by another process first."""
CONTROL = "/dev/loop-control"


@contextmanager
def attached(image: str) -> Iterator[str]:
    """Give the path of the one device that shows a file, for as long as it takes to mount it.

    Two devices on one file would be two disks that do not know of each other: so only one process at a time looks for
    a device, or makes one.
    """
    lock = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        device, path = _find(lock) or _make(image)
        try:
            yield path
        finally:
            os.close(device)
    finally:
        os.close(lock)


def _find(file: int) -> tuple[int, str] | None:
    """Open the device that shows a file already, if there is one."""
    wanted = os.fstat(file)
    for name in sorted(os.listdir("/sys/block")):
        if not name.startswith("loop") or not os.path.isdir(f"/sys/block/{name}/loop"):
            continue
        with suppress(OSError):
            device = os.open(f"/dev/{name}", os.O_RDWR | os.O_CLOEXEC)
            try:  # asked once it is open: from then on it is not released
                status = fcntl.ioctl(device, _GET_STATUS, bytes(_STATUS_SIZE))
            except OSError:
                os.close(device)
                continue
            if struct.unpack_from("QQ", status) == (wanted.st_dev, wanted.st_ino):
                return device, f"/dev/{name}"
            os.close(device)
    return None


def _make(image: str) -> tuple[int, str]:
    # Opened anew: the device keeps what it is given, and would keep the lock with it.
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _set_up(file)
    finally:
        os.close(file)


def _set_up(file: int) -> tuple[int, str]:
    status = bytearray(_STATUS_SIZE)
    struct.pack_into("I", status, _FLAGS_AT, _AUTOCLEAR)
    config = struct.pack("II", file, 0) + bytes(status) + bytes(_CONFIG_RESERVED)
    for _ in range(_TRIES):
        path = free_device()
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _SET_UP, config)
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:
                raise
        else:
            return device, path
    raise OSError(errno.EBUSY, "all loop devices are taken by others")


def free_device() -> str:
    """Return the path of a device that shows no file, made if there is none."""
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        return f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
    finally:
        os.close(control)
