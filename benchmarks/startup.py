"""`--version` and `--help`, from spawn to exit, beside a Python that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Lab
from benchmarks.measure import samples_of, timed

TITLE = "start-up"


def run(lab: Lab) -> Iterator[Figure]:
    commands: dict[str, list[str | Path]] = {
        OURS: [lab.ours, "--version"],
        "python -c pass": [lab.python, "-c", "pass"],
    }
    if honcho := lab.peer("honcho"):
        commands["honcho"] = [honcho, "--version"]
    commands["help"] = [lab.ours, "--help"]
    with lab.bench() as bench:

        def spawn(command: list[str | Path]) -> float:
            return 1000 * timed(command, bench.directory, bench.env)

        took = samples_of({name: partial(spawn, command) for name, command in commands.items()}, lab.runs(20))
    for name in commands:
        if name != "help":
            yield Figure.of("--version", name, took[name], "ms")
    yield Figure.of("--help", OURS, took["help"], "ms")
