"""As whom a process runs: the `user` of a start request resolved to ids (contract, section 3.5)."""

from __future__ import annotations

import grp
import os
import pwd
from functools import cache
from typing import Protocol

from msgspec import Struct

RequestedUser = str | dict[str, str | int] | None


class UserError(Exception):
    """The user cannot be had; the message says why."""


class BadUser(UserError):
    """What was asked for names no user, whatever the machine."""


class Identity(Struct, frozen=True):
    """Who a process is. `uid` None means: as the host itself, nothing is switched."""

    uid: int | None
    gid: int | None
    groups: list[int] | None
    name: str
    home: str


class Accounts(Protocol):
    """Where users and groups are looked up."""

    def user(self, user: str | int) -> pwd.struct_passwd | None:
        """Return the account of a name or number."""

    def group(self, name: str) -> int | None:
        """Return the number of a group."""

    def groups(self, name: str, group: int) -> list[int]:
        """Return all groups of a user whose main one is `group`."""


class MachineAccounts:
    """The users and groups of this machine."""

    def user(self, user: str | int) -> pwd.struct_passwd | None:
        """Return the account that the machine has under a name or number."""
        try:
            return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
        except (KeyError, OverflowError, ValueError):
            return None

    def group(self, name: str) -> int | None:
        """Return the number of a group of the machine."""
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None

    def groups(self, name: str, group: int) -> list[int]:
        """Return all groups of a user of the machine."""
        return os.getgrouplist(name, group)


MACHINE: Accounts = MachineAccounts()


def resolve(wanted: RequestedUser, *, own_uid: int | None = None, accounts: Accounts = MACHINE) -> Identity:
    """Find out who `wanted` is: a name, a uid, `uid:gid`, `name:group`, `{name, gid?}` or `{uid, gid?}`; None
    is us.

    Raises `BadUser` for what is none of these, and `UserError` when there is no such user or group, or when it is not
    us and we are not root.
    """
    own = os.geteuid() if own_uid is None else own_uid
    if wanted is None:
        return _ourselves(own) if accounts is MACHINE else _unchanged(_account(own, accounts))
    user, group = _parts(wanted)
    account = _account(user, accounts)
    gid = _gid(group, accounts) if group is not None else account.pw_gid
    if own != 0:
        if account.pw_uid != own or (group is not None and gid not in _own_groups(account, accounts)):
            raise UserError(f"switching users needs root: {_only_user(own, account.pw_name, accounts)}")
        return _unchanged(account)
    groups = accounts.groups(account.pw_name, gid) if account.pw_passwd != _NO_ACCOUNT else [gid]
    return Identity(account.pw_uid, gid, groups, account.pw_name, account.pw_dir)


def _only_user(own: int, wanted: str, accounts: Accounts) -> str:
    name = _account(own, accounts).pw_name
    if accounts is MACHINE:
        return f"this host runs as {name}, not {wanted}"
    return f"the host is not run by root, so {name} is the only user of this sandbox"


_NO_ACCOUNT = "no account"


@cache
def _ourselves(uid: int) -> Identity:
    return _unchanged(_account(uid, MACHINE))


def _unchanged(account: pwd.struct_passwd) -> Identity:
    return Identity(None, None, None, account.pw_name, account.pw_dir)


def _parts(wanted: str | dict[str, str | int]) -> tuple[str | int, str | int | None]:
    if isinstance(wanted, str):
        user, colon, group = wanted.partition(":")
        if not user or (colon and not group):
            raise BadUser(f"invalid user {wanted!r}; expected `USER` or `USER:GROUP`, by name or number")
        return _number(user), _number(group) if colon else None
    return _parts_of(wanted)


def _parts_of(wanted: dict[str, str | int]) -> tuple[str | int, str | int | None]:
    unknown = sorted(wanted.keys() - {"name", "uid", "gid"})
    if unknown:
        raise BadUser(f"user: {unknown[0]!r} is unknown; give `name` or `uid`, and `gid` if needed")
    name, uid, gid = wanted.get("name"), wanted.get("uid"), wanted.get("gid")
    if (name is None) == (uid is None):
        raise BadUser("user: give either a name or a uid")
    if name is not None and (not isinstance(name, str) or not name):
        raise BadUser("user.name must be a name")
    if not _is_id(uid) or not _is_id(gid):
        raise BadUser("user.uid and user.gid must be numbers")
    return (uid if name is None else name), gid  # type: ignore[return-value]


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _number(word: str) -> str | int:
    return int(word) if word.isascii() and word.isdigit() else word


def _account(user: str | int, accounts: Accounts) -> pwd.struct_passwd:
    found = accounts.user(user)
    if found is not None:
        return found
    if not isinstance(user, int) or not 0 <= user < 2**32 - 1:
        raise UserError(f"user not found: {user}")
    # A uid without an account is what containers use all the time: it owns files, and has no name or home.
    return pwd.struct_passwd((str(user), _NO_ACCOUNT, user, user, "", "/", "/bin/sh"))


def _gid(group: str | int, accounts: Accounts) -> int:
    if isinstance(group, int):
        if not 0 <= group < 2**32 - 1:
            raise UserError(f"group not found: {group}")
        return group
    found = accounts.group(group)
    if found is None:
        raise UserError(f"group not found: {group}")
    return found


def _own_groups(account: pwd.struct_passwd, accounts: Accounts) -> set[int]:
    return {os.getegid(), *os.getgroups()} if accounts is MACHINE else {account.pw_gid}
