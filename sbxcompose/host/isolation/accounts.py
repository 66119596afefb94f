"""The users of an isolated sandbox: those of its own /etc/passwd and /etc/group, which its programs may change."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

from sbxcompose.host.isolation.plan import USER, USER_HOME, USER_ID

LARGEST = 1 << 20
"""Bytes of such a file that are read."""


class SandboxAccounts:
    """Looks users and groups up, each time in the files as they are then. `own_uid` is who runs what names no user.

    `etc` returns the directory of the sandbox's own files of /etc, or raises `OSError`.
    """

    def __init__(self, etc: Callable[[], Path], *, privileged: bool) -> None:
        self._etc = etc
        self.own_uid = 0 if privileged else USER_ID

    def user(self, user: str | int) -> pwd.struct_passwd | None:
        """Return the account of a name or number."""
        index, wanted = (2, str(user)) if isinstance(user, int) else (0, user)
        for fields in self._lines("passwd", 7):
            if fields[index] == wanted and fields[2].isdecimal() and fields[3].isdecimal():
                return pwd.struct_passwd((*fields[:2], int(fields[2]), int(fields[3]), *fields[4:7]))
        if user in (USER_ID, USER):
            return pwd.struct_passwd((USER, "x", USER_ID, USER_ID, "", USER_HOME, "/bin/bash"))
        return None

    def group(self, name: str) -> int | None:
        """Return the number of a group."""
        found = (fields[2] for fields in self._lines("group", 4) if fields[0] == name)
        number = next(found, "")
        return int(number) if number.isdecimal() else None

    def groups(self, name: str, group: int) -> list[int]:
        """Return all groups of a user whose main one is `group`."""
        mine = (fields[2] for fields in self._lines("group", 4) if name in fields[3].split(","))
        return sorted({group, *(int(number) for number in mine if number.isdecimal())})

    def _lines(self, name: str, count: int) -> list[list[str]]:
        lines = [line.split(":") for line in _read(self._etc, name).splitlines()]
        return [fields for fields in lines if len(fields) == count]


def _read(etc: Callable[[], Path], name: str) -> str:
    """Return a small regular file; what a sandbox has put in its place is not followed, nor waited for."""
    try:
        fd = os.open(etc() / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        return os.read(fd, LARGEST).decode("utf-8", "replace")
    finally:
        os.close(fd)
