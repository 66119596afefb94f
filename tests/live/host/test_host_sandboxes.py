"""The control plane of a real host (contract, section 2)."""

from __future__ import annotations

import re
import threading
from typing import Any

import httpx
import pytest

from sbxcompose.engine.local_host import launch
from tests.live.host.hosts import LiveHost, client_of, live_host
from tests.support.home import Home, wait_gone
from tests.support.waiting import until

FORMS = ["/v1/namespaces/default/sandboxes", "/sandboxes", "http://localhost//sandboxes"]


def steady(info: dict[str, Any]) -> dict[str, Any]:
    """A sandbox without what other programs of this machine change meanwhile."""
    return {name: value for name, value in info.items() if name != "machine_free"}


@pytest.mark.parametrize("path", FORMS)
def test_a_sandbox_from_its_creation_to_its_end(host: LiveHost, path: str) -> None:
    http = host.http
    created = http.post(path, json={"name": "box", "resources": {"cpus": 1.0, "memory_mb": 1024}})
    assert created.status_code == 200
    short = created.json()
    assert re.fullmatch(r"[a-z0-9]{21}", short["sandbox_id"])
    assert (short["status"], short["name"]) == ("running", "box")
    info = steady(http.get(f"{path}/box").json())
    assert info == steady(http.get(f"{path}/{short['sandbox_id']}").json())
    assert info["resources"] == {"cpus": 1.0, "memory_mb": 1024, "disk_mb": 10240, "ephemeral_disk_mb": 10240}
    assert info["extensions"] == ["batch", "watch", "stop", "pty", "stats", "start-key"]
    listed = http.get(path).json()
    assert [steady(row) for row in listed.pop("sandboxes")] == [info]
    assert listed == {"prev_cursor": None, "next_cursor": None}
    for _ in range(2):
        assert http.delete(f"{path}/box").status_code == 200
        assert http.delete(f"{path}/{short['sandbox_id']}").status_code == 200
    assert http.get(f"{path}/box").status_code == 404
    over = http.get(f"{path}/{short['sandbox_id']}").json()
    assert (over["status"], over["termination_reason"]) == ("terminated", "Success(UserTerminated)")
    assert http.get(path, params={"status": "running"}).json()["sandboxes"] == []


def test_the_end_of_a_sandbox_is_the_end_of_all_in_it(kept_host: LiveHost) -> None:
    box = kept_host.box()
    polite = box.shell("trap 'echo bye; exit 0' TERM; sleep 1000 & echo up; wait", "polite")
    plain = box.shell("(setsid sleep 1000 &); sleep 1000")
    box.wait_for_line("polite", "up")
    assert kept_host.http.delete("/sandboxes/box").status_code == 200
    assert wait_gone([polite["pid"], plain["pid"]], 0)
    assert box.refused("GET", "/processes")[:2] == (409, "SANDBOX_TERMINATED")
    directory = kept_host.home.state / "sandboxes" / box.id
    assert sorted(path.name for path in directory.iterdir()) == ["logs", "processes", "sandbox.json"]
    assert kept_host.box().id != box.id


def test_a_watch_ends_with_its_sandbox(kept_host: LiveHost) -> None:
    box = kept_host.box()
    box.shell("echo up; sleep 1000", "web")
    with client_of(kept_host.path) as http:
        for row in box.states():
            if row.get("status") == "running":
                http.delete("/sandboxes/box")
            else:
                assert row["signal"] == 15


def test_what_cannot_be_is_refused(host: LiveHost) -> None:
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"name": "Bad"}, 400, "cannot be a sandbox's name"),
        ({"name": "a" * 21}, 400, "cannot be a sandbox's name"),
        ({"name": 5}, 422, "name must be a string"),
        ({"timeout_secs": -1}, 422, "timeout_secs must be a whole number from 0"),
        ({"network": {"deny_out": ["1.1.1.1"]}}, 400, "network.deny_out cannot be enforced"),
        ({"snapshot_id": "s"}, 404, "snapshot s not found"),
        ({"resources": {"cpus": "many"}}, 422, "resources.cpus must be a positive number"),
        ({"exposed_ports": [0]}, 422, "exposed_ports[0] must be a whole number from 1 to 65535"),
    ]
    for body, status, words in refused:
        answer = host.http.post("/sandboxes", json=body)
        assert answer.status_code == status, body
        assert words in answer.json()["error"]
    assert host.http.get("/sandboxes").json()["sandboxes"] == []


def test_names_are_taken_once_and_directories_keep_theirs(kept_host: LiveHost) -> None:
    kept_host.box("box", project_directory="/a")
    again = kept_host.http.post("/sandboxes", json={"name": "box", "project_directory": "/a"})
    assert (again.status_code, again.json()["code"]) == (409, "ALREADY_EXISTS")
    other = kept_host.http.post("/sandboxes", json={"name": "box", "project_directory": "/b"})
    assert (other.status_code, other.json()["code"]) == (409, "PROJECT_DIRECTORY")
    assert "/a" in other.json()["error"]
    assert "-p" in other.json()["hint"]


def test_of_many_creates_at_once_one_wins(host: LiveHost) -> None:
    seen: list[int] = []

    def create() -> None:
        with client_of(host.path) as http:
            seen.append(http.post("/sandboxes", json={"name": "box"}).status_code)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [200] + [409] * 7
    assert len(host.http.get("/sandboxes").json()["sandboxes"]) == 1


def test_the_list_has_pages(host: LiveHost) -> None:
    ids = {host.box(f"box-{number}").id for number in range(5)}
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = host.http.get("/sandboxes", params={"limit": 2, "cursor": cursor}).json()
        seen += [sandbox["id"] for sandbox in page["sandboxes"]]
        cursor = page["next_cursor"]
    assert len(seen) == 5
    assert set(seen) == ids
    for query in ({"limit": "0"}, {"limit": "x"}, {"cursor": "x"}, {"direction": "up"}):
        assert host.http.get("/sandboxes", params=query).status_code == 400


