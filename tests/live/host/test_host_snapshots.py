"""Workspaces, snapshots and copies in a real host (contract, sections 2.1, 2.2 and 2.5)."""

from __future__ import annotations

import os
import pwd
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.host.hosts import Box, LiveHost, client_of, ended
from tests.live.host.test_host_suspension import status, suspend, workspace
from tests.support.waiting import until


def ask(host: LiveHost, method: str, path: str, **more: Any) -> Any:
    """The body of a good answer."""
    answer = host.http.request(method, path, **more)
    assert answer.status_code < 300, answer.text
    return answer.json()


def take(host: LiveHost, name: str = "box", **body: str) -> dict[str, Any]:
    """A snapshot that has been taken, or has failed."""
    answer = host.http.post(f"/sandboxes/{name}/snapshot", json=body or None)
    assert answer.status_code == 202, answer.text
    return wait_for(host, answer.json()["snapshot_id"])


def wait_for(host: LiveHost, number: str) -> dict[str, Any]:
    found: dict[str, Any] = until(
        lambda: ask(host, "GET", f"/snapshots/{number}"), lambda snapshot: snapshot["status"] != "in_progress"
    )
    return found


def finish(box: Box, script: str) -> list[str]:
    """Run a script in a sandbox; its lines."""
    row = box.shell(script)
    box.wait(row["pid"], ended)
    return box.lines(row["pid"])


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code")


def test_a_sandbox_has_a_directory_of_its_own_where_its_processes_begin(kept_host: LiveHost) -> None:
    box, other = (kept_host.box(name, isolation="none") for name in ("box", "other"))
    home = workspace(kept_host)
    assert finish(box, "pwd; echo mine > note") == [str(home)]
    assert finish(other, "ls") == []
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (home / "sub").mkdir()
    row = box.begin("pwd", working_dir="sub")
    box.wait(row["pid"], ended)
    assert box.lines(row["pid"]) == [str(home / "sub")]
    kept_host.http.delete("/sandboxes/box")
    assert not home.exists()


def test_one_with_a_project_works_there_and_has_no_other(kept_host: LiveHost, tmp_path: Path) -> None:
    box = kept_host.box(project_directory=str(tmp_path))
    assert finish(box, "pwd") == [str(tmp_path)]
    assert ask(kept_host, "GET", "/sandboxes/box")["workspace_directory"] is None
    answer = kept_host.http.post("/sandboxes/box/snapshot")
    assert refused(answer) == (400, "UNSUPPORTED")
    assert str(tmp_path) in answer.json()["error"]
    assert refused(kept_host.http.post("/sandboxes/box/copy")) == (400, "UNSUPPORTED")
    kept_host.http.delete("/sandboxes/box")
    assert tmp_path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="switches users, which needs root")
def test_another_user_begins_in_its_home(kept_host: LiveHost) -> None:
    box = kept_host.box(isolation="none")
    row = box.begin("pwd", user="daemon")
    box.wait(row["pid"], ended)
    assert box.lines(row["pid"]) == [pwd.getpwnam("daemon").pw_dir]


def test_a_snapshot_keeps_what_there_was(kept_host: LiveHost) -> None:
    box = kept_host.box(image="mine", resources={"cpus": 2, "memory_mb": 2048}, isolation="none")
    finish(box, "echo before > note; mkdir d; ln -s ../note d/link; printf '#!/bin/sh\\necho ran' > run; chmod 755 run")
    snapshot = take(kept_host)
    assert (snapshot["status"], snapshot["sandbox_id"], snapshot["snapshot_type"]) == (
        "completed",
        box.id,
        "filesystem",
    )
    assert snapshot["size_bytes"] == len("before\n#!/bin/sh\necho ran")
    assert (snapshot["base_image"], snapshot["error"]) == ("mine", None)
    finish(box, "echo after > note; rm -r d")
    restored = kept_host.box("restored", snapshot_id=snapshot["id"])
    assert finish(restored, "cat note d/link; ./run") == ["before", "before", "ran"]
    info = ask(kept_host, "GET", "/sandboxes/restored")
    assert (info["image"], info["resources"]["cpus"], info["resources"]["memory_mb"]) == ("mine", 2, 2048)
    assert finish(box, "cat note") == ["after"]


