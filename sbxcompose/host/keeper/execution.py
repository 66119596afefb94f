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


class BaseEnvironment:
    """The variables that all programs of a request have in common. What is made of them is made once."""

    __slots__ = ("_checked", "_encoded", "_paths", "values")

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self._checked = False
        self._encoded: dict[bytes, bytes] | None = None
        self._paths: dict[str, list[bytes]] = {}

    def check(self) -> None:
        """Refuse what no kernel would take. Raises `CannotSpawn`."""
        if not self._checked:
            check_environment(self.values)
            self._checked = True

    @property
    def encoded(self) -> dict[bytes, bytes]:
        """The variables as the kernel takes them."""
        if self._encoded is None:
            self._encoded = _encoded(self.values)
        return self._encoded

    def paths_of(self, command: str) -> list[bytes]:
        """Return the files that a command may mean."""
        found = self._paths.get(command)
        if found is None:
            found = self._paths[command] = _paths(command, self.values)
        return found


class Program:
    """Arguments, the files that the first of them may mean, and the whole environment, as the kernel takes them.

    `base` lies under the variables of `own`.
    """

    __slots__ = ("argv", "environment", "paths")

    def __init__(self, argv: list[str], own: dict[str, str], base: BaseEnvironment | None = None) -> None:
        self.argv = [os.fsencode(argument) for argument in argv]
        if base is None:
            self.paths, self.environment = _paths(argv[0], own), _encoded(own)
            return
        # A PATH of its own makes the command mean other files.
        self.paths = base.paths_of(argv[0]) if "PATH" not in own else _paths(argv[0], own)
        self.environment = {**base.encoded, **_encoded(own)}


def _encoded(variables: dict[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}


def _paths(command: str, environment: dict[str, str]) -> list[bytes]:
    return [os.fsencode(path) for path in candidates(command, environment)]


def check_environment(variables: dict[str, str]) -> None:
    """Refuse variables that no kernel would take. Raises `CannotSpawn`."""
    for name, value in variables.items():
        # The kernel takes any strings (execve(2)): programs would read another name, or the value up to the NUL.
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise CannotSpawn(f"the environment variable {name!r} has a bad name or value", errno.EINVAL)


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
            # To name oneself is no change, and must not be tried: setgroups(2) would be refused.
            if user in (None, os.geteuid()) and group in (None, os.getegid()):
                return None, None, None
            who = f"user {user}" if user not in (None, os.geteuid()) else f"group {group}"
            raise CannotSpawn(f"cannot become {who}: the host is not running as root", errno.EPERM)
        if group is None:
            raise CannotSpawn(f"cannot become user {user}: its group is not known", errno.EINVAL)
        # Never none: the process would keep those of the host, which may be root's.
        return user, group, self.groups or [group]
