"""The disk of an isolated sandbox: of limited size where that is asked for, and what happens when it is full."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.host.hosts import Box, LiveHost, ended, live_host, running
from tests.live.host.isolated import finish, host_without_rights, isolated
from tests.live.host.small_disks import small_state
from tests.live.host.test_host_snapshots import take
from tests.support.home import Home
from tests.support.waiting import until

SIZE = 24 << 20
LIMIT = 60
"""Seconds for what the kernel does on its own."""
FILL = "cat /dev/zero 2>&1 >/opt/filler | grep -o 'No space left on device'"
EVERYWHERE = """
for path in /tmp /workspace /root /var/tmp /etc /usr/bin; do
  head -c 1000000 /dev/zero 2>/dev/null >$path/x || echo full; rm $path/x
done
"""


def limited(host: LiveHost, name: str = "box", **fields: object) -> Box:
    """An isolated sandbox with a small disk. Skips the test where the machine cannot limit one, with its reason."""
    box = isolated(host, name, limits={"disk": SIZE}, **fields)
    refused = host.http.get(f"/sandboxes/{name}").json()["limits"]["disk_refused"]
    if refused:
        pytest.skip(refused)
    return box


def free(host: LiveHost, name: str = "box") -> int:
    """The bytes that are left on the disk of a sandbox, as the host says."""
    return int(host.http.get(f"/sandboxes/{name}").json()["disk_free"])


def loop_devices(host: LiveHost) -> list[str]:
    """The files of a host's state that loop devices show."""
    shown = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # let go of just now
            shown.append(path.read_text().strip())
    return [path for path in shown if path.startswith(str(host.home.state))]


def test_a_sandbox_cannot_write_more_than_its_disk_holds(kept_host: LiveHost) -> None:
    box = limited(kept_host)
    other = isolated(kept_host, "other")
    assert 10 << 20 < free(kept_host) < SIZE
    box.shell("echo up; read line; echo got $line; exec sleep 1000", "web", stdin_mode="pipe")
    box.wait_for_line("web", "up")
    assert finish(box, FILL) == ["No space left on device"]
    assert free(kept_host) < SIZE // 100
    assert finish(box, EVERYWHERE) == ["full"] * 6
    assert box.refused("PUT", "/files", params={"path": "/tmp/file"}, content=b"x" * 100_000)[1] == "NO_SPACE"
    box.ask("POST", "/processes/web/stdin", content=b"it\n").raise_for_status()
    box.wait_for_line("web", "got it")
    assert finish(other, "dd if=/dev/zero of=/opt/x bs=1M count=30 2>/dev/null && echo written") == ["written"]
    assert finish(box, "rm /opt/filler; echo room > /tmp/x; cat /tmp/x") == ["room"]
    assert free(kept_host) > 10 << 20


def test_a_limited_disk_is_kept_copied_and_let_go(killed_host: LiveHost) -> None:
    box = limited(killed_host)
    finish(box, "echo one > /etc/kept; rm /usr/bin/env; useradd -u 1500 robot 2>/dev/null")
    snapshot = take(killed_host)
    fork = limited(killed_host, "fork", snapshot_id=snapshot["id"])
    plain = isolated(killed_host, "plain", snapshot_id=snapshot["id"])
    for copy in (fork, plain):
        assert finish(copy, "cat /etc/kept; ls /usr/bin/env 2>/dev/null") == ["one"]
    finish(fork, "echo two > /etc/kept")
    for half in ("server", "keeper"):
        killed_host.kill(half)
        assert finish(box, "cat /etc/kept") == ["one"]
        assert finish(fork, "cat /etc/kept") == ["two"]
    finish(plain, f"dd if=/dev/zero of=/opt/large bs=1M count={SIZE >> 20} 2>/dev/null")
    large = take(killed_host, "plain")
    answer = killed_host.http.post(
        "/sandboxes",
        json={"name": "small", "isolation": "overlay", "snapshot_id": large["id"], "limits": {"disk": SIZE}},
    )
    assert (answer.status_code, answer.json()["error_details"]["code"]) == (422, "NO_SPACE")
    for name in ("box", "fork", "plain"):
        killed_host.http.delete(f"/sandboxes/{name}").raise_for_status()
    # The kernel lets go of them once the last mount of their namespaces is gone.
    until(lambda: loop_devices(killed_host), lambda left: not left)


