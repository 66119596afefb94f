"""Control groups, of version 2 and 1: where this process may make its own, those of hosts that have ended, and one
that freezes what is in it.

All groups of a host are below directories that it holds by a lock, which ends with it: so others can tell what is left.
"""

from __future__ import annotations

import fcntl
import os

from sbxcompose.linux.kernel import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def places(controller: str, proc: str = "/proc/self") -> list[str]:
    """Return the directories of the groups that this process is in and in which `controller` could be used: version 2
    first. Reads `mountinfo` and `cgroup` of `proc`.
    """
    own = dict(_memberships(read_text(f"{proc}/cgroup")))
    found: list[tuple[int, str]] = []
    for kind, names, root, mount in _mounts(read_text(f"{proc}/mountinfo")):
        # Version 2 has one hierarchy for all controllers, which has no name in /proc/self/cgroup (cgroups(7)).
        hierarchy = "" if kind == "cgroup2" else next((name for name in names if name in own), None)
        if hierarchy is None or hierarchy not in own or (kind == "cgroup" and controller not in names):
            continue
        directory = _below(mount, root, own[hierarchy])
        if directory is not None:
            found.append((0 if kind == "cgroup2" else 1, directory))
    return [directory for _, directory in sorted(found, key=lambda group: group[0])]


def unified(controller: str) -> list[str]:
    """Return the groups of version 2 below which groups could be made, the nearest first: this process's own, and those
    above it.

    In its own there are processes, and so there may be no limited groups below it; in those above there may.
    """
    found: list[str] = []
    for place in places(controller):
        while os.path.exists(f"{place}/cgroup.controllers"):
            found.append(place)
            place = os.path.dirname(place)
    return found


def _memberships(text: str) -> Iterator[tuple[str, str]]:
    """Yield (controller, path) of each hierarchy; that of version 2 has no name."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounts(text: str) -> Iterator[tuple[str, list[str], str, str]]:
    """(type, options of the hierarchy, its root in this mount, mount point) of every hierarchy that is mounted."""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if kind[0] in ("cgroup", "cgroup2"):
            yield kind[0], kind[2].split(","), _plain(fields[3]), _plain(fields[4])


def _plain(path: str) -> str:
    """Decode a path of mountinfo, where blanks are written as octal numbers."""
    # The backslash last: decoded first, one of the path itself would begin another number.
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _below(mount: str, root: str, path: str) -> str | None:
    """Where a group's path is to be found; None when this mount does not show it."""
    if root != "/" and path != root and not path.startswith(root + "/"):
        return None
    if path.startswith("/.."):  # in a group outside of our cgroup namespace
        return None
    inner = path if root == "/" else path[len(root) :]
    return mount + inner.rstrip("/")


CONTROLLERS = ("memory", "cpu", "pids", "freezer")
"""Those that hosts use."""


def hold(base: str) -> int:
    """Make the directory of a host's groups, if it is not there, and keep it from being removed by other hosts for as
    long as the returned descriptor is open. Raises `OSError`.
    """
    while True:
        os.makedirs(base, exist_ok=True)
        try:
            fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        # Shared, as each of a host's keepers holds it; `sweep` takes it alone. It may have had it, and have removed the
        # directory, between our open and our lock.
        fcntl.flock(fd, fcntl.LOCK_SH)
        if _is_at(fd, base):
            return fd
        os.close(fd)  # another host has removed it meanwhile


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except OSError:
        return False


def sweep(directories: Iterable[str] | None = None) -> None:
    """Remove groups of this user's hosts that have ended, unless something is in them. Never raises."""
    if directories is None:
        directories = {place for name in CONTROLLERS for place in (*places(name), *unified(name))}
    ours = (f"sbxcompose-{os.getuid()}-", f"sbxcompose-limits-{os.getuid()}-")
    for directory in directories:
        for name in _folders(directory):
            if name.startswith(ours):
                _remove_unheld(f"{directory}/{name}")


def _remove_unheld(base: str) -> None:
    try:
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove_empty(base)
    except OSError:  # its host lives, or something does
        return
    finally:
        os.close(fd)


def _remove_empty(group: str) -> None:
    # Its files cannot be deleted, nor need they; rmdir(2) is refused for a group that has processes.
    for name in _folders(group):
        _remove_empty(f"{group}/{name}")
    os.rmdir(group)


def _folders(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as found:
            return [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


class FreezerGroup:
    """A group whose processes run, or do not. Every method raises `OSError`.

    In version 2 a frozen process can be killed; in version 1 it dies once it is thawed, before it does anything.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._modern = os.path.exists(f"{path}/cgroup.freeze")

    @classmethod
    def make(cls, path: str) -> FreezerGroup:
        """Return the group at a path, made if it is not there; `OSError`, too, where groups cannot be frozen."""
        os.makedirs(path, exist_ok=True)
        group = cls(path)
        if not group._modern and not os.path.exists(f"{path}/freezer.state"):
            os.rmdir(path)
            raise OSError(f"control group {path} cannot be frozen")
        return group

    def freeze(self) -> None:
        """Let nothing in it run, nor what comes in."""
        self._write(*(("cgroup.freeze", "1") if self._modern else ("freezer.state", "FROZEN")))

    def thaw(self) -> None:
        """Let it run."""
        self._write(*(("cgroup.freeze", "0") if self._modern else ("freezer.state", "THAWED")))

    @property
    def frozen(self) -> bool:
        """Whether all that is in it has come to a stop."""
        if self._modern:
            return "frozen 1" in read_text(f"{self.path}/cgroup.events").splitlines()
        return read_text(f"{self.path}/freezer.state").strip() == "FROZEN"

    def add(self, pid: int) -> bool:
        """Move a process in; False when it is gone."""
        try:
            self._write("cgroup.procs", str(pid))
        except ProcessLookupError:
            return False
        return True

    def members(self) -> set[int]:
        """Return the processes in it."""
        return {int(pid) for pid in read_text(f"{self.path}/cgroup.procs").split()}

    def _write(self, name: str, text: str) -> None:
        fd = os.open(f"{self.path}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
