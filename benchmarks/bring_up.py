"""From the command to the moment when each of N processes has had its line shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import median_of, medians_of, running, timed, until_printed

TITLE = "bring-up"
MOST_OF_PEERS = 200
"""Beyond this many processes the peers take minutes, or break off."""


def _until_all_shown(bench: Bench, count: int, *command: str | Path) -> float:
    begun = time.perf_counter()
    with running(command, bench.directory, bench.env) as process:
        return 1000 * (until_printed(process, rb"hello from \d+$", count) - begun)


def run(lab: Lab) -> Iterator[Figure]:
    for count in (1, 10, 50, 200) if lab.quick else (1, 10, 50, 200, 1000):
        with lab.bench() as bench:
            lines = [f"p{n}: echo hello from {n}; exec sleep 1000\n" for n in range(count)]
            bench.write("Procfile", "".join(lines))
            yield from _of(lab, bench, count)


def _of(lab: Lab, bench: Bench, count: int) -> Iterator[Figure]:
    what = f"{count} processes, each with a line shown"

    def cold() -> float:
        bench.stop_host()
        return _until_all_shown(bench, count, lab.ours, "up")

    commands: dict[str, list[str | Path]] = {OURS: [lab.ours, "up"]}
    for peer in ("honcho", "nf") if count <= MOST_OF_PEERS else ():
        if path := lab.peer(peer):
            commands[peer] = [path, "start"]
    _until_all_shown(bench, count, lab.ours, "up")  # starts the host, and fills the cache of resolved files
    measures = {name: partial(_until_all_shown, bench, count, *command) for name, command in commands.items()}
    for name, took in medians_of(measures, lab.runs(8 if count <= 200 else 3)).items():
        yield Figure(what, name, took, "ms", "host warm" if name == OURS else "")
    yield Figure(f"{what}, host cold", OURS, median_of(cold, lab.runs(6 if count <= 200 else 2)), "ms")
    bench.sbx("up", "-d")
    again = median_of(lambda: timed([lab.ours, "up", "-d"], bench.directory, bench.env), lab.runs(12))
    yield Figure(f"a second `up -d` of {count}", OURS, 1000 * again, "ms", "nothing to do")
