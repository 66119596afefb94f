"""What limits do to the processes of a sandbox, by the counters of the kernel, and to which sandboxes they apply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.host.hosts import Box, LiveHost, ended, lasting_host
from tests.live.host.test_host_limits import HOG, groups

QUOTA = 10_000
"""Microseconds of a processor in each period, for a tenth of one."""
BUSY = """
import sys, time
def counters():
    return {name: int(value) for name, value in (line.split() for line in open(sys.argv[1]))}
before = counters()
begun = time.process_time()
while (now := counters())["nr_throttled"] < before["nr_throttled"] + 5:
    pass
print(now["nr_periods"] - before["nr_periods"], int((time.process_time() - begun) * 1e6))
"""
THREADS = """
import threading
begun = []
stay = threading.Event()
try:
    for number in range(40):
        thread = threading.Thread(target=stay.wait)
        thread.start()
        begun.append(thread)
except RuntimeError:
    pass
stay.set()
print(len(begun))
"""


def limited(host: LiveHost, name: str, **fields: object) -> Box:
    """A sandbox with limits. Skips the test where the machine does not enforce them, with its reason."""
    box = host.box(name, **fields)
    refused = host.http.get(f"/sandboxes/{name}").json()["limits"]["refused"]
    if refused:
        pytest.skip(refused)
    return box


def group_of(box: Box, file: str) -> Path:
    """The control group of a sandbox that has this file."""
    return next(group for group in groups() if group.name == box.id and (group / file).exists())


def test_a_busy_process_gets_its_share_of_a_processor(kept_host: LiveHost) -> None:
    box = limited(kept_host, "slow", limits={"cpus": 0.1}, isolation="none")
    stat = group_of(box, "cpu.stat") / "cpu.stat"
    row = box.begin("python3", "-S", "-c", BUSY, str(stat))
    box.wait(row["pid"], ended)
    (line,) = box.lines(row["pid"])
    periods, used = map(int, line.split())
    # The kernel hands out slices of five milliseconds to each processor, so a little more may be used in a period.
    assert used <= (periods + 2) * 2 * QUOTA, f"{used} microseconds in {periods} periods"
    free = kept_host.box("free")
    assert not [group for group in groups() if group.name == free.id]


def test_threads_count_as_processes(kept_host: LiveHost) -> None:
    box = limited(kept_host, "few", limits={"processes": 12})
    row = box.begin("python3", "-S", "-c", THREADS)
    assert box.wait(row["pid"], ended)["exit_code"] == 0
    (begun,) = map(int, box.lines(row["pid"]))
    assert 0 < begun < 12
    maximum = group_of(box, "pids.events") / "pids.events"
    assert int(maximum.read_text().split()[1]) >= 1


def test_what_clients_ask_for_is_enforced_where_the_host_is_told_to() -> None:
    with lasting_host({"SBXCOMPOSE_ENFORCE_RESOURCES": "yes", "SBXCOMPOSE_ISOLATION": "none"}) as host:
        box = limited(host, "asked", resources={"cpus": 1.0, "memory_mb": 64})
        told = host.http.get("/sandboxes/asked").json()["limits"]
        assert (told["memory"], told["cpus"]) == (64 << 20, 1.0)
        row = box.wait(box.begin("python3", "-S", "-c", HOG)["pid"], ended)
        assert (row["signal"], row["oom_kills"], box.lines(row["pid"])) == (9, 1, [])
        quota = group_of(box, "cpu.stat")
        assert any(
            (quota / name).read_text().split()[0] == "100000"
            for name in ("cpu.cfs_quota_us", "cpu.max")
            if (quota / name).exists()
        )
        assert host.http.get("/sandboxes/asked").json()["isolation"] == "none"
        assert host.box("unasked").ask("GET", "/processes").is_success
        assert host.http.get("/sandboxes/unasked").json()["limits"] is None