def test_snapshots_are_listed_outlive_their_sandbox_and_are_deleted(killed_host: LiveHost) -> None:
    box, other = killed_host.box(), killed_host.box("other")
    mine = [take(killed_host)["id"], take(killed_host)["id"]]
    others = take(killed_host, "other")["id"]
    listed = [snapshot["id"] for snapshot in ask(killed_host, "GET", "/snapshots")["snapshots"]]
    assert listed == [*mine, others]
    for path in ("/sandboxes/box", f"/v1/namespaces/default/sandboxes/{box.id}"):
        assert [snapshot["id"] for snapshot in ask(killed_host, "GET", f"{path}/snapshots")["snapshots"]] == mine
    killed_host.http.delete("/sandboxes/other")
    assert [
        snapshot["id"] for snapshot in ask(killed_host, "GET", f"/sandboxes/{other.id}/snapshots")["snapshots"]
    ] == [others]
    killed_host.kill("server")
    assert ask(killed_host, "GET", f"/snapshots/{others}")["status"] == "completed"
    assert killed_host.http.delete(f"/snapshots/{others}").status_code == 200
    assert refused(killed_host.http.delete(f"/snapshots/{others}")) == (404, "SNAPSHOT_NOT_FOUND")
    assert refused(killed_host.http.get(f"/snapshots/{others}")) == (404, "SNAPSHOT_NOT_FOUND")
    assert sorted(one_path.name for one_path in (killed_host.home.state / "snapshots").iterdir()) == sorted(mine)


def test_nothing_runs_while_a_snapshot_is_taken_so_that_files_agree(kept_host: LiveHost) -> None:
    box = kept_host.box(isolation="none")
    writes = "i=0; while :; do i=$((i+1)); for f in a b; do echo $i > t; mv t $f; done; [ $i = 1 ] && echo up; done"
    pid = box.shell(writes, "web")["pid"]
    box.wait_for_line("web", "up")
    for _ in range(5):
        snapshot = take(kept_host)
        files = kept_host.home.state / "snapshots" / snapshot["id"] / "files"
        first, second = (int((files / text).read_text()) for text in ("a", "b"))
        assert first - second in (0, 1)
    assert status(kept_host) == "running"
    row = box.row("web")
    assert (row["pid"], row["status"]) == (pid, "running")


def test_a_suspended_sandbox_is_kept_as_it_is(kept_host: LiveHost) -> None:
    box = kept_host.box()
    finish(box, "echo it > note")
    box.shell("exec sleep 1000", "web")
    suspend(kept_host)
    snapshot = take(kept_host)
    assert snapshot["status"] == "completed"
    assert status(kept_host) == "suspended"
    assert finish(kept_host.box("restored", snapshot_id=snapshot["id"]), "cat note") == ["it"]


def test_memory_is_kept_only_where_there_is_none(kept_host: LiveHost) -> None:
    box = kept_host.box()
    assert take(kept_host, snapshot_type="memory")["snapshot_type"] == "memory"
    box.shell("exec sleep 1000", "web")
    answer = kept_host.http.post("/sandboxes/box/snapshot", json={"snapshot_type": "memory"})
    assert refused(answer) == (400, "UNSUPPORTED")
    assert "memory of running processes" in answer.json()["error"]
    assert refused(kept_host.http.post("/sandboxes/box/copy")) == (400, "UNSUPPORTED")
    assert kept_host.http.post("/sandboxes/box/snapshot", json={"snapshot_type": "x"}).status_code == 422
    assert kept_host.http.post("/sandboxes/nope/snapshot").status_code == 404


