"""`isolation: overlay` of a file at the provider `local`: a machine of its own around the project's directory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.host.small_disks import small_state
from tests.support.command import Sbx

ISOLATED = """
sandboxes:
  app:
    isolation: overlay
    mounts: [./shown:/shown, "./out:/out:rw"]
    setup: ["echo done > /etc/set-up"]
    processes:
      web:
        command: sleep 1000
        health_check: {exec: "cat /etc/set-up && kill -0 $$SBXCOMPOSE_PID", timeout: 1m}
      look: {command: "pwd; cat /etc/set-up /shown/data; ls $$HOME; echo made > /out/made", restart: never}
"""


def begin(sbx: Sbx, text: str) -> None:
    """Bring a project up. Skips the test where the machine does not permit isolation, with its reason."""
    sbx.write(text)
    for name in ("shown", "out"):
        (sbx.project / name).mkdir(exist_ok=True)
    (sbx.project / "shown" / "data").write_text("shown\n")
    up = sbx.run("up", "-d", "--wait", code=None)
    if "cannot be isolated" in up.stderr:
        pytest.skip(up.stderr)
    assert up.code == 0, up.stderr


def test_a_project_runs_in_a_machine_of_its_own(sbx: Sbx) -> None:
    begin(sbx, ISOLATED)
    assert sbx.run("logs", "--no-prefix", "look").stdout == "/workspace\ndone\nshown\n"
    assert (sbx.project / "out" / "made").read_text() == "made\n"
    said = sbx.run("exec", "web", "sh", "-c", f"ls {sbx.project} {sbx.home.root} 2>&1; echo from-inside > note; env")
    assert said.stdout.count("No such file or directory") == 2
    assert f"{sbx.home.root}" not in said.stdout.partition("PWD=")[2]
    assert (sbx.project / "note").read_text() == "from-inside\n"
    shell = sbx.run("shell", "app", stdin="env; pwd; hostname\n", env={"SECRET_OF_MINE": "x", "SHELL": "/bin/nonsense"})
    assert "SECRET_OF_MINE" not in shell.stdout
    assert "HOME=/root" in shell.stdout or "HOME=/home/tl-user" in shell.stdout
    sbx.write(ISOLATED.replace("isolation: overlay", "isolation: none").replace("    mounts: [", "    # ["))
    assert "differs from the file in `isolation` and `mounts`" in sbx.run("plan").stderr


SHEDDING = """
import os, resource
if os.fork():
    while not os.path.exists("/tmp/out"):
        pass
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.setsid()
resource.setrlimit(resource.RLIMIT_RSS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
script = "readlink /proc/self/ns/pid > /workspace/namespace; echo > /tmp/out; while :; do sleep 1000; done"
os.execve("/bin/sh", ["sh", "-c", script], {})
"""
ESCAPING = """
sandboxes:
  app:
    isolation: overlay
    processes:
      sheds: {command: python3 sheds.py, restart: never}
      web: {command: sleep 1000}
"""


def test_what_sheds_everything_that_it_is_known_by_does_not_outlive_down(sbx: Sbx) -> None:
    sbx.write(SHEDDING, "sheds.py")
    begin(sbx, ESCAPING)
    sbx.run("wait", "sheds")
    namespace = (sbx.project / "namespace").read_text().strip()
    assert "sh" in members(namespace)
    sbx.run("down")
    assert not {"sh", "sleep"}.intersection(members(namespace))


def members(namespace: str) -> list[str]:
    """The names of the processes of this machine that are in a PID namespace."""
    found = []
    for process in filter(lambda path: path.name.isdigit(), Path("/proc").iterdir()):
        with suppress(OSError):
            if os.readlink(process / "ns/pid") == namespace and b"Z (zombie)" not in (process / "status").read_bytes():
                found.append((process / "comm").read_text().strip())
    return found


def test_a_mount_without_isolation_or_without_a_source_is_a_mistake(sbx: Sbx) -> None:
    sbx.write("sandboxes: {app: {mounts: [./x:/x], processes: {web: {command: sleep 1000}}}}")
    assert "`mounts` need an isolated sandbox" in sbx.run("up", "-d", code=None).stderr
    sbx.write("sandboxes: {app: {isolation: overlay, mounts: [./x:/x], processes: {web: {command: sleep 1000}}}}")
    assert "cannot mount ./x at /x: no such file or directory" in sbx.run("up", "-d", code=1).stderr
    sbx.write("sandboxes: {app: {isolation: overlay, mounts: [x], processes: {web: {command: sleep 1000}}}}")
    assert "invalid mount `x`" in sbx.run("config", code=None).stderr


FULL = """
sandboxes:
  app:
    isolation: overlay
    resources: {disk: 24mb}
    processes:
      web: {command: "cat /dev/zero > /opt/filler; exit 3", restart: never}
      other: {command: "echo up; exec sleep 1000", ready_when: {log: up}}
"""


def test_a_full_disk_of_a_sandbox_is_reported_with_the_limit(sbx: Sbx) -> None:
    sbx.write(FULL)
    up = sbx.run("up", "-d", code=None)
    if "cannot be isolated" in up.stderr or "is not enforced" in up.stderr:
        pytest.skip(up.stderr)
    assert "No space left on device" in sbx.run("wait", "web", code=1).stderr
    told = sbx.run("why", "web", code=None).stdout
    assert "the disk of sandbox app is full: " in told
    assert " of 25 MB are free (`resources.disk`)" in told
    assert "raise `resources.disk`" in told
    assert "ready" in sbx.run("ps").stdout
    sbx.write(FULL.replace("24mb", "32mb"))
    assert "differs from the file in `resources.disk`; `--recreate-sandboxes` replaces it" in sbx.run("plan").stderr


CROWDED = """
sandboxes:
  app:
    isolation: overlay
    mounts: ["./out:/out:rw"]
    processes:
      web: {command: "cat /dev/zero 2> /out/said > /opt/filler; exit 3", restart: never}
"""


def test_a_full_disk_of_the_machine_is_reported_as_such(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    with small_state(sbx.home, "8m"):
        (sbx.project / "out").mkdir()
        sbx.write(CROWDED)
        up = sbx.run("up", "-d", code=None)
        if "cannot be isolated" in up.stderr:
            pytest.skip(up.stderr)
        sbx.run("wait", "web", code=1)
        assert "No space left on device" in (sbx.project / "out" / "said").read_text()
        told = sbx.run("why", "web", code=None).stdout
        assert "the disk of this machine that holds the disk of sandbox app is full: 0 B are free" in told
        assert "free space on the disk that holds the host's state" in told
        sbx.run("down", "--terminate")
        sbx.run("host", "stop", "--force")
