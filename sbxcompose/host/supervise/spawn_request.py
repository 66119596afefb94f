"""A start request -> what the keeper is to spawn (contract, sections 3.2, 3.4 and 3.5)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.isolation.accounts import SandboxAccounts
from sbxcompose.host.isolation.plan import USER
from sbxcompose.host.keeper.client import Spawn
from sbxcompose.host.keeper.execution import ExecContext
from sbxcompose.host.logs.directory import file_name
from sbxcompose.host.supervise import users

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROWS, COLUMNS = 24, 80
"""The size of the terminal of a process that has one."""
MAX_NAME = 200
"""Bytes of a name as a file name."""


class Workdir(Struct, frozen=True):
    """Where the processes of a sandbox run that do not say, and where relative directories begin.

    A `private` one is the sandbox's own, below the host's state, which no other user may enter: who runs as another one
    begins at home.
    """

    path: str
    private: bool


def describe(request: StartRequest, workdir: Workdir | None, accounts: SandboxAccounts | None = None) -> Spawn:
    """Return how a request is to be spawned; unit and meta are left to the caller. Raises `Problem`.

    Without a `workdir`, or where it is not to be entered, the user's home takes its place; `/` if that is missing.
    `accounts` are those of an isolated sandbox. A field of the request that `ExecContext` has too needs nothing here.
    """
    try:
        who = _identity(request, accounts)
    except users.BadUser as error:
        raise Problem(400, str(error), "BAD_USER") from None
    except users.UserError as error:
        raise Problem(500, str(error), "USER", _user_hint(request, accounts)) from None
    usable = workdir is not None and not (workdir.private and who.uid not in (None, os.geteuid()))
    base = workdir.path if workdir is not None and usable else _home(who.home)
    own = {"PATH": DEFAULT_PATH, "HOME": who.home, "USER": who.name, "LOGNAME": who.name}
    spawn = Spawn(
        unit="",
        argv=[request.command, *request.args],
        env={**own, **request.env},
        context=ExecContext(
            cwd=os.path.join(base, request.working_dir or ""),
            uid=who.uid,
            gid=who.gid,
            groups=who.groups,
            **{name: getattr(request, name) for name in ExecContext.__slots__ if name in request.__struct_fields__},
        ),
        stdin="pipe" if request.stdin_mode == "pipe" else "null",
        stdout="pipe" if request.stdout_mode == "capture" else "null",
        stderr="pipe" if request.stderr_mode == "capture" else "null",
    )
    if request.tty:
        spawn.pty, spawn.pty_for_log = (ROWS, _columns(request.env)), True
        spawn.env.setdefault("TERM", "xterm-256color")
    return spawn


def _identity(request: StartRequest, accounts: SandboxAccounts | None) -> users.Identity:
    if accounts is None:
        return users.resolve(request.user)
    return users.resolve(request.user, own_uid=accounts.own_uid, accounts=accounts)


def _user_hint(request: StartRequest, accounts: SandboxAccounts | None) -> str | None:
    """Return what helps where a request names the user of the cloud's images, whom this machine does not have."""
    if accounts is not None or request.user not in (USER, {"name": USER}):
        return None
    return (
        f"an isolated sandbox has a user {USER}: `isolation: overlay` in the file, or `host serve --isolation overlay`"
    )


def _columns(env: Mapping[str, str]) -> int:
    """Return the width of the terminal of a process: what its own variable says, else the usual one."""
    wanted = env.get("COLUMNS", "")
    return int(wanted) if wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= 1000 else COLUMNS


def _home(path: str) -> str:
    """Return a user's home as working directory; `/` where it does not exist (system users), as login has it."""
    return path if os.path.isdir(path) else "/"


def check(request: StartRequest) -> None:
    """Refuse what cannot be a managed name or a log's (contract, section 3.4). Raises `Problem`."""
    name = request.name
    if name is not None and (not name or "/" in name or name in (".", "..") or (name.isascii() and name.isdigit())):
        raise Problem(
            400, f"invalid process name {name!r}; expected no `/`, not only digits, not `.` or `..`", "BAD_NAME"
        )
    for word, value in (("name", name), ("log", request.log)):
        if value is not None and (not value or len(file_name(value)) > MAX_NAME):
            raise Problem(400, f"{word} must be from 1 to {MAX_NAME} bytes long", "BAD_NAME")
    if not request.command:
        raise Problem(400, "command must not be empty", "BAD_COMMAND")
    check = request.health_check
    if check is not None and check.type == "exec" and not check.command:
        raise Problem(422, "health_check.command is missing", "BAD_HEALTH_CHECK")
    if check is not None and check.type != "exec" and check.port is None:
        raise Problem(422, "health_check.port is missing", "BAD_HEALTH_CHECK")
    for variable in request.env:
        if not variable or "=" in variable:
            raise Problem(400, f"invalid variable name {variable!r}", "BAD_ENV")
