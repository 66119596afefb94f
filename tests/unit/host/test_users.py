"""The `user` of a start request resolved; the account used is the one that every machine has."""

from __future__ import annotations

import grp
import pwd

import pytest

from sbxcompose.host.supervise.users import BadUser, RequestedUser, UserError, resolve
from tests.support.cases import each_case

ROOT = pwd.getpwuid(0)


def test_without_a_user_it_is_ourselves_and_nothing_is_switched() -> None:
    who = resolve(None)
    assert (who.uid, who.gid, who.groups) == (None, None, None)
    assert who.home


@each_case("wanted", ["root", "0", "0:0", "root:0", {"name": "root"}, {"uid": 0}, {"uid": 0, "gid": 0}])
def test_every_form_names_the_same_user(wanted: RequestedUser) -> None:
    who = resolve(wanted, own_uid=0)
    assert (who.uid, who.gid, who.name, who.home) == (0, 0, "root", ROOT.pw_dir)
    assert who.groups is not None
    assert 0 in who.groups


def test_a_number_without_an_account_is_a_user_all_the_same() -> None:
    who = resolve("54321:54322", own_uid=0)
    assert (who.uid, who.gid, who.groups, who.name, who.home) == (54321, 54322, [54322], "54321", "/")


@each_case(
    "wanted, words",
    [
        ("no-such-user", "user not found: no-such-user"),
        ("root:no-such-group", "group not found: no-such-group"),
        ({"uid": -1}, "user not found: -1"),
        ("99999999999999999999", "user not found: 99999999999999999999"),
        ({"uid": 0, "gid": -1}, "group not found: -1"),
        ("a\0b", "user not found: a\0b"),
    ],
)
def test_what_cannot_be_found_is_reported(wanted: RequestedUser, words: str) -> None:
    with pytest.raises(UserError) as raised:
        resolve(wanted, own_uid=0)
    assert str(raised.value) == words


@each_case(
    "wanted, words",
    [
        ("", "invalid user ''"),
        (":0", "invalid user ':0'"),
        ("root:", "invalid user 'root:'"),
        ({"name": "root", "uid": 0}, "give either a name or a uid"),
        ({}, "give either a name or a uid"),
        ({"gid": 0}, "give either a name or a uid"),
        ({"name": ""}, "user.name must be a name"),
        ({"name": 0}, "user.name must be a name"),
        ({"uid": "root"}, "user.uid and user.gid must be numbers"),
        ({"uid": True}, "user.uid and user.gid must be numbers"),
        ({"uid": 0, "gid": "wheel"}, "user.uid and user.gid must be numbers"),
        ({"name": "root", "group": "root"}, "'group' is unknown"),
    ],
)
def test_what_names_no_user_is_refused(wanted: RequestedUser, words: str) -> None:
    with pytest.raises(BadUser, match=words):
        resolve(wanted, own_uid=0)


def test_a_group_after_the_name_is_a_name_or_a_number() -> None:
    group = grp.getgrall()[-1]
    forms: list[RequestedUser] = [
        f"root:{group.gr_name}",
        f"root:{group.gr_gid}",
        {"name": "root", "gid": group.gr_gid},
    ]
    for wanted in forms:
        who = resolve(wanted, own_uid=0)
        assert (who.uid, who.gid, who.name) == (0, group.gr_gid, "root")


def test_without_root_there_is_only_oneself() -> None:
    with pytest.raises(UserError, match="switching users needs root"):
        resolve("root", own_uid=54321)


def test_without_root_oneself_is_fine_and_nothing_is_switched() -> None:
    who = resolve({"uid": 54321}, own_uid=54321)
    assert (who.uid, who.gid, who.groups, who.name) == (None, None, None, "54321")


def test_without_root_a_group_must_be_one_of_ours() -> None:
    with pytest.raises(UserError, match="switching users needs root"):
        resolve({"uid": 54321, "gid": 54399}, own_uid=54321)
