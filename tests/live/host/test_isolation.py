"""What an isolated sandbox is: a machine of its own for its processes, terminals and files; and how it is kept."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.host.hosts import Box, LiveHost, lasting_host
from tests.live.host.isolated import finish, forbidding, host_without_rights, isolated
from tests.live.host.test_isolation_escapes import alive, restart
from tests.support.home import wait_gone
from tests.support.waiting import until

MANY = 400
"""Mounts whose description is longer than what a pipe takes at once."""
SLEEP = "import sys, time; time.sleep(1000)"


@pytest.fixture(scope="module")
def one_host() -> Iterator[LiveHost]:
    """A host for all tests of this module that do not kill it."""
    with lasting_host() as host:
        yield host


@pytest.fixture
def shared(one_host: LiveHost) -> Iterator[LiveHost]:
    """The same, without the sandboxes of the tests before."""
    yield one_host
    one_host.clear()


def namespace(box: Box) -> str:
    """The namespaces in which processes of a sandbox begin, by when they were made: their numbers come again."""
    (line,) = finish(box, "cut -d ' ' -f 22 /proc/1/stat")
    return line


def begin(box: Box, token: str, name: str = "web") -> int:
    """Start a process that is found by a word; its pid."""
    restart = {"policy": "always", "initial_backoff_ms": 10}
    body = {"command": "python3", "args": ["-c", SLEEP, token], "name": name, "restart": restart}
    return int(box.ask("POST", "/processes", json=body).raise_for_status().json()["pid"])


def test_any_number_of_mounts(shared: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("shown")
    mounts = [{"source": str(tmp_path), "target": f"/shown/{number:0128}"} for number in range(MANY)]
    box = isolated(shared, mounts=mounts)
    assert finish(box, f"cat /shown/{MANY - 1:0128}/data; ls /shown | wc -l") == [f"shown{MANY}"]


def test_its_processes_find_a_machine_of_their_own(shared: LiveHost, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("shown")
    mounts = [{"source": str(tmp_path), "target": "/shown"}]
    box = isolated(shared, mounts=mounts)
    lines = finish(
        box, "pwd; hostname; python --version >/dev/null && id -un tl-user; ls -A ~ /tmp | wc -w; echo $HOME"
    )
    assert lines == ["/workspace", "box", "tl-user", "2", "/root" if os.geteuid() == 0 else "/home/tl-user"]
    assert finish(box, "cat /shown/data; echo; (echo more > /shown/data) 2>/dev/null || echo refused") == [
        "shown",
        "refused",
    ]
    assert (tmp_path / "data").read_text() == "shown"
    finish(box, "echo changed > /etc/hostname; echo mine > /workspace/note; rm /usr/bin/env")
    assert finish(box, "cat /etc/hostname note; ls /usr/bin/env 2>/dev/null") == ["changed", "mine"]
    assert Path("/usr/bin/env").exists()
    info = shared.http.get("/sandboxes/box").json()
    assert (info["isolation"], info["workspace"], len(info["mounts"])) == ("overlay", "/workspace", 1)


def test_its_users_are_those_of_its_own_files(shared: LiveHost) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to switch users")
    box = isolated(shared)
    assert finish(box, "id -un; echo $HOME; touch ~/x && echo made", user="tl-user") == [
        "tl-user",
        "/home/tl-user",
        "made",
    ]
    finish(box, "echo robot:x:1234:1000::/tmp:/bin/sh >> /etc/passwd")
    assert finish(box, "id -u; id -g; pwd", user="robot", working_dir="/tmp") == ["1234", "1000", "/tmp"]
    status, _, words = box.refused("POST", "/processes", json={"command": "true", "user": "nobody-here"})
    assert (status, words) == (500, "user not found: nobody-here")


def test_a_plain_sandbox_says_where_the_user_is_that_it_lacks(shared: LiveHost) -> None:
    answer = shared.box(isolation="none").ask("POST", "/processes", json={"command": "true", "user": "tl-user"})
    if answer.is_success:
        pytest.skip("this machine has a user tl-user")
    assert answer.status_code == 500
    assert "isolation: overlay" in answer.json()["hint"]
    if not Path("/workspace/no-such").exists():
        body = {"command": "true", "working_dir": "/workspace/no-such"}
        answer = Box(shared, shared.http.get("/sandboxes/box").json()["id"]).ask("POST", "/processes", json=body)
        assert "isolation: overlay" in answer.json()["hint"]


def test_files_and_terminals_are_those_of_the_sandbox(shared: LiveHost) -> None:
    box = isolated(shared)
    box.ask("PUT", "/files", params={"path": "/etc/new/made.txt"}, content=b"by the host").raise_for_status()
    assert finish(box, "cat /etc/new/made.txt; ln -s ../made /workspace/to-be-made") == ["by the host"]
    assert not Path("/etc/new").exists()
    box.ask("PUT", "/files", params={"path": "to-be-made"}, content=b"through a link").raise_for_status()
    assert finish(box, "cat /made") == ["through a link"]
    body = {"command": "sh", "args": ["-c", "hostname > seen; tty >> seen; mv seen shown"], "rows": 24, "cols": 80}
    box.ask("POST", "/pty", json=body).raise_for_status()
    answer = until(lambda: box.ask("GET", "/files", params={"path": "shown"}), lambda answer: answer.is_success)
    assert answer.text.startswith("box\n")
    box.ask("DELETE", "/files", params={"path": "/etc/new/made.txt"}).raise_for_status()
    assert finish(box, "ls /etc/new") == []


def test_health_is_checked_inside_and_by_the_number_that_the_process_has_there(shared: LiveHost) -> None:
    box = isolated(shared)
    finish(box, "touch /only-inside")
    check = {"type": "exec", "command": ["sh", "-c", "test -e /only-inside && kill -0 $SBXCOMPOSE_PID"]}
    prompt = {"initial_delay_ms": 0, "timeout_ms": 60_000}
    body = {"command": "sleep", "args": ["1000"], "name": "web", "health_check": {**check, **prompt}}
    box.ask("POST", "/processes", json={**body, "restart": {"policy": "never"}}).raise_for_status()
    box.wait("web", lambda row: bool(row["managed"]["health_status"] == "healthy"))


def test_what_cannot_be_had_is_refused_with_the_reason(shared: LiveHost) -> None:
    box = isolated(shared)
    for body, words in (
        ({"isolation": "overlay", "mounts": [{"source": "/no/such", "target": "/x"}]}, "not an existing file"),
        ({"isolation": "overlay", "mounts": [{"source": "/etc", "target": "/proc"}]}, "cannot be a place"),
        ({"isolation": "overlay", "workspace": "/../x"}, "cannot be a place"),
        ({"isolation": "none", "mounts": [{"source": "/etc", "target": "/x"}]}, "needs `isolation: overlay`"),
    ):
        answer = shared.http.post("/sandboxes", json=body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]
    status, _, error = box.refused("POST", "/processes", json={"command": "no-such-program"})
    assert (status, error) == (500, "command not found: no-such-program")
    status, _, error = box.refused("POST", "/processes", json={"command": "true", "working_dir": "/no/such"})
    assert (status, error) == (500, "no such directory: /no/such")


@pytest.mark.parametrize("which", ["keeper", "server"])
def test_it_continues_when_half_of_the_host_is_killed(killed_host: LiveHost, which: str) -> None:
    box, token = isolated(killed_host), uuid.uuid4().hex
    pid, before = begin(box, token), namespace(box)
    killed_host.kill(which)
    assert box.row("web")["pid"] == pid
    assert namespace(box) == before
    os.kill(pid, signal.SIGKILL)
    box.wait("web", lambda row: bool(row["pid"] != pid and row["status"] == "running"))
    assert len(alive(token)) == 1
    killed_host.http.delete(f"/sandboxes/{box.id}").raise_for_status()
    assert not alive(token)


def test_nothing_is_left_when_both_halves_are_killed(host: LiveHost) -> None:
    box, token = isolated(host), uuid.uuid4().hex
    pid, before = begin(box, token), namespace(box)
    restart(host)
    assert wait_gone([pid], 60)
    box.wait("web", lambda row: bool(row["pid"] != pid and row["status"] == "running"))
    assert namespace(box) != before
    assert len(alive(token)) == 1


def test_without_rights_it_is_the_same(host_environ: object) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to become a user without rights")
    with host_without_rights() as host:
        box, token = isolated(host), uuid.uuid4().hex
        assert finish(box, "id -un; id -u; pwd; touch note; stat -c %U note") == [
            "tl-user",
            "1000",
            "/workspace",
            "tl-user",
        ]
        answer = box.ask("POST", "/processes", json={"command": "true", "user": "root"})
        assert answer.json()["error"] == (
            "switching users needs root: the host is not run by root, so tl-user is the only user of this sandbox"
        )
        pid, before = begin(box, token), namespace(box)
        host.kill("keeper")
        assert namespace(box) == before
        snapshot = host.http.post("/sandboxes/box/snapshot").json()["snapshot_id"]
        until(lambda: host.http.get(f"/snapshots/{snapshot}").json()["status"] != "in_progress")
        fork = isolated(host, "fork", snapshot_id=snapshot)
        assert finish(fork, "ls /workspace") == ["note"]
        host.http.delete(f"/sandboxes/{box.id}").raise_for_status()
        assert wait_gone([pid], 0)


def test_without_user_namespaces_it_is_refused_with_what_to_change(host_environ: object) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to become a user without rights")
    with host_without_rights(forbidding()) as host:
        for _ in range(2):
            answer = host.http.post("/sandboxes", json={"name": "box", "isolation": "overlay"})
            assert (answer.status_code, answer.json()["code"]) == (400, "ISOLATION")
            assert "the sandbox cannot be isolated: making namespaces" in answer.json()["error"]
            assert "`sudo sysctl user.max_user_namespaces=10000` allows them" in answer.text
        assert host.http.get("/sandboxes").json()["sandboxes"] == []


def test_a_kill_ends_what_was_orphaned_inside(shared: LiveHost) -> None:
    box, token = isolated(shared), uuid.uuid4().hex
    box.shell(f"(setsid sleep 1000 & setsid sh -c 'sleep 1000; : {token}' &); exec sleep 1000", name="web")
    until(lambda: alive(token))
    box.delete("web")
    assert not alive(token)


def test_what_changes_outside_appears_until_the_sandbox_has_changed_it(shared: LiveHost) -> None:
    outside = Path("/opt") / f"sbxcompose-{uuid.uuid4().hex}"
    if not os.access("/opt", os.W_OK):
        pytest.skip("/opt cannot be written to")
    box = isolated(shared)
    box.begin("sleep", "1000")
    try:
        outside.write_text("one\n")
        assert finish(box, f"cat {outside}") == ["one"]
        outside.with_suffix(".new").write_text("two\n")
        outside.with_suffix(".new").rename(outside)  # as package managers do
        assert finish(box, f"cat {outside}") in (["one"], ["two"])  # known already: the mounts there remember it
        assert finish(isolated(shared, "later"), f"cat {outside}") == ["two"]
        assert finish(box, f"echo mine > {outside}; cat {outside}") == ["mine"]
        assert outside.read_text() == "two\n"
        outside.write_text("three\n")
        assert finish(box, f"cat {outside}; rm {outside}; ls {outside} 2>/dev/null") == ["mine"]
        assert outside.read_text() == "three\n"
    finally:
        outside.unlink(missing_ok=True)
    assert finish(box, "echo runs") == ["runs"]
