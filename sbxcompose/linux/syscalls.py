"""System calls on namespaces, mounts, capabilities and timers that Python has no name for, or only from 3.12 on.

Every function raises `OSError`. The standard library alone; ctypes is imported with the first call.
"""

from __future__ import annotations

import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
_CLONE_PARENT = 0x8000
_SIGCHLD = 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 4, 24, 38, 47
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_CAP_AMBIENT_RAISE, _PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
_CAPABILITY_VERSION = 0x2008_0522
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CLOCK_MONOTONIC, _CLOCK_BOOTTIME, _TIMER_ABSOLUTE = 1, 7, 1

RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x04, 0x10

_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "keyctl": 250},
    "aarch64": {"clone": 220, "pivot_root": 41, "keyctl": 219},
}
"""Those whose numbers differ by architecture; newer calls have one number everywhere."""
_FSOPEN, _FSCONFIG, _FSMOUNT, _OPENAT2, _MOUNT_SETATTR = 430, 431, 432, 437, 442
_FSCONFIG_SET_STRING, _FSCONFIG_CREATE, _CLOEXEC = 1, 6, 1

_library: Any = None
_last: int = 0


def load() -> None:
    """Make ready what the calls need, before a fork whose child makes them: there it would be done each time."""
    global _last
    if not _last:
        _call("getpid")
        for name in ("unshare", "setns", "prctl", "capset", "syscall"):
            # ctypes looks a function up when it is first asked for, and keeps it.
            getattr(_library, name, None)
        _last = _last_capability()


def supported(machine: str | None = None) -> bool:
    """Return whether the numbers of all calls are known on this architecture."""
    return (machine or os.uname().machine) in _NUMBERS


def unshare(flags: int) -> None:
    """Leave some namespaces for new ones."""
    _call("unshare", flags)


def setns(fd: int, flags: int) -> None:
    """Enter namespaces: those of a process given by a pidfd (Linux 5.8), or one given by itself."""
    _call("setns", fd, flags)


def timer(when: float) -> int:
    """Return a descriptor that can be read from a moment of the monotonic clock on (timerfd_create(2))."""
    return _timer(_CLOCK_MONOTONIC, when)


def boot_timer(when: float) -> int:
    """As `timer`, by the clock of the boot: a moment that has passed while the machine slept is over when it wakes."""
    return _timer(_CLOCK_BOOTTIME, when)


