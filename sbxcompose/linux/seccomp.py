"""The system calls that no program in an isolated sandbox may make, as a filter of the kernel (seccomp).

What is refused is what a program can do without rights and what has let programs out of containers before: user
namespaces of its own, and with them the rights over mounts, packet filters and the like; `io_uring`, `userfaultfd`,
`bpf`, `perf_event_open`, keyrings; the kernel's log; sockets that lead out of every network namespace; input put into
a terminal that was not typed there. All else is left to the kernel's own rights. The standard library alone.
"""

from __future__ import annotations

import errno
import os
import struct

from sbxcompose.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_NAMES = (
    *("clone", "unshare", "socket", "ioctl", "add_key", "request_key", "keyctl", "bpf", "perf_event_open"),
    *("userfaultfd", "open_by_handle_at", "syslog"),
)
_NUMBERS = {
    "x86_64": dict(zip(_NAMES, (56, 272, 41, 16, 248, 249, 250, 321, 298, 323, 304, 103), strict=True)),
    "aarch64": dict(zip(_NAMES, (220, 97, 198, 29, 217, 218, 219, 280, 241, 282, 265, 116), strict=True)),
}
_IO_URING = (425, 426, 427)
_CLONE3 = 435
_X32 = 0x4000_0000
_NEVER = ("add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd", "open_by_handle_at", "syslog")
_AF_ALG, _AF_VSOCK = 38, 40
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF_0000, 0x0005_0000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16

Instruction = tuple[int, int, int, int]
"""Operation, how many instructions to skip if true, and if false, and its operand."""

_loaded: tuple[Any, bytes] | None = None


def program(machine: str) -> list[Instruction]:
    """Return the filter for an architecture. Another one's system calls do not exist (32-bit programs)."""
    numbers = _NUMBERS[machine]
    refused, missing = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, missing),
        (_LOAD, 0, 0, _NUMBER_AT),
        # x32 calls have the same architecture and other numbers, by which they would get past the tests below.
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, missing),
        # Its flags are out of reach for a filter; the C library then takes `clone`.
        *_always(_CLONE3, missing),
        *(line for number in (*map(numbers.__getitem__, _NEVER), *_IO_URING) for line in _always(number, refused)),
        *_with(numbers["clone"], 0, _ANY_BIT, [syscalls.CLONE_NEWUSER], refused),
        *_with(numbers["unshare"], 0, _ANY_BIT, [syscalls.CLONE_NEWUSER], refused),
        *_with(numbers["socket"], 0, _EQUAL, [_AF_ALG, _AF_VSOCK], refused),
        *_with(numbers["ioctl"], 1, _EQUAL, [_TIOCSTI, _TIOCLINUX], refused),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _always(number: int, answer: int) -> list[Instruction]:
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]


def _with(number: int, argument: int, test: int, values: list[int], answer: int) -> list[Instruction]:
    """Refuse a call by the lower half of one argument."""
    count = len(values)
    tests = [(test, count - 1 - place, int(place == count - 1), value) for place, value in enumerate(values)]
    lines = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument), *tests, (_RETURN, 0, 0, answer), (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(lines), number), *lines]


def load() -> None:
    """Make the filter ready, before a fork whose child takes it. Raises `OSError` on other architectures."""
    global _loaded
    if _loaded is not None:
        return
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    import ctypes

    lines = program(machine)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    _loaded = code, struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code))


def enforce() -> None:
    """Filter the system calls of this process, and of all that it starts and executes, for good. Raises `OSError`."""
    load()
    assert _loaded is not None
    syscalls.set_seccomp_filter(_loaded[1])