def test_copies_have_the_files_and_a_life_of_their_own(kept_host: LiveHost) -> None:
    box = kept_host.box(image="mine")
    finish(box, "echo it > note")
    answer = ask(kept_host, "POST", "/sandboxes/box/copy", params={"times": 3})
    assert answer["source_sandbox_id"] == box.id
    copies = [Box(kept_host, sandbox["sandbox_id"]) for sandbox in answer["sandboxes"]]
    assert len({copy_.id for copy_ in copies}) == 3
    assert all(sandbox["status"] == "running" and sandbox["name"] is None for sandbox in answer["sandboxes"])
    for number, copy in enumerate(copies):
        assert finish(copy, f"cat note; echo {number} > note") == ["it"]
        assert ask(kept_host, "GET", f"/sandboxes/{copy.id}")["image"] == "mine"
    assert finish(box, "cat note") == ["it"]
    kept_host.http.delete("/sandboxes/box")
    assert finish(copies[2], "cat note") == ["2"]
    for times in ("0", "x", "101"):
        assert kept_host.http.post(f"/sandboxes/{copies[0].id}/copy?times={times}").status_code == 400


def test_an_entrypoint_is_a_process_of_the_sandbox(kept_host: LiveHost) -> None:
    box = kept_host.box(entrypoint=["sh", "-c", "echo up; exec sleep 1000"])
    (row,) = box.rows()
    assert (row["command"], row["status"], row["managed"]) == ("sh", "running", None)
    assert box.first_lines(row["pid"], 1) == ["up"]
    assert ask(kept_host, "GET", "/sandboxes/box")["entrypoint"] == ["sh", "-c", "echo up; exec sleep 1000"]


def test_an_entrypoint_that_cannot_be_started_is_the_end(kept_host: LiveHost) -> None:
    answer = kept_host.http.post("/sandboxes", json={"name": "box", "entrypoint": ["no-such-command"]})
    assert answer.status_code == 422
    short = answer.json()
    assert (short["status"], short["reason"]) == ("failed", "command not found: no-such-command")
    assert short["error"].endswith("did not start: command not found: no-such-command")
    info = ask(kept_host, "GET", f"/sandboxes/{short['sandbox_id']}")
    assert (info["status"], info["termination_reason"]) == ("terminated", "Failure(EntrypointNotStarted)")
    kept_host.box("box")


def test_a_create_that_does_not_wait_returns_the_state(kept_host: LiveHost) -> None:
    answer = kept_host.http.post("/sandboxes", json={"name": "box", "wait": False, "isolation": "none"})
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    answer = kept_host.http.post("/sandboxes", json={"wait": False, "entrypoint": ["no-such-command"]})
    assert answer.status_code == 202
    path = f"/sandboxes/{answer.json()['sandbox_id']}"
    info = until(lambda: ask(kept_host, "GET", path), lambda found: found["status"] != "pending")
    assert info["error_details"]["error"] == "command not found: no-such-command"


def fill(host: LiveHost) -> None:
    """Give the sandbox so many files that to copy them takes a while."""
    tree = workspace(host) / "tree"
    for directory in range(8):
        (tree / str(directory)).mkdir(parents=True)
        for number in range(40):
            (tree / str(directory) / str(number)).write_text("x" * 100)


def test_a_snapshot_that_the_server_does_not_survive_has_failed(killed_host: LiveHost) -> None:
    box = killed_host.box()
    fill(killed_host)
    pid = box.shell("echo up; exec sleep 1000", "web")["pid"]
    box.wait_for_line("web", "up")

    def latest() -> dict[str, Any]:
        found: dict[str, Any] = ask(killed_host, "GET", "/sandboxes/box/snapshots")["snapshots"][-1]
        return found

    kill_in_the_middle(
        killed_host,
        "/sandboxes/box/snapshot",
        {},
        under_way=lambda: status(killed_host) == "snapshotting",
        caught=lambda: bool(latest()["status"] == "failed"),
    )
    snapshot = latest()
    assert (snapshot["status"], snapshot["error"]) == ("failed", "the host ended while it was being taken")
    until(lambda: status(killed_host), lambda found: found == "running")
    row = box.row("web")
    assert (row["pid"], row["status"]) == (pid, "running")
    answer = killed_host.http.post("/sandboxes", json={"snapshot_id": snapshot["id"]})
    assert refused(answer) == (400, "SNAPSHOT_NOT_READY")
    assert killed_host.http.delete(f"/snapshots/{snapshot['id']}").status_code == 200