def _timer(clock: int, when: float) -> int:
    fd = _call("timerfd_create", clock, os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _call("timerfd_settime", fd, _TIMER_ABSOLUTE, _timer_value(when), None)
    except OSError:
        os.close(fd)
        raise
    return fd


def _timer_value(when: float) -> bytes:
    # struct itimerspec: the interval of a repetition, then the first time, each in seconds and nanoseconds.
    seconds, nanoseconds = divmod(max(1, round(when * 1e9)), 1_000_000_000)  # 0 would disarm it
    return struct.pack("@llll", 0, 0, seconds, nanoseconds)


def clone_sibling() -> int:
    """Fork; the child is a child of this process's own parent. Returns 0 in the child."""
    # Without a stack of its own the child continues on a copy of this one, as after a fork (clone(2)).
    return _number("clone", _CLONE_PARENT | _SIGCHLD, 0, 0, 0, 0)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a file system to the tree. The arguments are those of the system call."""
    _call("mount", source.encode(), os.fsencode(target), kind.encode() or None, _long(flags), data.encode() or None)


def open_file_system(kind: str, source: str) -> int:
    """Open the root directory of a file system that is mounted nowhere; it is let go with the descriptor."""
    context = _number_plain(_FSOPEN, kind.encode(), _CLOEXEC)
    try:
        _number_plain(_FSCONFIG, context, _FSCONFIG_SET_STRING, b"source", os.fsencode(source), 0)
        _number_plain(_FSCONFIG, context, _FSCONFIG_CREATE, None, None, 0)
        return _number_plain(_FSMOUNT, context, _CLOEXEC, _ATTR_NOSUID | _ATTR_NODEV)
    finally:
        os.close(context)


def bind(source: str, target: str) -> None:
    """Show a file or directory, with all that is mounted below it, at another place as well."""
    _call("mount", os.fsencode(source), os.fsencode(target), None, _long(MS_BIND | MS_REC), None)


def restrict(target: str, *, read_only: bool = False) -> None:
    """Ignore setuid bits and device nodes on a mount and all below it (Linux 5.12)."""
    flags = _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_RDONLY if read_only else 0)
    # struct mount_attr: what is set, what is cleared, propagation, a user namespace (mount_setattr(2)).
    attributes = b"".join(value.to_bytes(8, "little") for value in (flags, 0, 0, 0))
    _number_plain(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, len(attributes))


def unmount(target: str) -> None:
    """Detach a mount, and all below it."""
    _call("umount2", os.fsencode(target), MNT_DETACH)


def change_root() -> None:
    """Make the working directory, a mount, the root of this mount namespace, and let go of the one before."""
    # With "." twice the old root lies on top of the new one, and is what "." unmounts (pivot_root(2)).
    _number("pivot_root", b".", b".")
    _call("umount2", b".", MNT_DETACH)


def set_host_name(name: str) -> None:
    """Name the machine of this UTS namespace."""
    _call("sethostname", name.encode(), _long(len(name.encode())))


def set_dumpable(on: bool) -> None:
    """Let processes of the same user look into this one, or not."""
    _call("prctl", _PR_SET_DUMPABLE, _long(int(on)), _long(0), _long(0), _long(0))


def forbid_new_privileges() -> None:
    """Let no program that is executed from now on gain rights by being setuid."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, _long(1), _long(0), _long(0), _long(0))


def set_seccomp_filter(filter: bytes) -> None:
    """Let a filter decide on the system calls of this process from now on; `filter` is a `struct sock_fprog`."""
    _call("prctl", _PR_SET_SECCOMP, _long(_SECCOMP_MODE_FILTER), filter, _long(0), _long(0))


def limit_capabilities(kept: frozenset[int]) -> None:
    """Give up all capabilities but these, for this process and all that it executes."""
    _call("prctl", _PR_CAP_AMBIENT, _long(_PR_CAP_AMBIENT_CLEAR_ALL), _long(0), _long(0), _long(0))
    for number in range(_last_capability() + 1):
        if number not in kept:
            _call("prctl", _PR_CAPBSET_DROP, _long(number), _long(0), _long(0), _long(0))


def set_capabilities(permitted: frozenset[int], inheritable: frozenset[int] = frozenset()) -> None:
    """Have these capabilities in effect, and none else."""
    words = [sum(1 << number for number in numbers) for numbers in (permitted, permitted, inheritable)]
    halves = [word >> shift & 0xFFFF_FFFF for shift in (0, 32) for word in words]
    # Two structures of effective, permitted and inheritable, the lower 32 capabilities first (capset(2)).
    header = _CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4)
    _call("capset", header, b"".join(half.to_bytes(4, "little") for half in halves))


def keep_capabilities_at_exec() -> None:
    """Let a program that is executed as a user other than root have all capabilities that this process has."""
    every = frozenset(range(_last_capability() + 1))
    set_capabilities(every, every)
    for number in every:
        _call("prctl", _PR_CAP_AMBIENT, _long(_PR_CAP_AMBIENT_RAISE), _long(number), _long(0), _long(0))


def new_session_keyring() -> None:
    """Leave the session keyring of whoever started this process."""
    _number("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, None)


def open_in_root(root: int, path: bytes, flags: int, mode: int = 0, *, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open a path as if the directory `root` were the root directory, symbolic links included (Linux 5.6)."""
    # struct open_how (openat2(2)).
    how = b"".join(value.to_bytes(8, "little") for value in (flags | os.O_CLOEXEC, mode, resolve))
    return _number_plain(_OPENAT2, root, path, how, len(how))


def _last_capability() -> int:
    if _last:
        return _last
    with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as file:
        return int(file.read())


def _number(name: str, *arguments: Any) -> int:
    known = _NUMBERS.get(os.uname().machine)
    if known is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return _number_plain(known[name], *arguments)


def _number_plain(number: int, *arguments: Any) -> int:
    # As longs: ctypes passes integers as C ints, and the upper half of a register would be undefined (syscall(2)).
    return _call("syscall", _long(number), *map(_argument, arguments))


def _argument(value: Any) -> Any:
    return _long(value) if isinstance(value, int) else value


def _open_library() -> None:
    global _library, _long
    import ctypes

    _long = ctypes.c_long
    _library = ctypes.PyDLL(None, use_errno=True)
    _library.syscall.restype = ctypes.c_long


def _long(value: int) -> Any:
    """Return a number as a C long; ctypes takes the place of this function with the first call."""
    _open_library()
    return _long(value)


def _call(name: str, *arguments: Any) -> int:
    """Call a function of the C library, without letting go of the interpreter: it may return in another process."""
    if _library is None:
        _open_library()
    function = getattr(_library, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result = int(function(*arguments))
    if result == -1:
        import ctypes

        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
