"""The root of an isolated sandbox as a list of mounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sbxcompose.host.isolation.accounts import SandboxAccounts
from sbxcompose.host.isolation.facts import hint, mount_points
from sbxcompose.host.isolation.plan import MachineFacts, PathMount, layer_of, mount_plan, overlays, path_hint
from sbxcompose.host.supervise.users import UserError, resolve
from tests.support.cases import each_case


def facts(**fields: Any) -> MachineFacts:
    return MachineFacts(**{"privileged": True, "directories": ("usr", "etc", "opt"), **fields})


def steps(known: MachineFacts, project: str | None = None, *mounts: PathMount) -> list[list[str]]:
    workspace = None if project is None else PathMount(project, "/workspace", read_only=False)
    found: list[list[str]] = mount_plan(known, disk="/d", hostname="box", workspace=workspace, mounts=mounts)["steps"]
    return found


def test_the_operating_system_is_below_a_layer_and_nothing_else_is_there() -> None:
    assert steps(facts()) == [
        ["overlay", "usr", "layers/usr"],
        ["overlay", "etc", "layers/etc"],
        ["overlay", "opt", "layers/opt"],
        ["dev", "dev"],
        ["memory", "dev/shm"],
        ["proc", "proc"],
    ]


def test_the_project_is_at_the_workspace_and_mounts_are_as_asked_for() -> None:
    found = steps(
        facts(), "/home/me/project", PathMount("/data", "/data"), PathMount("/out", "/x/out/", read_only=False)
    )
    assert found[-3:] == [
        ["bind", "workspace", "/home/me/project", "rw"],
        ["bind", "data", "/data", "ro"],
        ["bind", "x/out", "/out", "rw"],
    ]


def test_what_is_mounted_below_a_layer_is_shown_and_only_read() -> None:
    known = facts(mounted=("/usr/share", "/var", "/usrlocal"))
    assert steps(known)[:2] == [["overlay", "usr", "layers/usr"], ["bind", "usr/share", "/usr/share", "ro"]]


def test_without_rights_a_directory_with_mounts_below_it_is_only_read() -> None:
    known = facts(privileged=False, mounted=("/usr/share",))
    assert overlays(known) == ["etc", "opt"]
    assert steps(known)[0] == ["bind", "usr", "/usr", "ro"]
    assert mount_plan(known, disk="/d", hostname="h", workspace=None)["user"] == {"uid": 1000, "gid": 1000}


@each_case(
    "project, mounts, hidden",
    [
        (None, (), [["hide", "opt/homes/me"]]),
        ("/opt/homes/me/project", (), [["hide", "opt/homes/me"]]),
        ("/opt/homes/me", (), [["hide", "opt/homes/me"], ["hide", "workspace/.state"]]),
        (
            None,
            (PathMount("/opt", "/all"),),
            [["hide", "opt/homes/me"], ["hide", "all/homes/me"], ["hide", "all/homes/me/.state"]],
        ),
        (None, (PathMount("/opt/homes/me", "/me"),), [["hide", "opt/homes/me"], ["hide", "me/.state"]]),
    ],
)
def test_homes_and_the_state_of_the_host_are_hidden_wherever_they_would_be_seen(
    project: str | None, mounts: tuple[PathMount, ...], hidden: list[list[str]]
) -> None:
    known = facts(hidden=("/opt/homes/me", "/opt/homes/me/.state"))
    found = [step for step in steps(known, project, *mounts) if step[0] == "hide"]
    assert [step for step in found if step != ["hide", "opt/homes/me/.state"]] == hidden


def test_names_are_found_although_resolv_conf_is_a_link() -> None:
    known = facts(resolver="/run/systemd/resolve/stub-resolv.conf")
    path = "/run/systemd/resolve/stub-resolv.conf"
    assert ["bind", path.lstrip("/"), path, "ro"] in steps(known)


def test_a_machine_without_python_lends_that_of_the_host() -> None:
    assert ["bind", "opt/python", "/home/me/python", "ro"] in steps(facts(python="/home/me/python"))


def test_the_layer_of_a_directory_has_a_name_of_its_own() -> None:
    assert layer_of("var/lib/dpkg") == "layers/var-lib-dpkg"


def test_mount_points_are_those_that_hold_files() -> None:
    lines = [
        "22 1 254:0 / / rw - ext4 /dev/vda rw",
        "23 22 0:5 / /proc rw - proc proc rw",
        r"24 22 0:6 / /mnt/with\040blank rw master:1 - xfs /dev/vdb rw",
        "25 22 0:7 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    ]
    assert [point for point in mount_points("\n".join(lines)) if point != "/proc"] == ["/", "/mnt/with blank"]


def test_a_refusal_says_what_to_change() -> None:
    assert "SBXCOMPOSE_STATE_DIR" in hint("overlay at /usr: invalid argument", "/state")
    assert "isolation: none" in hint("proc at /proc: operation not permitted", "/state")
    assert hint("making namespaces: operation not permitted", "/state")


def accounts(directory: Path, *, privileged: bool = True) -> SandboxAccounts:
    (directory / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nbroken\ntl-user:x:1000:1000::/home/tl-user:/bin/bash\n"
    )
    (directory / "group").write_text("root:x:0:\nstaff:x:50:tl-user,root\ntl-user:x:1000:\n")
    return SandboxAccounts(lambda: directory, privileged=privileged)


def test_users_are_those_of_the_sandbox(tmp_path: Path) -> None:
    known = accounts(tmp_path)
    user = resolve("tl-user", own_uid=0, accounts=known)
    assert (user.uid, user.gid, user.groups, user.home) == (1000, 1000, [50, 1000], "/home/tl-user")
    assert resolve("0:staff", own_uid=0, accounts=known).gid == 50
    assert resolve(None, own_uid=0, accounts=known).home == "/root"
    with pytest.raises(UserError, match="user not found: daemon"):
        resolve("daemon", own_uid=0, accounts=known)


def test_without_rights_there_is_one_user(tmp_path: Path) -> None:
    known = accounts(tmp_path, privileged=False)
    assert resolve(None, own_uid=known.own_uid, accounts=known).name == "tl-user"
    assert resolve("tl-user:tl-user", own_uid=known.own_uid, accounts=known).uid is None
    with pytest.raises(UserError, match="tl-user is the only user of this sandbox"):
        resolve("root", own_uid=known.own_uid, accounts=known)


def test_files_that_a_sandbox_has_replaced_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("evil:x:0:0::/:/bin/sh\n")
    (tmp_path / "passwd").symlink_to(tmp_path / "secret")
    known = SandboxAccounts(lambda: tmp_path, privileged=True)
    assert known.user("evil") is None
    assert known.user("tl-user") is not None


def test_paths_and_commands_of_the_cloud_get_a_hint() -> None:
    for text in (
        "no such directory: /workspace",
        "/home/tl-user/x: no such file or directory",
        "/workspace/a: no such",
        "command not found: python",
    ):
        assert "isolation: overlay" in (path_hint(text, isolated=False) or "")
    for text in ("no such directory: /workspaces", "no such directory: /srv/workspace", "command not found: python2"):
        assert path_hint(text, isolated=False) is None


def test_a_path_that_only_this_machine_has_is_told_in_an_isolated_sandbox() -> None:
    for text in ("no such file: /home/me/tool", "`/home/me/tool` not found", "no such directory: /home/me/tool"):
        asked: list[str] = []
        hint = path_hint(text, isolated=True, exists=lambda path, asked=asked: not asked.append(path))  # type: ignore[misc]
        assert asked == ["/home/me/tool"]
        assert "this machine has it" in (hint or "")
        assert path_hint(text, isolated=True, exists=lambda _: False) is None
    assert path_hint("no such command: tool", isolated=True, exists=lambda _: True) is None
    assert path_hint("no such file: /workspace/x", isolated=True, exists=lambda _: False) is None
