"""Snapshots of an isolated sandbox are of its whole disk; those of others say what they lack."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx

from tests.live.host.hosts import Box, LiveHost
from tests.live.host.isolated import finish, host_without_rights, isolated
from tests.live.host.test_host_snapshots import take, wait_for
from tests.support.home import wait_gone
from tests.support.waiting import until

CHANGE = """
mkdir -p /etc/app /root/deep && echo one > /etc/app/conf && echo home > /root/deep/note && echo work > /workspace/w
rm /usr/bin/env && rm -r /usr/share/doc && mkdir /usr/share/doc && touch /usr/share/doc/only
ln -s /etc/app/conf /usr/local/link
ln /etc/app/conf /etc/app/same && chmod 0640 /etc/app/conf && chmod 0600 /root/deep/note
echo '# changed' >> /etc/profile && mv /etc/issue /etc/issue.moved
truncate -s 1000000 /var/tmp/sparse && mkfifo /tmp/fifo
"""
LOOK = """
cat /etc/app/same /root/deep/note /workspace/w; ls /usr/bin/env 2>/dev/null; ls /usr/share/doc; cat /usr/local/link
stat -c '%a %h' /etc/app/conf /root/deep/note; tail -1 /etc/profile; ls /etc/issue 2>/dev/null; ls /etc/issue.moved
stat -c '%s %b %F' /var/tmp/sparse /tmp/fifo; find / -xdev -newer /etc/app/conf -path '/root/*' | wc -l
"""


def look(box: Box) -> list[str]:
    """What there is to see of the changes."""
    return finish(box, LOOK)


def test_snapshots_and_copies_have_the_whole_disk_and_do_not_see_each_other(kept_host: LiveHost) -> None:
    box = isolated(kept_host)
    finish(box, CHANGE)
    seen = look(box)
    assert seen[:5] == ["one", "home", "work", "only", "one"]
    box.ask("POST", "/processes", json={"command": "sh", "args": ["-c", "while :; do date > /etc/app/clock; done"]})
    until(lambda: box.ask("GET", "/files", params={"path": "/etc/app/clock"}).is_success)
    snapshot = take(kept_host)
    assert (snapshot["status"], snapshot["not_covered"]) == ("completed", [])
    finish(box, "echo later > /etc/app/conf; rm /root/deep/note")
    forks = [isolated(kept_host, name, snapshot_id=snapshot["id"]) for name in ("first", "second")]
    assert [look(fork) for fork in forks] == [seen, seen]
    finish(forks[0], "echo mine > /etc/app/conf; touch /opt/mine; cp /bin/true /usr/bin/env")
    assert look(forks[1]) == seen
    assert finish(forks[1], "ls /opt/mine /usr/bin/env 2>/dev/null") == []
    assert finish(box, "cat /etc/app/conf") == ["later"]
    again = take(kept_host, "first")
    third = isolated(kept_host, "third", snapshot_id=again["id"])
    assert finish(third, "cat /etc/app/conf; ls /opt") == ["mine", *finish(forks[0], "ls /opt")]
    answer = kept_host.http.post("/sandboxes/second/copy", params={"times": 1})
    assert answer.status_code in (200, 202), answer.text
    copy = Box(kept_host, answer.json()["sandboxes"][0]["sandbox_id"])
    assert look(copy) == seen


LOCK = """
mkdir -p locked/deeper && echo note > locked/deeper/note && ln -s /etc/passwd locked/link && mkdir -m 0555 locked/read
chmod 0 locked/deeper/note locked/deeper && chmod 0200 locked && stat -c %a locked
"""
UNLOCK = (
    "stat -c %a locked; chmod 700 locked; stat -c %a locked/*; chmod 700 locked/deeper; stat -c %a locked/deeper/note"
)


def test_a_snapshot_of_a_user_s_sandbox_has_what_its_owner_may_not_read() -> None:
    with host_without_rights() as host:
        box = isolated(host)
        assert finish(box, LOCK) == ["200"]
        snapshot = take(host)
        assert snapshot["status"] == "completed", snapshot
        fork = isolated(host, "fork", snapshot_id=snapshot["id"])
        for found in (fork, box):
            assert finish(found, UNLOCK) == ["200", "0", "777", "555", "0"]
            assert finish(found, "chmod 600 locked/deeper/note; cat locked/deeper/note") == ["note"]


MANY = "mkdir many && cd many && for i in $(seq 5000); do echo $i > $i; done; cd .. && chmod 0 many && stat -c %a many"


def test_a_server_that_is_killed_in_a_snapshot_leaves_no_modes_changed() -> None:
    with host_without_rights() as host, ThreadPoolExecutor(1) as threads:
        box = isolated(host)
        assert finish(box, MANY) == ["0"]
        (many,) = host.home.state.glob("sandboxes/*/disk/root/workspace/many")
        server = host.status["pid"]
        caught = False
        while not caught:
            taking = threads.submit(host.http.post, "/sandboxes/box/snapshot")
            while not caught and not taking.done():
                if many.stat().st_mode & 0o777:
                    os.kill(server, signal.SIGSTOP)
                    caught = bool(many.stat().st_mode & 0o777)
                    os.kill(server, signal.SIGKILL if caught else signal.SIGCONT)
        with suppress(httpx.HTTPError):
            taking.result()
        assert wait_gone([server], 60)
        until(lambda: host.status["pid"] != server)
        assert many.stat().st_mode & 0o777 == 0
        assert finish(box, "stat -c %a many") == ["0"]


def test_a_snapshot_says_what_it_does_not_cover(kept_host: LiveHost, tmp_path: Path) -> None:
    plain = kept_host.box("plain", isolation="none")
    finish(plain, "echo note > note")
    answer = kept_host.http.post("/sandboxes/plain/snapshot").raise_for_status().json()
    snapshot = wait_for(kept_host, answer["snapshot_id"])
    assert answer["not_covered"] == snapshot["not_covered"]
    assert len(snapshot["not_covered"]) == 1
    assert snapshot["not_covered"][0].startswith("everything outside of ")
    fork = isolated(kept_host, "fork", snapshot_id=snapshot["id"])
    assert finish(fork, "cat note") == ["note"]
    claim = {"name": "p", "sandbox": "s", "directory": str(tmp_path)}
    mount = {"source": str(tmp_path), "target": "/shown"}
    fields = {"project_directory": str(tmp_path), "project": claim, "mounts": [mount]}
    isolated(kept_host, "project", **fields)
    told = take(kept_host, "project")
    assert told["not_covered"] == [
        f"/workspace: the project directory {tmp_path}",
        f"/shown: {tmp_path} of this machine",
    ]
    refused = kept_host.http.post("/sandboxes", json={"name": "none", "snapshot_id": told["id"], "isolation": "none"})
    assert refused.status_code == 400
    assert "isolation: overlay" in refused.json()["hint"]
