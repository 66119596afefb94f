"""What a host takes on request although it cannot keep it, and file systems that sandboxes share."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator

import httpx
import pytest

from tests.live.host.hosts import Box, LiveHost, client_of, lasting_host
from tests.live.host.isolated import finish, isolated

KEY = "a-key-for-tests"
LISTS = {"allow_internet_access": True, "allow_out": ["10.0.0.1"]}
BUILD = {"name": "mine", "kind": "dockerfile", "dockerfile_path": ".tensorlake/Dockerfile"}


@pytest.fixture(scope="module")
def accepting() -> Iterator[LiveHost]:
    """A host with a port that accepts everything, for the tests of this module."""
    with lasting_host({"SBXCOMPOSE_ACCEPT": "images,memory,network,one-sandbox"}, port=0, key=KEY) as host:
        yield host


@pytest.fixture
def lenient(accepting: LiveHost) -> Iterator[LiveHost]:
    """The same, without the sandboxes of the tests before."""
    yield accepting
    accepting.clear()


def context(text: str) -> bytes:
    """What a client uploads to build an image."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(".tensorlake/Dockerfile")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_an_image_build_is_recorded(lenient: LiveHost) -> None:
    http = lenient.http
    build = http.post("/images/v4/builds", json=BUILD).raise_for_status().json()
    path, body = f"/images/v4/builds/{build['build_id']}", context("FROM ubuntu\nRUN true\n")
    assert (build["status"], build["phase"]) == ("pending", "awaiting_context")
    assert http.post(f"{path}/context/seal", json={"digest": "0"}).json()["code"] == "NO_CONTEXT"
    url = build["context_upload"]["url"]
    # The client that uploads has no key: the address has what lets it in, and lets nobody else in.
    assert httpx.put(url[:-1] + "x", content=body).status_code == 401
    assert httpx.put(url, content=b"no archive").json()["code"] == "BAD_CONTEXT"
    httpx.put(url, content=body).raise_for_status()
    assert http.post(f"{path}/context/seal", json={"digest": "0"}).json()["code"] == "BAD_DIGEST"
    http.post(f"{path}/context/seal", json={"digest": hashlib.sha256(body).hexdigest()}).raise_for_status()
    http.post("/images/v4/builds", json={"name": "slim", "kind": "import", "image_ref": "python:3"}).raise_for_status()
    built = http.get(path).json()
    assert built["result"]["name"] == "mine"
    assert built["not_built"] == built["result"]["not_built"]
    assert built["not_built"].startswith("recorded, and not built")
    assert f"image mine: {built['not_built']}" in lenient.log
    for image, said in (("mine", [f"image mine: {built['not_built']}"]), ("other", [])):
        number = http.post("/sandboxes", json={"image": image}).raise_for_status().json()["sandbox_id"]
        assert http.get(f"/sandboxes/{number}").json()["not_enforced"] == said
        http.delete(f"/sandboxes/{number}").raise_for_status()
    lenient.kill("server")
    assert [image["name"] for image in http.get("/images/v4/images").json()["items"]] == ["mine", "slim"]
    assert http.post(f"{path}/cancel").json()["outcome"] == "already_completed"
    again = http.post("/images/v4/builds", json=BUILD).json()["build_id"]
    assert http.post(f"/images/v4/builds/{again}/cancel").json()["outcome"] == "cancelled"
    assert http.delete("/images/v4/images/name/mine").status_code == 200
    assert http.get("/images/v4/images/name/mine").status_code == 404


def test_network_lists_are_recorded_and_said_not_to_be_enforced(lenient: LiveHost) -> None:
    box = lenient.box(network=LISTS)
    path = f"/sandboxes/{box.id}"
    assert lenient.http.get(path).json()["not_enforced"] == ["network.allow_out: recorded, and not enforced"]
    told = lenient.http.patch(path, json={"network": {"allow_internet_access": False}}).raise_for_status().json()
    assert told["not_enforced"] == [
        "network: recorded, and not enforced; the sandbox keeps the open network that it began with"
    ]
    lenient.kill("server")
    assert lenient.http.get(path).json()["enforced_network"] == "open"


def test_a_busy_sandbox_is_copied_without_its_memory(lenient: LiveHost) -> None:
    box = lenient.box()
    box.begin("sleep", "1000", name="web")
    copy = lenient.http.post(f"/sandboxes/{box.id}/copy").raise_for_status().json()["sandboxes"][0]["sandbox_id"]
    assert Box(lenient, copy).rows() == []
    body = {"snapshot_type": "memory"}
    number = lenient.http.post(f"/sandboxes/{box.id}/snapshot", json=body).raise_for_status().json()["snapshot_id"]
    assert any(line.startswith("memory: ") for line in lenient.http.get(f"/snapshots/{number}").json()["not_covered"])


