"""Nothing that a hostile program tries in an isolated sandbox leads out of it, with and without root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sbxcompose.engine.local_host import launch
from tests.live.host import escapes
from tests.live.host.hosts import LiveHost, client_of, ended
from tests.live.host.isolated import NOBODY, finish, host_without_rights, isolated
from tests.support.home import wait_gone

SECRET = "TOP-SECRET"


@pytest.fixture
def run_by_root(host: LiveHost) -> LiveHost:
    """A host whose sandboxes are made with the rights of root."""
    if os.geteuid() != 0:
        pytest.skip("root is needed")
    return host


@pytest.fixture
def run_by_a_user() -> Iterator[LiveHost]:
    """A host whose sandboxes are made in user namespaces."""
    if os.geteuid() != 0:
        pytest.skip("root is needed to become a user without rights")
    with host_without_rights() as host:
        yield host


def test_no_try_leads_out_of_a_sandbox_of_roots(run_by_root: LiveHost) -> None:
    check(run_by_root, owner=0)


def test_no_try_leads_out_of_a_sandbox_of_a_users(run_by_a_user: LiveHost) -> None:
    check(run_by_a_user, owner=NOBODY)


def check(host: LiveHost, owner: int) -> None:
    box = isolated(host)
    with ExitStack() as stack:
        wanted = targets(host, owner, stack)
        program = Path(escapes.__file__).read_bytes()
        box.ask("PUT", "/files", params={"path": "/tmp/escapes.py"}, content=program).raise_for_status()
        row = box.ask(
            "POST", "/processes", json={"command": "python3", "args": ["/tmp/escapes.py", json.dumps(wanted)]}
        ).json()
        box.wait(row["pid"], ended)
        outcomes = json.loads("".join(box.lines(row["pid"])))
    assert {name: got for name, got in outcomes.items() if got} == {}
    assert len(outcomes) == len(escapes.TRIES) >= 70


def targets(host: LiveHost, owner: int, stack: ExitStack) -> dict[str, object]:
    """What there is to be had, each found by whoever may look for it."""
    marker = f"marker{uuid.uuid4().hex}"
    outside = stack.enter_context(
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)", f"{marker}x"])
    )
    stack.callback(outside.kill)
    neighbour = isolated(host, "neighbour")
    finish(neighbour, f"echo {SECRET} > /workspace/mine")
    inside = host.home.state / "sandboxes" / neighbour.id / "disk" / "root" / "workspace" / "mine"
    paths = {
        "secret": host.home.root / "secret",
        "key": host.home.state / "host.key",
        "temporary": Path(f"/tmp/{marker}"),
        "shared": Path(f"/dev/shm/{marker}"),
    }
    for path in paths.values():
        path.write_text(SECRET)
        os.chown(path, owner, owner)
        stack.callback(path.unlink)
    assert all(path.read_text().strip() == SECRET for path in (inside, *paths.values()))
    return {
        **{name: str(path) for name, path in paths.items()},
        "neighbour": str(inside),
        "sockets": [str(host.home.socket), str(host.home.state / "host.sock")],
        "outside": outside.pid,
        "marker": marker,
    }


def test_files_of_a_sandbox_are_found_below_its_root_alone(run_by_root: LiveHost) -> None:
    """The host reads and writes them with its own rights: links must not lead it out."""
    box = isolated(run_by_root)
    secret = run_by_root.home.root / "secret"
    secret.write_text(SECRET)
    finish(box, f"ln -s {secret} /tmp/link; ln -s {secret.parent} /tmp/directory; ln -s /proc/1/root /tmp/magic")
    for path in ("/tmp/link", f"/tmp/directory/{secret.name}", f"/tmp/magic{secret}", str(secret)):
        assert box.refused("GET", "/files", params={"path": path})[0] in (400, 403, 404)
    for path in ("/tmp/link", f"/tmp/directory/{secret.name}"):
        box.ask("PUT", "/files", params={"path": path}, content=b"overwritten")
        box.ask("DELETE", "/files", params={"path": path})
    assert secret.read_text() == SECRET
    listed = box.ask("GET", "/files/list", params={"path": str(secret.parent)}).raise_for_status()
    assert listed.json()["entries"] == []  # made by the PUT through a link to it, in the sandbox


def test_a_link_in_the_place_of_a_mount_is_not_followed(run_by_root: LiveHost, tmp_path: Path) -> None:
    """What lies in a directory that a sandbox can write to may be replaced by it, and is mounted again later."""
    project, shown, secrets = tmp_path / "project", tmp_path / "project" / "data", tmp_path / "home"
    for directory in (project, shown, secrets):
        directory.mkdir()
    (secrets / "secret").write_text(SECRET)
    mounts = [{"source": str(shown), "target": "/data"}]
    box = isolated(run_by_root, project_directory=str(project), mounts=mounts)
    assert finish(box, f"ls /data; mv data old && ln -s {secrets} data && echo replaced") == ["replaced"]
    restart(run_by_root)
    status, _, error = box.refused("POST", "/processes", json={"command": "cat", "args": ["/data/secret"]})
    assert status == 500
    assert f"bind of {shown} at /data: a symbolic link has taken the place" in error


def restart(host: LiveHost) -> None:
    """Kill both halves of a host, and with them the mounts of its sandboxes, and start it again."""
    status = host.status
    for half in ("keeper_pid", "pid"):
        os.kill(status[half], signal.SIGSTOP)
    for half in ("keeper_pid", "pid"):
        os.kill(status[half], signal.SIGKILL)
    assert wait_gone([status["keeper_pid"], status["pid"]], 60)
    host.http.close()
    host.http = client_of(launch.ensure_host())


def test_a_program_that_sheds_everything_does_not_outlive_the_sandbox(run_by_root: LiveHost) -> None:
    box = isolated(run_by_root)
    token = uuid.uuid4().hex
    script = f"""
import os, resource, time
if os.fork():
    while not os.path.exists('/workspace/out'): time.sleep(0.01)
    os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.setsid()
resource.setrlimit(resource.RLIMIT_RSS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
os.execve('/bin/sh', ['sh', '-c', 'echo out >/workspace/out; while :; do sleep 1000; done # {token}'], {{}})
"""
    box.begin("sleep", "1000", env={"PATH": "/usr/bin:/bin"})
    body = {"command": "python3", "args": ["-c", script]}
    row = box.ask("POST", "/processes", json=body).raise_for_status().json()
    box.wait(row["pid"], ended)
    assert alive(token)
    run_by_root.http.delete(f"/sandboxes/{box.id}").raise_for_status()
    assert not alive(token)


def alive(token: str) -> list[str]:
    """The processes of this machine whose command line has a word in it."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if token.encode() in Path("/proc", name, "cmdline").read_bytes():
                found.append(name)
        except OSError:
            continue
    return found
