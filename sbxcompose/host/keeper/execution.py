"""What a process is made of besides its streams: the program, and what it is given between the fork and the exec.

Both ways of starting one carry this out, `fork_exec.py` on the machine and `enter.py` in an isolated sandbox. The
server fills an `ExecContext` (`supervise/spawn_request.py`), and it travels to the keeper by the names of its fields:
something more that the kernel has to know of a process is a field here, and what the child does with it.
"""

from __future__ import annotations

import errno
import os

from sbxcompose.host.keeper.explain import CannotSpawn, candidates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Program:
    """Arguments, the files that the first of them may mean, and the whole environment, as the kernel takes them."""

    __slots__ = ("argv", "environment", "paths")

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.argv = [os.fsencode(argument) for argument in argv]
        self.paths = [os.fsencode(path) for path in candidates(argv[0], environment)]
        self.environment = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}


class ExecContext:
    """Directory, user, mask of file modes and control groups of a process.

    A `uid` needs a `gid`; without `groups` the process has no supplementary groups but `gid`. `cgroups` are directories
    of control groups that it is in from its start. Without `cwd` it is where the keeper is.
    """

    __slots__ = ("cgroups", "cwd", "gid", "groups", "uid", "umask")

    def __init__(
        self,
        cwd: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        groups: list[int] | None = None,
        umask: int = 0o022,
        cgroups: Sequence[str] = (),
    ) -> None:
        self.cwd = cwd
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.umask = umask
        self.cgroups = cgroups

    @classmethod
    def read(cls, request: Mapping[str, Any]) -> ExecContext:
        """Return that of a request, which may be one of a server that does not know all of it."""
        return cls(**{name: request[name] for name in cls.__slots__ if name in request})

    def write(self) -> dict[str, Any]:
        """Return it as fields of a request."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def needs_preparation(self) -> bool:
        """Whether `prepare` does anything: then the child runs Python code, and cannot share the keeper's memory."""
        return bool(self.cgroups)

    def prepare(self) -> None:
        """Give this process what its program will inherit: the child, or the helper that forks it in a sandbox."""
        for group in self.cgroups:
            fd = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"0")  # the process that writes (cgroups(7))
            finally:
                os.close(fd)

    def identity(self) -> tuple[int | None, int | None, list[int] | None]:
        """User, group and supplementary groups to switch to; three times None to stay. Raises `CannotSpawn`."""
        user, group = self.uid, self.gid
        if user is None and group is None:
            return None, None, None
        if os.geteuid() != 0:
            if user in (None, os.geteuid()) and group in (None, os.getegid()):
                return None, None, None
            who = f"user {user}" if user not in (None, os.geteuid()) else f"group {group}"
            raise CannotSpawn(f"cannot become {who}: the host is not running as root", errno.EPERM)
        if group is None:
            raise CannotSpawn(f"cannot become user {user}: its group is not known", errno.EINVAL)
        return user, group, self.groups or [group]
