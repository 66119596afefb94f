"""GET /stats on a real host."""

from __future__ import annotations

from typing import Any

from tests.live.host.hosts import Box
from tests.support.waiting import until


def usage(box: Box) -> dict[str, dict[str, Any]]:
    """What it says of each process, by name."""
    answer = box.ask("GET", "/stats")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["cpus"] >= 1
    assert body["memory_bytes"] > 1024**2
    return {process["name"]: process for process in body["processes"]}


def test_a_process_counts_with_what_has_left_its_parents(box: Box) -> None:
    left = "(setsid sh -c 'setsid sleep 1000 & echo up; exec sleep 1000' &)"
    tree = box.shell(f"{left}; echo left; exec sleep 1000", "tree")
    for line in ("up", "left"):  # "left": the shell between them has ended
        box.wait_for_line("tree", line)
    box.shell("exit 0", "ended")
    found = usage(box)
    assert found["tree"]["pid"] == tree["pid"]
    assert found["tree"]["processes"] == 3
    assert found["tree"]["memory_bytes"] > 100_000
    assert "ended" not in found or found["ended"]["processes"] <= 1


def test_cpu_time_is_counted(box: Box) -> None:
    box.shell("i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; echo counted; exec sleep 1000", "busy")
    box.wait_for_line("busy", "counted")
    until(lambda: usage(box)["busy"]["cpu_ms"] >= 10)