def test_what_cannot_be_limited_is_refused_or_said(kept_host: LiveHost) -> None:
    for fields, words in (
        ({"isolation": "none"}, "limits.disk needs `isolation: overlay`"),
        (
            {"isolation": "overlay", "limits": {"disk": 1 << 20}},
            "a disk of 1 MiB is too small; expected at least 16 MiB",
        ),
    ):
        answer = kept_host.http.post("/sandboxes", json={"limits": {"disk": SIZE}, **fields})
        assert answer.status_code == 400
        assert words in answer.json()["error"]
    limited(kept_host)
    changed = kept_host.http.patch("/sandboxes/box", json={"limits": {"disk": SIZE * 2}})
    assert (changed.status_code, changed.json()["error"]) == (400, "limits.disk is fixed when a sandbox is created")
    kept = kept_host.http.patch("/sandboxes/box", json={"limits": {"memory": 1 << 30}}).json()["limits"]
    assert (kept["disk"], kept["memory"], kept["disk_refused"]) == (SIZE, 1 << 30, None)


def test_a_host_without_rights_says_that_it_cannot_limit_a_disk(host_environ: object) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to become a user without rights")
    with host_without_rights() as host:
        box = isolated(host, limits={"disk": SIZE})
        info = host.http.get("/sandboxes/box").json()
        assert info["limits"]["disk_refused"] == "limiting a disk needs a host that runs as root"
        assert info["disk_free"] is None
        assert finish(box, "echo runs") == ["runs"]


FILL_AND_WAIT = "said=$(cat /dev/zero 2>&1 >/opt/filler); read line; rm /opt/filler; echo $said"


def machine_free(host: LiveHost) -> int:
    return int(host.http.get("/sandboxes/box").json()["machine_free"])


def test_a_process_that_fills_the_disk_of_the_machine_fails_and_all_else_runs(host_environ: Home) -> None:
    with small_state(host_environ, "8m") as home, live_host(home) as host:
        box, other = isolated(host), isolated(host, "other")
        assert machine_free(host) > 1 << 20
        for found in (box, other):
            found.shell("echo up; exec sleep 1000", "web")
            found.wait_for_line("web", "up")
        box.shell(FILL_AND_WAIT, "writer", stdin_mode="pipe")
        until(lambda: not machine_free(host))
        assert other.refused("PUT", "/files", params={"path": "/tmp/file"}, content=b"x" * 100_000)[1] == "NO_SPACE"
        assert other.ask("GET", "/files", params={"path": "/etc/hostname"}).text == "other\n"
        assert [running(found.row("web")) for found in (box, other)] == [True, True]
        host.kill("server")
        box.ask("POST", "/processes/writer/stdin", content=b"go on\n").raise_for_status()
        box.wait("writer", ended)
        assert box.lines("writer")[-1].endswith("No space left on device")
        assert finish(other, "echo room > /tmp/x; cat /tmp/x") == ["room"]


MANY_FILES = """
import errno, itertools
try:
    for number in itertools.count():
        open(f"/opt/{number}", "w").close()
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def test_a_sandbox_can_make_no_more_files_than_its_disk_holds(kept_host: LiveHost) -> None:
    box = limited(kept_host)
    other = isolated(kept_host, "other")
    assert finish(box, f"python3 -S -c '{MANY_FILES}'") == ["ENOSPC"]
    assert free(kept_host) == 0
    assert finish(other, "touch /opt/x && echo made") == ["made"]


WRITE_UNTIL_IT_FAILS = """
said=$( (while head -c 1000000 /dev/zero >>/opt/filler && sync; do :; done) 2>&1)
while touch /opt/probe 2>/dev/null; do sync; done
touch /opt/probe 2>&1 | grep -q "Read-only file system"
"""


def test_a_disk_below_which_the_machine_s_is_full_is_told_as_read_only(host_environ: Home) -> None:
    with small_state(host_environ, "16m") as home, live_host(home) as host:
        box = limited(host)
        assert host.http.get("/sandboxes/box").json()["disk_read_only"] is False
        # What it prints has no room either.
        assert box.wait(box.shell(WRITE_UNTIL_IT_FAILS)["pid"], ended)["exit_code"] == 0
        assert host.http.get("/sandboxes/box").json()["disk_read_only"] is True
