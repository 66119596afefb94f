"""Stopping: many that obey, and a few that do not."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import end, median_of, running, timed, until_printed

TITLE = "stopping"
POLITE = "echo up; exec sleep 1000"
STUBBORN = "trap '' INT TERM; echo up; while :; do sleep 1000; done"
GRACE = 1.0
PATIENCE = 15.0
SETTLE = 1.0
"""honcho never ends when asked to within moments of its last start; that is not what is measured here."""


def _write(bench: Bench, count: int, command: str) -> None:
    names = [f"p{n}" for n in range(count)]
    process = {"command": command, "restart": "never", "stop": {"grace": f"{GRACE:g}s"}}
    bench.write("sbxcompose.yaml", json.dumps({"processes": dict.fromkeys(names, process)}))
    bench.write("Procfile", "".join(f"{name}: {command}\n" for name in names))


def _down(bench: Bench) -> float:
    bench.sbx("up", "-d")
    return timed([bench.ours, "down"], bench.directory, bench.env)


def _peer(bench: Bench, command: Path, count: int) -> float | None:
    with running([command, "start"], bench.directory, bench.env) as process:
        until_printed(process, rb"up$", count)
        time.sleep(SETTLE)
        return end(process, signal.SIGTERM, PATIENCE)


def _interrupted(bench: Bench, count: int) -> float | None:
    with running([bench.ours, "up"], bench.directory, bench.env) as process:
        until_printed(process, rb"up$", count)
        return end(process, signal.SIGINT, PATIENCE)


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        for count, what, command, grace in (
            (50, "stop 50 that obey", POLITE, 0.0),
            (5, f"stop 5 that ignore SIGTERM, beyond the grace of {GRACE:g} s", STUBBORN, GRACE),
        ):
            _write(bench, count, command)
            ours = [_interrupted(bench, count) for _ in range(lab.runs(5))]
            yield Figure(what, OURS, 1000 * (median(each for each in ours if each is not None) - grace), "ms", "Ctrl-C")
            took_down = median_of(lambda: _down(bench), lab.runs(5)) - grace
            yield Figure(what, OURS, 1000 * took_down, "ms", "`down`, its own start-up included")
            for name in ("honcho", "nf"):
                if (peer := lab.peer(name)) is None:
                    continue
                took = [_peer(bench, peer, count) for _ in range(lab.runs(5) if not grace else 1)]
                ended = [each for each in took if each is not None]
                note = f"{len(took) - len(ended)} of {len(took)} times killed after {PATIENCE:g} s"
                value = 1000 * median(ended) if ended else None
                yield Figure(what, name, value, "ms", note if len(ended) < len(took) else "")
