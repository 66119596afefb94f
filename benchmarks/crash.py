"""From the last moment of a process that crashes to the first of its next run, beyond the backoff."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import running, until_printed

TITLE = "crash to next start"
BACKOFF = 0.01
TIMES = 20
# bash knows the time without starting a program.
CRASHER = "echo begin $EPOCHREALTIME >> moments; echo began; sleep 0.02; echo end $EPOCHREALTIME >> moments; exit 1"


def _gaps(bench: Bench, *command: str | Path) -> float:
    """Milliseconds from an end to the next beginning, in the middle of `TIMES`."""
    moments = bench.directory / "moments"
    moments.unlink(missing_ok=True)
    with running(command, bench.directory, bench.env) as process:
        until_printed(process, rb"began", TIMES)
    told = [line.split() for line in moments.read_text().splitlines()]
    times = [(word, float(at)) for word, at in told]
    pairs = pairwise(times)
    return 1000 * median(after - before for (word, before), (_, after) in pairs if word == "end")


def run(lab: Lab) -> Iterator[Figure]:
    what = "crash to next start, beyond the backoff"
    with lab.bench() as bench:
        bench.write("crasher.sh", CRASHER)
        process = {
            "command": ["bash", "crasher.sh"],
            "restart": {"policy": "always", "initial_backoff": "10ms", "max_backoff": "10ms"},
        }
        bench.write("sbxcompose.yaml", json.dumps({"processes": {"crasher": process}}))
        yield Figure(what, OURS, _gaps(bench, lab.ours, "up") - 1000 * BACKOFF, "ms")
        if command := lab.peer("concurrently"):
            arguments = ["--restart-tries", "-1", "--restart-after", "0", "bash crasher.sh"]
            yield Figure(what, "concurrently", _gaps(bench, command, *arguments), "ms")
