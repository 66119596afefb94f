"""`--version` and `--help`, from spawn to exit, beside a Python that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Lab
from benchmarks.measure import medians_of, timed

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

        took = medians_of({name: partial(spawn, command) for name, command in commands.items()}, lab.runs(40))
    note = f"{took[OURS] / took['python -c pass']:.2f} x bare Python (aim: 1.4)"
    for name in [each for each in commands if each != "help"]:
        yield Figure("--version", name, took[name], "ms", note if name == OURS else "")
    yield Figure("--help", OURS, took["help"], "ms")
