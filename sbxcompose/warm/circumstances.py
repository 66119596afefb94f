"""What a command inherits from its caller and a fork server cannot give it: limits, groups, namespaces and the like.

A command goes to a fork server only if both have the same. Imports little: every command comes by here.
"""

from __future__ import annotations

import os
import sys

from sbxcompose.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Description = dict[str, str]
"""Circumstances by name."""

COLD = frozenset(("host", "doctor", "version", "top", "--ui", "mcp"))
"""Words of commands that run cold: about this very process, as quick that way, or reading the terminal all the time."""
_PREFIXES = ("PYTHON", "LC_", "LD_", "MALLOC_", "PYDANTIC_", "RUST_", "OPENSSL_", "WATCHFILES_", "COVERAGE_")
_NAMES = frozenset(("LANG", "LANGUAGE", "LOCPATH", "GCONV_PATH", "GLIBC_TUNABLES", "NLSPATH"))
_STATUS = (
    "Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters THP_enabled"
    " Speculation_Store_Bypass SpeculationIndirectBranch Cpus_allowed Mems_allowed"
)
"""Lines of /proc/PID/status."""
_FILES = ("limits", "cgroup", "oom_score_adj", "personality", "attr/current", "timerslack_ns")
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts")


def own() -> tuple[Description, dict[str, str]]:
    """Return this process's circumstances, and its /proc/self/status. Raises `OSError` where there is no /proc."""
    status = parse_status(_read("status"))
    root = os.stat("/")
    parameters = os.sched_getparam(0).sched_priority
    found = {
        "interpreter": repr((sys.version, sys.prefix, sys.base_prefix, flags(sys.flags))),
        "package": f"{os.path.dirname(os.path.dirname(__file__))} {__version__}",
        "variables": variables(os.environ),
        "status": "\n".join(f"{name}: {status[name]}" for name in sorted(set(_STATUS.split()) & status.keys())),
        "scheduling": f"{os.sched_getscheduler(0)} {parameters} {os.getpriority(os.PRIO_PROCESS, 0)}",
        # Inside chroot(2) "/" is another directory.
        "root": f"{root.st_dev} {root.st_ino}",
        "namespaces": " ".join(_link(f"/proc/self/ns/{name}") for name in _NAMESPACES),
    }
    # Some kernels have no such file, and some containers no right to it: then both sides have the same error.
    for name in _FILES:
        found[name] = _read_if_possible(name)
    return found, status


def parse_status(text: str) -> dict[str, str]:
    """Return the lines of /proc/PID/status by name; pure."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def flags(found: sys._flags) -> tuple[int, ...]:
    """Return the interpreter's flags that matter: all but `-P`, which says only what the server's path begins with."""
    return tuple(int(getattr(found, name)) for name in _FLAGS.split() if hasattr(found, name))


_FLAGS = (
    "debug inspect interactive optimize dont_write_bytecode no_user_site no_site ignore_environment verbose quiet"
    " bytes_warning hash_randomization isolated dev_mode utf8_mode warn_default_encoding"
    " int_max_str_digits"
)


def variables(environ: Mapping[str, str]) -> str:
    """Return the variables that a program reads once, when it starts; pure. All others the command itself is given."""
    return "\n".join(
        f"{name}={environ[name]}" for name in sorted(environ) if name in _NAMES or name.startswith(_PREFIXES)
    )


def difference(server: Mapping[str, str], client: Mapping[str, str]) -> str | None:
    """Return the name of a circumstance that is not the same, or None; pure."""
    for name in sorted({*server, *client}):
        if server.get(name) != client.get(name):
            return name
    return None


def unsuitable(
    arguments: Sequence[str], interpreter: Sequence[str], status: Mapping[str, str], *, terminal_input: bool
) -> str | None:
    """Return why a command needs a process of its own whatever servers there are, or None; pure.

    `interpreter`: the command line of the interpreter itself; `status`: of /proc/self/status.
    """
    if not interpreter or len(interpreter) < 2 or interpreter[1].startswith("-"):
        return "the interpreter was started with options"
    if not COLD.isdisjoint(arguments):
        return "the command needs a process of its own"
    if terminal_input and "-" in arguments:
        return "it may read a file from the terminal"
    # Who traces a command (strace, gdb) wants to see its work, and would see only a client that waits.
    if status.get("TracerPid", "0") != "0":
        return "it is being traced"
    # A mask is inherited through exec (signal(7)); the fork has that of its server.
    if int(status.get("SigBlk", "0"), 16):
        return "it was started with blocked signals"
    return None


def _read(name: str) -> str:
    descriptor = os.open(f"/proc/self/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 1 << 16).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)


def _read_if_possible(name: str) -> str:
    try:
        return _read(name)
    except OSError as error:
        return f"error {error.errno}"


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
