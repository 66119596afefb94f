"""What the plan of an isolated sandbox must know of this machine, and why this machine may not permit one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from sbxcompose import paths
from sbxcompose.host.isolation.plan import STATE, SYSTEM, MachineFacts
from sbxcompose.linux import syscalls
from sbxcompose.linux.kernel import read_text

VIRTUAL = frozenset({"autofs", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"})
"""File systems that hold no files of the operating system."""
_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3")


@cache
def machine_facts() -> MachineFacts:
    """Look at this machine, once."""
    return MachineFacts(
        privileged=os.geteuid() == 0,
        directories=tuple(path for path in (*SYSTEM, *STATE) if _is_directory(f"/{path}")),
        mounted=tuple(mount_points(read_text("/proc/self/mountinfo"))),
        hidden=tuple(_hidden()),
        resolver=_resolver(),
        python=None if any(map(os.path.exists, _PYTHONS)) else os.path.realpath(sys.base_prefix),
    )


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def links() -> dict[str, str]:
    """Return the symbolic links among the directories of the operating system (`bin` -> `usr/bin`)."""
    return {path: os.readlink(f"/{path}") for path in SYSTEM if os.path.islink(f"/{path}")}


def _hidden(environ: Mapping[str, str] = os.environ) -> list[str]:
    own = [str(paths.state_path(environ)), str(paths.runtime_directory(environ)), os.path.expanduser("~")]
    return sorted({os.path.realpath(path) for path in own} - {"/"})


def _resolver() -> str | None:
    real = os.path.realpath("/etc/resolv.conf")
    return real if real != "/etc/resolv.conf" and os.path.isfile(real) else None


def mount_points(mountinfo: str) -> Iterable[str]:
    """Yield the mount points of file systems that are not virtual, in the order in which they were mounted."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        if right and right.split()[0] not in VIRTUAL:
            yield left.split()[4].encode().decode("unicode_escape")


def hint(message: str, state: str) -> str:
    """Return what to change where a sandbox cannot be isolated, by what has failed."""
    if not syscalls.supported():
        return f"isolation is supported on x86_64 and aarch64; this machine is {os.uname().machine}"
    if "namespaces" in message:
        return _namespaces_hint(os.geteuid() == 0)
    if "overlay" in message:
        return (
            f"the state directory {state} is on a file system that cannot be the upper layer of an overlay (an overlay"
            " itself, NFS); set SBXCOMPOSE_STATE_DIR to one on ext4, XFS, btrfs or tmpfs"
        )
    return "run the host on the machine itself or in a privileged container, or use `isolation: none`"


def _namespaces_hint(root: bool) -> str:
    if root:
        return "root lacks CAP_SYS_ADMIN here; give the container that capability, or use `isolation: none`"
    settings = {
        "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces=10000"),
    }
    wrong = [setting for path, (value, setting) in settings.items() if read_text(path).strip() == value]
    if wrong:
        return f"this machine does not allow user namespaces without root: `sudo sysctl {' '.join(wrong)}` allows them"
    return "run the host as root, allow user namespaces to users, or use `isolation: none`"
