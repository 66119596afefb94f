"""The init process of an isolated sandbox: it builds the sandbox's root, then reaps orphans until it is killed.

It reads its plan (see `host.isolation.plan`) from standard input, writes one line to standard output (`ready`, or what
failed), and then holds nothing of the outside. Its end ends everything in the sandbox, and all mounts with it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from sbxcompose.host.keeper.enter import CAPABILITIES, READY, give_up_rights
from sbxcompose.light import loads, signal
from sbxcompose.linux import loop, seccomp, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IMAGE, IMAGE_KIND = "image", "ext4"
"""The file of a disk of limited size, in the disk's directory, and its file system."""
_QUIET = syscalls.MS_NOSUID | syscalls.MS_NODEV
_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
_LINKS = {
    **{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1"},
    **{"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"},
}
# What Docker makes read-only or hides by default (moby, oci/defaults.go); /sys is an empty directory here.
_PROC_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_PROC_HIDDEN = ("acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats")


class RootNotBuilt(Exception):
    """A step of the plan could not be carried out; the message names it."""


def main() -> int:
    """Build the root, say so, and reap until the end."""
    # All that is imported must be so before the files of the host are out of sight.
    syscalls.load()
    seccomp.load()
    plan = loads(sys.stdin.buffer.read())
    try:
        RootBuilder(plan).build()
        give_up_rights()
        # Unprivileged, the host looks into the sandbox with the rights of whoever made its user namespace.
        syscalls.set_dumpable(False)
        syscalls.set_capabilities(CAPABILITIES if os.geteuid() == 0 else frozenset())
    except RootNotBuilt as error:
        os.write(1, f"{error}\n".encode())
        return 1
    except OSError as error:
        os.write(1, f"giving up rights: {_words(error)}\n".encode())
        return 1
    os.write(1, READY + b"\n")
    _detach()
    _reap()
    return 0


def _detach() -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.closerange(3, 1 << 30)


def _reap() -> None:
    """Reap whatever is orphaned here. Signals are taken, not delivered: nothing in the sandbox can end its init."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


class RootBuilder:
    """The root of a sandbox, built in this process's mount namespace."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._privileged = not plan["user"]
        self._root = -1

    def build(self) -> None:
        """Carry out the plan and make the result the root directory. Raises `RootNotBuilt`."""
        self._do("making mounts private", lambda: syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE))
        self._do("entering the sandbox's disk", self._enter_disk)
        self._do("mounting the root", self._mount_root)
        for step in self._plan["steps"]:
            kind, path, *rest = step
            shown = f"{kind} of {rest[0]}" if kind == "bind" else kind
            self._do(f"{shown} at /{path}", lambda k=kind, p=path, r=rest: getattr(self, f"_{k}")(p, *r))
        self._do("changing the root", self._change_root)
        self._do("naming the host", lambda: syscalls.set_host_name(self._plan["hostname"]))

    def _do(self, what: str, work: Any) -> None:
        try:
            work()
        except OSError as error:
            raise RootNotBuilt(f"{what}: {_words(error)}") from None

    def _enter_disk(self) -> None:
        disk = self._plan["disk"]
        os.chdir(disk)
        if os.path.exists(IMAGE):
            with loop.attached(IMAGE) as device:
                # `discard`: what is removed in the sandbox becomes a hole in the image, and free on the machine.
                syscalls.mount(device, disk, IMAGE_KIND, _QUIET, "discard")
            os.chdir(disk)

    def _mount_root(self) -> None:
        syscalls.bind("root", "root")  # what pivot_root(2) is given has to be a mount
        syscalls.restrict("root")
        self._root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def _change_root(self) -> None:
        os.fchdir(self._root)
        syscalls.change_root()
        os.close(self._root)
        os.chdir("/")

    # -- steps ---------------------------------------------------------------------------------------------

    def _overlay(self, path: str, layer: str) -> None:
        options = f"lowerdir=/{path},upperdir={layer}/upper,workdir={layer}/work"
        # Snapshots copy the layer: with `metacopy` files there could lack their data, and `index` ties it to inodes.
        # The kernel has neither with `userxattr`, which is how a layer is written without root.
        options += ",index=off,metacopy=off" if self._privileged else ",userxattr"
        syscalls.mount("overlay", self._place(path), "overlay", _QUIET, options)

    def _bind(self, path: str, source: str, mode: str) -> None:
        # A program in a sandbox may have put a link in the place of what lies in a directory that it can write to.
        shown = syscalls.open_in_root(-1, os.fsencode(source), os.O_PATH, resolve=syscalls.RESOLVE_NO_SYMLINKS)
        try:
            directory = stat.S_ISDIR(os.fstat(shown).st_mode)
            syscalls.bind(f"/proc/self/fd/{shown}", self._place(path, directory=directory))
        finally:
            os.close(shown)
        syscalls.restrict(self._place(path, directory=directory), read_only=mode == "ro")

    def _hide(self, path: str) -> None:
        syscalls.mount("tmpfs", self._place(path), "tmpfs", _QUIET, "size=64k,mode=755")

    def _memory(self, path: str) -> None:
        syscalls.mount("tmpfs", self._place(path), "tmpfs", _QUIET, "mode=1777")

    def _dev(self, path: str) -> None:
        syscalls.mount("tmpfs", self._place(path), "tmpfs", syscalls.MS_NOSUID, "size=64k,mode=755")
        place = self._place(path)
        for name, (major, minor) in _DEVICES.items():
            if self._privileged:  # nodes of its own: root in the sandbox may change their modes
                os.mknod(f"{place}/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
                os.chmod(f"{place}/{name}", 0o666)
            else:
                os.close(os.open(f"{place}/{name}", os.O_CREAT | os.O_CLOEXEC, 0o666))
                syscalls.bind(f"/dev/{name}", f"{place}/{name}")
        for name, target in _LINKS.items():
            os.symlink(target, f"{place}/{name}")
        os.mkdir(f"{place}/pts")
        os.mkdir(f"{place}/shm")
        options = "newinstance,ptmxmode=0666,mode=620"  # no gid=5: a sandbox without root has but one group
        syscalls.mount("devpts", f"{place}/pts", "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, options)

    def _proc(self, path: str) -> None:
        syscalls.mount("proc", self._place(path), "proc", _QUIET | syscalls.MS_NOEXEC)
        place = self._place(path)
        for name in _PROC_READ_ONLY:
            if os.path.exists(f"{place}/{name}"):
                syscalls.bind(f"{place}/{name}", f"{place}/{name}")
                syscalls.restrict(f"{place}/{name}", read_only=True)
        for name in _PROC_HIDDEN:
            if os.path.isdir(f"{place}/{name}"):
                self._hide(f"{path}/{name}")
            elif os.path.exists(f"{place}/{name}"):
                syscalls.bind("/dev/null", f"{place}/{name}")

    # -- where ---------------------------------------------------------------------------------------------

    def _place(self, path: str, *, directory: bool = True) -> str:
        """Return where to mount something: a path by descriptor, made if it is not there.

        What is in the sandbox's own layer was written by programs that are not trusted: a symbolic link leads nowhere
        but into the sandbox.
        """
        parent = os.dup(self._root)
        names = [name for name in path.split("/") if name]
        for number, name in enumerate(names):
            last = number == len(names) - 1
            child = self._enter(parent, name, "/".join(names[:number]), directory=directory or not last)
            os.close(parent)
            parent = child
        return f"/proc/self/fd/{parent}"

    def _enter(self, parent: int, name: str, above: str, *, directory: bool) -> int:
        flags = os.O_PATH | (os.O_DIRECTORY if directory else 0)
        try:
            return syscalls.open_in_root(self._root, os.fsencode(f"{above}/{name}".lstrip("/")), flags)
        except (FileNotFoundError, NotADirectoryError):
            pass
        found = os.path.lexists(f"/proc/self/fd/{parent}/{name}")
        # A file, or a link to nothing, of a program here: it is the sandbox's own, and must not keep it from starting.
        if found:
            os.unlink(name, dir_fd=parent)
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _words(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a symbolic link has taken the place of what was there when the sandbox was made"
    return (error.strerror or str(error)).lower()