def test_the_only_sandbox_is_meant_where_none_is_named(lenient: LiveHost) -> None:
    with client_of(tcp=lenient.status["tcp"].replace("127.0.0.1", "0.0.0.0"), key=KEY) as client:
        told = client.get("/api/v1/processes").json()
        assert (told["code"], "there are none" in told["error"]) == ("MISSING_SANDBOX_ID", True)
        lenient.box("one").begin("sleep", "1000", name="web")
        (row,) = client.get("/api/v1/processes").raise_for_status().json()["processes"]
        assert row["managed"]["name"] == "web"
        lenient.box("two")
        assert "there are 2" in client.get("/api/v1/processes").json()["error"]


def test_without_that_such_requests_are_refused_with_the_remedy(kept_host: LiveHost) -> None:
    http, box = kept_host.http, kept_host.box()
    told = {
        "images": http.post("/images/v4/builds", json=BUILD).json(),
        "network": http.post("/sandboxes", json={"network": LISTS}).json(),
        "one-sandbox": http.get("/api/v1/processes").json(),
    }
    box.begin("sleep", "1000")
    told["memory"] = http.post(f"/sandboxes/{box.id}/copy").json()
    assert all(f"host serve --accept {name}" in answer["hint"] for name, answer in told.items()), told


def test_a_file_system_is_shared_by_sandboxes(lenient: LiveHost) -> None:
    http = lenient.http
    http.post("/project/local/repos/data").raise_for_status()
    mount = {"file_system_id": "data", "mount_path": "/data"}
    one, two = isolated(lenient, "one", file_systems=[mount]), isolated(lenient, "two")
    assert finish(one, "echo shared > /data/file; cat /data/file") == ["shared"]
    path = f"/sandboxes/{two.id}/file_systems"
    http.post(path, json={**mount, "read_only": True}).raise_for_status()
    assert finish(two, "cat /data/file; (echo x > /data/file) 2>&1 | grep -c Read-only") == ["shared", "1"]
    refused = http.post(path, json=mount)
    assert (refused.status_code, refused.json()["code"]) == (409, "ALREADY_EXISTS")
    assert http.delete("/project/local/repos/data").json()["code"] == "IN_USE"
    two.begin("sleep", "1000")
    busy = http.request("DELETE", path, json={"mount_path": "/data"})
    assert (busy.status_code, busy.json()["code"]) == (409, "SANDBOX_BUSY")
    for box in (one, two):
        http.delete(f"/sandboxes/{box.id}")
    http.delete("/project/local/repos/data").raise_for_status()
    assert http.get("/project/local/repos").json()["repos"] == []


def test_a_mount_that_cannot_be_is_refused(lenient: LiveHost) -> None:
    def code(isolation: str, **mount: str) -> str:
        answer = lenient.http.post("/sandboxes", json={"isolation": isolation, "file_systems": [mount]})
        return f"{answer.status_code} {answer.json()['code']}"

    if code("overlay", file_system_id="absent", mount_path="/data") == "400 ISOLATION":
        pytest.skip("this machine permits no isolated sandbox")
    assert code("overlay", file_system_id="absent", mount_path="/data") == "404 FILE_SYSTEM_NOT_FOUND"
    assert code("overlay", file_system_id="../sandboxes", mount_path="/data") == "404 FILE_SYSTEM_NOT_FOUND"
    assert code("overlay", file_system_id="absent", mount_path="/data", owner="me") == "400 UNSUPPORTED"
    assert code("overlay", mount_path="/data") == "422 INVALID"
    assert code("none", file_system_id="absent", mount_path="/data") == "400 UNSUPPORTED"


def test_the_token_of_the_file_systems_opens_nothing_else(lenient: LiveHost) -> None:
    with client_of(tcp=lenient.status["tcp"], key=KEY) as client:
        token = client.post("/artifact-storage/v1/token").raise_for_status().json()["token"]
    payload = token.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iss"] == "local"
    with client_of(tcp=lenient.status["tcp"]) as client:
        assert client.get("/project/local/repos", auth=("git", token)).status_code == 200
        assert client.get("/project/local/repos", auth=("git", token[:-1])).status_code == 401
        assert client.get("/sandboxes", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_a_port_of_another_sandbox_is_not_reached_by_mistake(lenient: LiveHost) -> None:
    one, two = lenient.box("one"), lenient.box("two")
    script = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    one.begin("python3", "-uc", f"{script}; print(s.server_port); s.serve_forever()", name="web")
    (port,) = one.first_lines("web", 1)
    for box in (one, two):
        lenient.http.patch(f"/sandboxes/{box.id}", json={"exposed_ports": [int(port)]}).raise_for_status()
    assert lenient.http.get("/", headers={"Host": f"{port}-one.localhost"}).status_code == 200
    told = lenient.http.get("/", headers={"Host": f"{port}-two.localhost"})
    assert (told.status_code, told.json()["code"]) == (409, "PORT_COLLISION")
    assert "in use by sandbox one" in told.json()["error"]
    assert two.rows() == []
