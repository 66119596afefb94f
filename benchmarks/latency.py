"""How long a line takes from the moment it is written to the moment it can be read from the command's output."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import Hangs, running

TITLE = "latency of a line"
LINES = 400
PAUSE = 0.005
WRITER = f"""
import time
time.sleep(1.0)  # until the reader has come to rest
for _ in range({LINES}):
    print("moment", time.time_ns(), flush=True)
    time.sleep({PAUSE})
time.sleep(1000)
"""


def _delays(bench: Bench, command: list[str | Path]) -> list[float]:
    """Milliseconds that each line took, sorted."""
    delays: list[float] = []
    with running(command, bench.directory, bench.env) as process:
        assert process.stdout
        rest = b""
        while len(delays) < LINES:
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            now = time.time_ns()
            if not chunk:
                raise Hangs(f"{len(delays)} of {LINES} lines came: {rest[-200:].decode(errors='replace')}")
            *whole, rest = (rest + chunk).split(b"\n")
            moments = (re.search(rb"moment (\d+)", line) for line in whole)
            delays += [(now - int(moment[1])) / 1e6 for moment in moments if moment is not None]
    return sorted(delays)


def _commands(lab: Lab, bench: Bench) -> Iterator[tuple[str, list[str | Path]]]:
    words = [sys.executable, "-S", "writer.py"]
    bench.write("sbxcompose.yaml", json.dumps({"processes": {"writer": {"command": words}}}))
    bench.write("Procfile.peers", f"writer: {' '.join(words)}\n")
    yield OURS, [lab.ours, "-f", "sbxcompose.yaml", "up"]
    if honcho := lab.peer("honcho"):
        yield "honcho", [honcho, "-f", "Procfile.peers", "start"]
    if concurrently := lab.peer("concurrently"):
        yield "concurrently", [concurrently, " ".join(words)]


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        bench.write("writer.py", WRITER)
        for name, command in _commands(lab, bench):
            try:
                delays = _delays(bench, command)
            except Hangs as error:
                yield Figure("latency of a line, median", name, None, "ms", str(error)[:60])
                continue
            note = f"99th of 100: {quantiles(delays, n=100)[98]:.1f} ms"
            yield Figure("latency of a line, median", name, median(delays), "ms", note)
