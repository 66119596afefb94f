"""As whom a process runs: the `user` of a start request resolved to ids (contract, section 3.5)."""

from __future__ import annotations

import grp
import os
import pwd
from functools import cache

from msgspec import Struct

Wanted = str | dict[str, str | int] | None


class UserError(Exception):
    """The user cannot be had; the message says why."""


class Identity(Struct, frozen=True):
    """Who a process is. `uid` None means: as the host itself, nothing is switched."""

    uid: int | None
    gid: int | None
    groups: list[int] | None
    name: str
    home: str


def resolve(wanted: Wanted, *, own_uid: int | None = None) -> Identity:
    """Find out who `wanted` is: a name, a uid, `uid:gid`, `name:group`, `{name, gid?}` or `{uid, gid?}`; None
    is us.

    Raises `UserError` when there is no such user or group, or when it is not us and we are not root.
    """
    own = os.geteuid() if own_uid is None else own_uid
    if wanted is None:
        return _ourselves(own)
    user, group = _parts(wanted)
    account = _account(user)
    gid = _gid(group) if group is not None else account.pw_gid
    if own != 0:
        if account.pw_uid != own or (group is not None and gid not in _own_groups()):
            raise UserError(f"switching users needs root: this host runs as {_name(own)}, not {account.pw_name}")
        return Identity(None, None, None, account.pw_name, account.pw_dir)
    groups = os.getgrouplist(account.pw_name, gid) if account.pw_passwd != _NO_ACCOUNT else [gid]
    return Identity(account.pw_uid, gid, groups, account.pw_name, account.pw_dir)


_NO_ACCOUNT = "no account"


@cache
def _ourselves(uid: int) -> Identity:
    account = _account(uid)
    return Identity(None, None, None, account.pw_name, account.pw_dir)


def _parts(wanted: str | dict[str, str | int]) -> tuple[str | int, str | int | None]:
    if isinstance(wanted, str):
        user, colon, group = wanted.partition(":")
        if not user or (colon and not group):
            raise UserError(f"user not found: {wanted}")
        return _number(user), _number(group) if colon else None
    name, uid, gid = wanted.get("name"), wanted.get("uid"), wanted.get("gid")
    if (name is None) == (uid is None):
        raise UserError("user: give either a name or a uid")
    who = uid if uid is not None else name
    assert who is not None
    return who, gid


def _number(word: str) -> str | int:
    return int(word) if word.isascii() and word.isdigit() else word


def _account(user: str | int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    except (KeyError, OverflowError, ValueError):
        pass
    if not isinstance(user, int) or not 0 <= user < 2**32 - 1:
        raise UserError(f"user not found: {user}")
    # A uid without an account is what containers use all the time: it owns files, and has no name or home.
    return pwd.struct_passwd((str(user), _NO_ACCOUNT, user, user, "", "/", "/bin/sh"))


def _gid(group: str | int) -> int:
    if isinstance(group, int):
        if not 0 <= group < 2**32 - 1:
            raise UserError(f"group not found: {group}")
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise UserError(f"group not found: {group}") from None


def _own_groups() -> set[int]:
    return {os.getegid(), *os.getgroups()}


def _name(uid: int) -> str:
    return _account(uid).pw_name
