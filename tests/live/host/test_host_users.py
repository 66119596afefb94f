"""As whom a process runs (contract, section 3.5): every form of `user`, what it finds in its environment, and what is
refused."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from tests.live.host.hosts import Box

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may switch users")

DAEMON = pwd.getpwnam("daemon")
SHOW = "echo $(id -u) $(id -g) $(id -G); echo $HOME $USER $LOGNAME"
LIKE_DAEMON = f"{DAEMON.pw_dir} daemon daemon"


def shown(box: Box, user: Any, **fields: Any) -> tuple[list[str], str]:
    """The ids that a process finds itself with, and its HOME, USER and LOGNAME."""
    row = box.shell(SHOW, user=user, working_dir="/", **fields)
    ids, names = box.first_lines(row["pid"], 2)
    return ids.split(), names


@pytest.mark.parametrize("user", ["daemon", str(DAEMON.pw_uid), {"name": "daemon"}, {"uid": DAEMON.pw_uid}])
def test_a_user_has_its_own_groups_and_home(box: Box, user: Any) -> None:
    ids, names = shown(box, user)
    assert ids == [str(DAEMON.pw_uid), str(DAEMON.pw_gid), *map(str, os.getgrouplist("daemon", DAEMON.pw_gid))]
    assert names == LIKE_DAEMON


@pytest.mark.parametrize(
    "user",
    ["daemon:0", "daemon:root", f"{DAEMON.pw_uid}:0", {"name": "daemon", "gid": 0}, {"uid": DAEMON.pw_uid, "gid": 0}],
)
def test_a_group_that_was_asked_for_is_the_first(box: Box, user: Any) -> None:
    ids, names = shown(box, user)
    assert ids[:2] == [str(DAEMON.pw_uid), "0"]
    assert "0" in ids[2:]
    assert names == LIKE_DAEMON


def test_the_hosts_own_groups_are_not_passed_on(box: Box) -> None:
    ids, names = shown(box, "54321:54322")
    assert ids == ["54321", "54322", "54322"]
    assert names == "/ 54321 54321"


@pytest.mark.not_isolated
def test_a_user_without_a_home_begins_at_the_root(box: Box) -> None:
    homeless = next(user for user in pwd.getpwall() if not os.path.exists(user.pw_dir))
    row = box.shell("pwd; echo $HOME", user=homeless.pw_name)
    assert box.first_lines(row["pid"], 2) == ["/", homeless.pw_dir]


def test_what_the_caller_says_of_home_and_user_holds(box: Box) -> None:
    _, names = shown(box, "daemon", env={"HOME": "/here", "USER": "me", "LOGNAME": "you"})
    assert names == "/here me you"


@pytest.mark.parametrize(
    "user, status, words",
    [
        ("no-such-user", 500, "user not found: no-such-user"),
        ("daemon:no-such-group", 500, "group not found: no-such-group"),
        ({"name": "no-such-user"}, 500, "user not found: no-such-user"),
        ("", 400, "expected `USER` or `USER:GROUP`"),
        ("daemon:", 400, "expected `USER` or `USER:GROUP`"),
        ({"name": "daemon", "uid": 1}, 400, "user: give either a name or a uid"),
        ({"uid": "daemon"}, 400, "user.uid and user.gid must be numbers"),
        (5, 422, "user must be"),
    ],
)
def test_an_unknown_user_is_reported_and_nothing_is_started(box: Box, user: Any, status: int, words: str) -> None:
    body = box.start_body("true", user=user)
    for path, more in (("/processes", {"name": "web"}), ("/processes/run", {})):
        answer = box.ask("POST", path, json={**body, **more})
        assert answer.status_code == status
        assert words in answer.json()["error"]
    assert box.rows() == []
