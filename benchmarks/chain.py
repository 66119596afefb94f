"""Five processes, each needing the one before it and ready 0.2 s after its start."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import samples_of

TITLE = "chain"
LENGTH = 5
# bash knows the time without starting a program.
LINK = "echo $EPOCHREALTIME > began$1; sleep 0.2; : > ready$1; echo ready; exec sleep 1000"


def _spec(by: str) -> str:
    processes: dict[str, object] = {}
    for n in range(LENGTH):
        ready = {"log": "^ready$"} if by == "log line" else {"exec": ["test", "-e", f"ready{n}"]}
        needs = [f"p{n - 1}"] if n else []
        command = ["bash", "link.sh", str(n)]
        processes[f"p{n}"] = {
            "command": command,
            "ready_when": ready,
            "depends_on": needs,
            "restart": "never",
        }
    return json.dumps({"processes": processes})


def _first_to_last(bench: Bench) -> float:
    """Milliseconds from the start of the first to the start of the last."""
    bench.sbx("up", "-d", "--wait")
    began = [float((bench.directory / f"began{n}").read_text()) for n in range(LENGTH)]
    bench.sbx("down")
    for n in range(LENGTH):
        (bench.directory / f"ready{n}").unlink()
    return 1000 * (began[-1] - began[0])


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        bench.write("link.sh", LINK)
        for by in ("log line", "command"):
            bench.write("sbxcompose.yaml", _spec(by))
            bench.warm_up()
            took = samples_of({OURS: lambda: _first_to_last(bench)}, lab.runs(6))[OURS]
            yield Figure.of(f"chain of {LENGTH}, ready by {by}", OURS, took, "ms", "ideal 800, aim 880")
