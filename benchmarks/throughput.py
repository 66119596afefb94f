"""Eight producers of 80-byte lines at full speed, prefixed, to a file: speed, CPU, lost and torn lines."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import Hangs, cpu_seconds

TITLE = "throughput"
PRODUCERS = 8
PRODUCER = """
import os, sys, time
name, lines = sys.argv[1], int(sys.argv[2])
block = (b"<" + name.encode() * 77 + b">\\n") * 800
begun = time.monotonic()
left = lines
while left:
    data = memoryview(block)[: 80 * min(left, 800)]
    left -= len(data) // 80
    while data:
        data = data[os.write(1, data):]
with open(f"report.{name}", "w") as report:
    report.write(f"{begun} {time.process_time()}")
"""
"""Writes whole lines in large blocks: it costs next to nothing, so that the reader is what is measured."""

INTACT = re.compile(rb"[^<>]*<([a-h])\1{76}>")
LIMIT = 180.0
PEERS = {"concurrently": 500_000, "honcho": 5_000}
"""Lines of each producer, enough for about a second."""


@dataclass(frozen=True)
class Flow:
    """What one run came to: lines that arrived whole, torn lines, seconds, CPU seconds of the carrier."""

    intact: int
    torn: int
    seconds: float
    cpu: float


def _spec(lines: int) -> str:
    command = {name: [sys.executable, "-S", "producer.py", name, str(lines)] for name in "abcdefgh"}
    return json.dumps({"processes": {name: {"command": item, "restart": "never"} for name, item in command.items()}})


def _flow(bench: Bench, command: list[str | Path], lines: int, *, hosted: bool) -> Flow:
    """Run a command that carries the lines of all producers to a file."""
    for old in bench.directory.glob("report.*"):
        old.unlink()
    host = list(bench.host().values()) if hosted else []
    before = sum(map(cpu_seconds, host))
    with open(bench.directory / "out", "wb") as out:
        process = subprocess.Popen(
            command, cwd=bench.directory, env=bench.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        ended, own, whole = _wait(process)
    reports = [path.read_text().split() for path in bench.directory.glob("report.*")]
    if len(reports) < PRODUCERS:
        raise Hangs(f"only {len(reports)} of {PRODUCERS} producers have ended")
    producers = sum(float(cpu) for _, cpu in reports)
    cpu = own + sum(map(cpu_seconds, host)) - before if hosted else whole - producers
    intact, torn = _count(bench.directory / "out")
    return Flow(intact, torn, ended - min(float(begun) for begun, _ in reports), cpu)


def _wait(process: subprocess.Popen[bytes]) -> tuple[float, float, float]:
    """Wait for an end: its moment on the monotonic clock, own CPU seconds, and those with all descendants."""
    with os.fdopen(os.pidfd_open(process.pid)) as watched:
        if not select.select([watched], [], [], LIMIT)[0]:
            process.kill()
            process.wait()
            raise Hangs(f"not through after {LIMIT:g} s")
    ended = time.monotonic()
    own = cpu_seconds(process.pid)  # its entry in /proc stays until it is waited for
    before = os.times()
    process.wait()
    after = os.times()
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    return ended, own, whole


def _count(path: Path) -> tuple[int, int]:
    """How many lines of a file are intact, and how many carry only parts of a line, or more than one."""
    with path.open("rb") as file:
        counted = Counter(file)
    path.unlink()
    intact = sum(count for line, count in counted.items() if INTACT.fullmatch(line.rstrip(b"\r\n")))
    bearing = sum(count for line, count in counted.items() if b"<" in line or b">" in line)
    return intact, bearing - intact


def _figures(who: str, flow: Flow, lines: int) -> Iterator[Figure]:
    total = PRODUCERS * lines
    note = f"{total - flow.intact} of {total} lines lost or torn ({flow.torn} torn)"
    yield Figure("8 producers of 80-byte lines, to a file", who, flow.intact / flow.seconds / 1e6, "M lines/s", note)
    yield Figure(f"CPU for a million lines: {who}", who, flow.cpu / flow.intact * 1e6, "s")


def run(lab: Lab) -> Iterator[Figure]:
    lines = 200_000 if lab.quick else 1_000_000
    with lab.bench() as bench:
        bench.write("producer.py", PRODUCER)
        bench.write("sbxcompose.yaml", _spec(10))
        bench.sbx("up")  # starts the host
        bench.write("sbxcompose.yaml", _spec(lines))
        yield from _measured(OURS, bench, [lab.ours, "up", "--force-recreate"], lines, lab.runs(3))
        for name, count in PEERS.items():
            if command := lab.peer(name):
                own = _peer_command(name, command, bench, count)
                yield from _measured(name, bench, own, count, lab.runs(3))


def _peer_command(name: str, command: Path, bench: Bench, lines: int) -> list[str | Path]:
    commands = {producer: f"{sys.executable} -S producer.py {producer} {lines}" for producer in "abcdefgh"}
    if name == "honcho":
        bench.write("Procfile", "".join(f"{producer}: {text}\n" for producer, text in commands.items()))
        return [command, "start"]
    return [command, "--names", ",".join(commands), "--prefix", "name", *commands.values()]


def _measured(who: str, bench: Bench, command: list[str | Path], lines: int, runs: int) -> Iterator[Figure]:
    """The middle one of several runs."""
    flows = []
    for _ in range(runs):
        try:
            flows.append(_flow(bench, command, lines, hosted=who == OURS))
        except Hangs as error:
            yield Figure("8 producers of 80-byte lines, to a file", who, None, "M lines/s", str(error))
            return
    flows.sort(key=lambda flow: flow.seconds)
    yield from _figures(who, flows[len(flows) // 2], lines)
