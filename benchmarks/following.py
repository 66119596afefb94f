"""One process that writes much, followed by several `logs -f` at once: until each has shown the last line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import cpu_seconds, running, until_printed, writer

TITLE = "following"
LINES = 100_000
WRITER = writer(LINES, "waiting")


def _until_all_have_it(bench: Bench, clients: int) -> tuple[float, float]:
    """Seconds until all have shown the last line, and CPU seconds of the host's server meanwhile."""
    (bench.directory / "go").unlink(missing_ok=True)
    bench.sbx("up", "-d", "--force-recreate")
    server = bench.host()["server"]
    with ExitStack() as stack:
        followers: list[Popen[bytes]] = []
        for _ in range(clients):
            command: list[str | Path] = [bench.ours, "logs", "-f"]
            followers.append(stack.enter_context(running(command, bench.directory, bench.env)))
        for follower in followers:
            until_printed(follower, rb"waiting$", 1)
        before, begun = cpu_seconds(server), time.perf_counter()
        (bench.directory / "go").touch()
        for follower in followers:  # one after the other: the others' pipes hold 64 KiB, then they wait
            until_printed(follower, rb"the last line$", 1)
        return time.perf_counter() - begun, cpu_seconds(server) - before


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        bench.write("writer.py", WRITER)
        command = [sys.executable, "-S", "writer.py"]
        bench.write("sbxcompose.yaml", json.dumps({"processes": {"writer": {"command": command}}}))
        for clients in (1, 8, 32):
            took, cpu = min(_until_all_have_it(bench, clients) for _ in range(lab.runs(3)))
            note = f"{clients * LINES / took / 1e6:.2f} M lines/s in all, server {cpu:.2f} s of CPU"
            yield Figure(f"{LINES:,} lines to {clients} x `logs -f`", OURS, 1000 * took, "ms", note)
