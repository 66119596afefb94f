"""From the command to the moment when each of N processes has had its line shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.growth import steps
from benchmarks.lab import Bench, Lab
from benchmarks.measure import PEER_PATIENCE, TIME_TO_END, running, samples_of, timed, until_printed

TITLE = "bring-up"
MAX_OF_PEERS = 200
"""Beyond this many processes the peers take minutes, or break off."""
NO_TOOL = "no tool (sh)"
WITHOUT = "bring-up without a tool"
GROWTH = {"bring-up": OURS, WITHOUT: NO_TOOL, "`up -d`": OURS, "`ps`": OURS, "`down`": OURS}
"""Of what the growth is shown, and of whom. Without a tool it is that of the kernel's work, which everyone has."""


def _until_all_shown(bench: Bench, count: int, *command: str | Path, patience: float = TIME_TO_END) -> float:
    begun = time.perf_counter()
    with running(command, bench.directory, bench.env, patience) as process:
        return 1000 * (until_printed(process, rb"hello from \d+$", count) - begun)


def run(lab: Lab) -> Iterator[Figure]:
    by_count: dict[str, dict[int, float | None]] = {}
    for count in (1, 10, 50, 200) if lab.quick else (1, 10, 50, 200, 1000):
        with lab.bench() as bench:
            lines = [f"p{n}: echo hello from {n}; exec sleep 1000\n" for n in range(count)]
            bench.write("Procfile", "".join(lines))
            # Ours is not given the Procfile: it would have no port for the PORT of the 607th line.
            commands = {f"p{n}": {"command": f"echo hello from {n}; exec sleep 1000"} for n in range(count)}
            bench.write("sbxcompose.yaml", json.dumps({"processes": commands}))
            bench.write("all.sh", _shell(count))
            for kind, figure in _of(lab, bench, count):
                by_count.setdefault(kind, {})[count] = figure.value
                yield figure
    for kind, who in GROWTH.items():
        yield from steps(kind, by_count[kind], who)


def _shell(count: int) -> str:
    """Return a script that starts the same without any tool, and ends all of it at SIGINT."""
    starts = [f"sh -c 'echo hello from {n}; exec sleep 1000' &\npids=\"$pids $!\"\n" for n in range(count)]
    return f"trap 'kill $pids; exit' INT\n{''.join(starts)}wait\n"


def _of(lab: Lab, bench: Bench, count: int) -> Iterator[tuple[str, Figure]]:
    """Yield what is measured of so many processes, each figure with the kind of its growth."""
    what = f"{count} processes, each with a line shown"

    def cold() -> float:
        bench.stop_host()
        return _until_all_shown(bench, count, lab.ours, "up")

    shown = partial(_until_all_shown, bench, count)
    measures = {OURS: partial(shown, lab.ours, "up"), NO_TOOL: partial(shown, "sh", "all.sh")}
    for peer in ("honcho", "nf") if count <= MAX_OF_PEERS else ():
        if path := lab.peer(peer):
            measures[peer] = partial(shown, path, "start", patience=PEER_PATIENCE)
    measures[OURS]()  # fills the cache of resolved files
    bench.warm_up()
    rounds = lab.runs(6 if count <= MAX_OF_PEERS else 3)  # a round of a thousand takes half a minute
    for name, took in samples_of(measures, rounds).items():
        kind = {OURS: "bring-up", NO_TOOL: WITHOUT}.get(name, name)
        yield kind, Figure.of(what, name, took, "ms", "host warm" if name == OURS else "")
    yield "bring-up, cold", Figure.of(f"{what}, host cold", OURS, samples_of({OURS: cold}, rounds)[OURS], "ms")
    bench.warm_up()
    bench.sbx("up", "-d")
    for words in (["up", "-d"], ["ps"]):
        runs = lab.runs(12 if count <= MAX_OF_PEERS else 6)
        again = samples_of({OURS: partial(_spent, bench, [lab.ours, *words])}, runs)[OURS]
        kind = f"`{' '.join(words)}`"
        yield kind, Figure.of(f"{kind}, {count} running", OURS, again, "ms", "nothing to do")
    downs = samples_of({OURS: partial(_down, bench)}, lab.runs(3))[OURS]
    yield "`down`", Figure.of(f"`down` of {count}", OURS, downs, "ms")


def _spent(bench: Bench, command: list[str | Path]) -> float:
    return 1000 * timed(command, bench.directory, bench.env)


def _down(bench: Bench) -> float:
    bench.sbx("up", "-d")
    return _spent(bench, [bench.ours, "down"])