def test_a_sandbox_without_a_name_ends_when_its_time_is_over(host_environ: Home) -> None:
    with live_host(host_environ) as host:
        for seconds in (1, 5, 30):  # long enough for a process to be started before the end
            box = host.box(None, timeout_secs=seconds)
            answer = box.ask("POST", "/processes", json=box.start_body("sleep", "1000"))
            if answer.status_code == 201:
                break
        row = answer.json()
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(host.path), verify=False), base_url="http://x") as http:
            http.post("/api/v1/watch", headers=box.headers, json={"states": True, "follow": True}, timeout=60)
        # Where the time was over before the watch began, that was refused while the process was being ended.
        assert wait_gone([row["pid"]], 60)
        path = f"/sandboxes/{box.id}"
        info = until(lambda: host.http.get(path).json(), lambda found: found["status"] == "terminated")
        assert info["termination_reason"] == "Success(Timeout)"


@pytest.mark.parametrize("prefix", ["/v1/namespaces/default", ""])
def test_a_patch_changes_what_it_names(host: LiveHost, prefix: str) -> None:
    box = host.box(None)
    path = f"{prefix}/sandboxes/{box.id}"
    changed = host.http.patch(path, json={"name": "box", "exposed_ports": [9000, 80], "auto_resume": None})
    assert changed.status_code == 200
    after = steady(changed.json())
    assert after == steady(host.http.get(f"{prefix}/sandboxes/box").json())
    assert (changed.json()["name"], changed.json()["exposed_ports"]) == ("box", [80, 9000])
    host.kill("server")
    assert steady(host.http.get(path).json()) == after
    renamed = host.http.patch(path, json={"name": "other"})
    assert renamed.status_code == 200
    assert host.http.get(f"{prefix}/sandboxes/box").status_code == 404
    assert host.box("box").id != box.id
    assert (host.http.patch(path, json={"name": "box"}).json()["code"]) == "ALREADY_EXISTS"


def test_what_a_patch_may_be(kept_host: LiveHost) -> None:
    patches: list[tuple[dict[str, Any], int]] = [
        ({}, 400),
        ({"name": None}, 400),
        ({"exposed_ports": [9501]}, 400),
        ({"network": {"allow_internet_access": False}}, 400),
        ({"network": None}, 200),
        ({"name": 5}, 422),
        ({"resources": {"cpus": "x"}}, 422),
        ({"resources": {"cpus": 2}, "name": "x"}, 400),
        ({"resources": {"cpus": 2}}, 200),
    ]
    for body, status in patches:
        box = kept_host.box()
        before = steady(kept_host.http.get("/sandboxes/box").json())
        answer = kept_host.http.patch("/sandboxes/box", json=body)
        assert answer.status_code == status, (body, answer.text)
        if status != 200:
            assert answer.json()["error"]
            assert steady(kept_host.http.get("/sandboxes/box").json()) == before
        kept_host.http.delete(f"/sandboxes/{box.id}")


def test_patches_of_what_is_not_there(kept_host: LiveHost) -> None:
    box = kept_host.box()
    kept_host.http.delete("/sandboxes/box")
    assert kept_host.http.patch("/sandboxes/nope", json={"name": "x"}).status_code == 404
    assert kept_host.http.patch(f"/sandboxes/{box.id}", json={"name": "x"}).status_code == 409


@pytest.mark.parametrize("prefix", ["/v1/namespaces/default", ""])
def test_the_archive_has_what_is_terminated(host: LiveHost, prefix: str) -> None:
    boxes = [host.box(f"box-{number}") for number in range(3)]
    for box in boxes[:2]:
        host.http.delete(f"/sandboxes/{box.id}")
    path = f"{prefix}/archived-sandboxes"
    first = host.http.get(path, params={"limit": 1}).json()
    second = host.http.get(path, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    found = [*first["sandboxes"], *second["sandboxes"]]
    assert {item["id"] for item in found} == {one_box.id for one_box in boxes[:2]}
    assert second["next_cursor"] is None
    assert all(item["archived_at"] == item["terminated_at"] for item in found)
    assert host.http.get(f"{path}/{boxes[0].id}").json()["name"] == "box-0"
    assert host.http.get(f"{path}/{boxes[2].id}").status_code == 404
    listed = host.http.get(f"{prefix}/sandboxes", params={"status": "terminated"}).json()["sandboxes"]
    assert {item["id"] for item in listed} == {one_box.id for one_box in boxes[:2]}
    assert host.http.get(f"{prefix}/sandboxes", params={"status": "gone"}).status_code == 400


def test_what_there_is_not_says_so(kept_host: LiveHost) -> None:
    requests = [
        ("GET", "/sandbox-pools", 404),
        ("POST", "/sandbox-pools", 404),
        ("PUT", "/sandbox-pools/x", 404),
        ("POST", "/sandbox-pools/x/sandboxes", 404),
        ("POST", "/sandboxes/box/file_systems", 422),
        ("DELETE", "/sandboxes/box/file_systems", 422),
        ("POST", "/sandboxes/nope/file_systems", 404),
        ("PUT", "/sandboxes/box", 405),
    ]
    kept_host.box()
    for method, path, status in requests:
        for prefix in ("", "/v1/namespaces/default"):
            answer = kept_host.http.request(method, prefix + path)
            assert answer.status_code == status, (method, path)
            assert answer.json()["error"]


def test_the_client_of_the_engine_gets_on_with_it(host: LiveHost) -> None:
    assert launch.status() is not None
    assert launch.ensure_host() == host.path
