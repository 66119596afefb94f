"""Stopping: many that obey, and a few that do not."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import Hangs, end, running, samples_of, timed, until_printed

TITLE = "stopping"
POLITE = "echo up; exec sleep 1000"
STUBBORN = "trap '' INT TERM; echo up; while :; do sleep 1000; done"
GRACE = 1.0
PATIENCE = 4.0
NOTES = {f"{OURS}, down": "its own start-up included", "nf": "leaves them running"}
SETTLE = 1.0
"""honcho never ends when asked to within moments of its last start; that is not what is measured here."""


def _write(bench: Bench, count: int, command: str) -> None:
    names = [f"p{n}" for n in range(count)]
    process = {"command": command, "restart": "never", "stop": {"grace": f"{GRACE:g}s"}}
    bench.write("sbxcompose.yaml", json.dumps({"processes": dict.fromkeys(names, process)}))
    bench.write("Procfile", "".join(f"{name}: {command}\n" for name in names))


def _down(bench: Bench) -> float:
    bench.sbx("up", "-d")
    return 1000 * timed([bench.ours, "down"], bench.directory, bench.env)


def _peer(bench: Bench, command: Path, count: int) -> float:
    with running([command, "start"], bench.directory, bench.env) as process:
        until_printed(process, rb"up$", count)
        time.sleep(SETTLE)
        return _ended(end(process, signal.SIGTERM, PATIENCE))


def _ended(seconds: float | None) -> float:
    """Return milliseconds. Raises `Hangs` where it had to be killed."""
    if seconds is None:
        raise Hangs(f"killed after {PATIENCE:g} s")
    return 1000 * seconds


def _interrupted(bench: Bench, count: int) -> float:
    with running([bench.ours, "up"], bench.directory, bench.env) as process:
        until_printed(process, rb"up$", count)
        return _ended(end(process, signal.SIGINT, PATIENCE))


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        for count, what, command, grace in (
            (50, "stop 50 that obey", POLITE, 0.0),
            (5, f"stop 5 that ignore SIGTERM, beyond the grace of {GRACE:g} s", STUBBORN, GRACE),
        ):
            _write(bench, count, command)
            bench.warm_up()
            measures = {f"{OURS}, Ctrl-C": partial(_interrupted, bench, count), f"{OURS}, down": partial(_down, bench)}
            for name in ("honcho",) if grace else ("honcho", "nf"):
                if (peer := lab.peer(name)) is not None:
                    measures[name] = partial(_peer, bench, peer, count)
            for name, took in samples_of(measures, lab.runs(3 if grace else 6)).items():
                yield Figure.of(what, name, took, "ms", NOTES.get(name, ""), less=1000 * grace)
