"""Sandboxes that programs create are isolated wherever this machine permits it, and it is told where it does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.host.hosts import LiveHost, live_host
from tests.live.host.isolated import finish, forbidding, host_without_rights, isolated
from tests.support.home import Home


def refusal(host: LiveHost) -> str | None:
    """Why this machine permits no isolation, as the host has it."""
    told: str | None = host.http.get("/host/v1/isolation").raise_for_status().json()["refused"]
    return told


@pytest.mark.parametrize("mode", ["auto", "none", "overlay"])
def test_a_sandbox_that_does_not_say_is_isolated_as_the_host_is_told(
    mode: str, host_environ: Home, tmp_path: Path
) -> None:
    outside = tmp_path / "made"
    variables = {} if mode == "auto" else {"SBXCOMPOSE_ISOLATION": mode}
    with live_host(host_environ, variables) as host:
        assert host.http.get("/host/v1/isolation").json()["mode"] == mode
        if mode != "none":
            isolated(host, "asked")  # skips where there is no isolation
        box = host.box()
        info = host.http.get("/sandboxes/box").json()
        assert info["isolation"] == ("none" if mode == "none" else "overlay")
        assert info["isolation_refused"] is None
        said = finish(box, f"mkdir -p {tmp_path} && echo made > {outside} && echo $$ && pwd")
        assert outside.exists() is (mode == "none")
        assert (said[1] == "/workspace") is (mode != "none")


def test_a_sandbox_of_a_project_is_not_isolated_unless_it_is_asked_for(kept_host: LiveHost, tmp_path: Path) -> None:
    kept_host.box(project_directory=str(tmp_path))
    kept_host.box("copy", project={"name": "shop", "sandbox": "copy", "directory": str(tmp_path)})
    for name in ("box", "copy"):
        info = kept_host.http.get(f"/sandboxes/{name}").json()
        assert (info["isolation"], info["isolation_refused"]) == ("none", None)


def test_a_file_that_only_this_machine_has_is_told(kept_host: LiveHost, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    box = isolated(kept_host)
    for answer in (
        box.ask("POST", "/processes", json={"command": str(program)}),
        box.ask("GET", "/files", params={"path": str(program)}),
        box.ask("POST", "/pty", json={"command": str(program)}),
    ):
        assert "this machine has it, but an isolated sandbox sees only the operating system" in answer.json()["hint"]
    assert "hint" not in box.ask("GET", "/files", params={"path": "/nowhere"}).json()


@pytest.fixture(scope="module")
def refusing() -> Iterator[LiveHost]:
    """A host that may isolate nothing."""
    if os.geteuid() != 0:
        pytest.skip("root is needed to become a user without rights")
    with host_without_rights(forbidding()) as host:
        yield host


def test_where_it_is_refused_sandboxes_are_made_without_and_say_why(refusing: LiveHost) -> None:
    words = "the sandbox cannot be isolated: making namespaces"
    for name in ("one", "two"):
        box = refusing.box(name)
        info = refusing.http.get(f"/sandboxes/{name}").json()
        assert info["isolation"] == "none"
        assert info["isolation_refused"].startswith(words)
        assert finish(box, "echo works") == ["works"]
    asked = refusing.box("asked", isolation="none")
    assert refusing.http.get(f"/sandboxes/{asked.id}").json()["isolation_refused"] is None
    told = refusing.http.get("/host/v1/isolation").json()
    assert (told["mode"], told["refused"]) == ("auto", info["isolation_refused"])
    assert "`sudo sysctl user.max_user_namespaces=10000` allows them" in told["hint"]
    assert len(re.findall(f"sandboxes that programs create are not isolated: {words}", refusing.log)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"mounts": [{"source": "/usr", "target": "/machine"}]},
        {"workspace": "/work"},
        {"limits": {"disk": 64 << 20}},
        {"file_systems": [{"file_system_id": "data", "mount_path": "/data"}]},
    ],
)
def test_where_it_is_refused_so_is_what_needs_it(refusing: LiveHost, fields: dict[str, object]) -> None:
    answer = refusing.http.post("/sandboxes", json=fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "ISOLATION")
    assert "making namespaces" in answer.json()["error"]
    assert "allows them" in answer.json()["hint"]


def test_it_is_the_same_after_the_server_was_killed(kept_host: LiveHost, host_environ: Home) -> None:
    why = refusal(kept_host)
    with live_host(host_environ) as host:
        before = host.box("before")
        host.kill("server")
        after = host.box("after")
        for box in (before, after):
            info = host.http.get(f"/sandboxes/{box.id}").json()
            assert (info["isolation"], info["isolation_refused"]) == ("overlay" if why is None else "none", why)
            assert finish(box, "pwd")[0] == (info["workspace"] or info["workspace_directory"])