def kill_in_the_middle(
    host: LiveHost, path: str, body: dict[str, Any], under_way: Callable[[], bool], caught: Callable[[], bool]
) -> None:
    """Ask for something, and kill the server while it is under way; ask again if that was too late."""
    while True:
        asking = threading.Thread(target=begin_and_lose, args=(host, path, body))
        asking.start()
        while not (seen := under_way()) and asking.is_alive():
            pass
        if seen:
            host.kill("server")
        asking.join()
        if seen and caught():
            return


def begin_and_lose(host: LiveHost, path: str, body: dict[str, Any]) -> None:
    """Ask for something whose answer may be lost."""
    try:
        with client_of(host.path) as http:
            http.post(path, json=body)
    except httpx.TransportError:
        pass


def test_a_create_that_the_server_does_not_survive_has_failed(killed_host: LiveHost) -> None:
    killed_host.box()
    fill(killed_host)
    body = {"snapshot_id": take(killed_host)["id"]}
    pending: list[str] = []

    def under_way() -> bool:
        found = ask(killed_host, "GET", "/sandboxes", params={"status": "pending"})["sandboxes"]
        pending[:] = [item["id"] for item in found]
        return bool(pending)

    def caught() -> bool:
        return status(killed_host, pending[0]) != "running"

    kill_in_the_middle(killed_host, "/sandboxes", body, under_way, caught)
    (number,) = pending
    info = until(lambda: ask(killed_host, "GET", f"/sandboxes/{number}"), lambda found: found["status"] == "terminated")
    assert info["termination_reason"] == "Failure(CreationInterrupted)"
    until((killed_host.home.state / "sandboxes" / number / "workspace").exists, lambda there: not there)
    assert finish(killed_host.box("restored", snapshot_id=body["snapshot_id"]), "ls tree | wc -l") == ["8"]


def test_what_a_killed_server_has_half_made_is_removed_by_the_next(host: LiveHost) -> None:
    kinds = [host.home.state / kind for kind in ("sandboxes", "snapshots")]
    for kind in kinds:
        (kind / ("0" * 21) / "workspace").mkdir(parents=True)
        (kind / "no-id").mkdir()
    number = host.box().id
    host.kill("server")
    assert status(host) == "running"
    for kind in kinds:
        until((kind / ("0" * 21)).exists, lambda there: not there)
    assert sorted(path.name for path in kinds[0].iterdir()) == sorted([number, "no-id"])
    assert [path.name for path in kinds[1].iterdir()] == ["no-id"]


def test_a_snapshot_in_use_stays(kept_host: LiveHost) -> None:
    kept_host.box()
    fill(kept_host)
    number = take(kept_host)["id"]
    made = ask(kept_host, "POST", "/sandboxes", json={"name": "restored", "snapshot_id": number, "wait": False})
    if made["status"] == "pending":
        answer = kept_host.http.delete(f"/snapshots/{number}")
        assert answer.status_code == 200 or refused(answer) == (409, "SNAPSHOT_IN_USE")
    until(lambda: status(kept_host, "restored"), lambda found: found != "pending")
    assert finish(Box(kept_host, made["sandbox_id"]), "ls tree/7 | wc -l") == ["40"]


def test_a_sandbox_that_is_being_made_can_be_ended(kept_host: LiveHost) -> None:
    kept_host.box()
    fill(kept_host)
    body = {"name": "restored", "snapshot_id": take(kept_host)["id"], "wait": False}
    number = ask(kept_host, "POST", "/sandboxes", json=body)["sandbox_id"]
    assert kept_host.http.delete("/sandboxes/restored").status_code == 200
    info = ask(kept_host, "GET", f"/sandboxes/{number}")
    assert (info["status"], info["outcome"]) == ("terminated", "Success(UserTerminated)")
    assert not (kept_host.home.state / "sandboxes" / number / "workspace").exists()


def test_a_sandbox_that_is_being_kept_is_ended_after_that(kept_host: LiveHost) -> None:
    kept_host.box()
    fill(kept_host)
    number = kept_host.http.post("/sandboxes/box/snapshot").json()["snapshot_id"]
    assert kept_host.http.delete("/sandboxes/box").status_code == 200
    assert wait_for(kept_host, number)["status"] == "completed"
