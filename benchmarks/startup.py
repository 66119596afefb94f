"""`--version` and `--help`, from spawn to exit, beside a Python that does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Lab
from benchmarks.measure import median_of, timed

TITLE = "start-up"


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:

        def spawn(*command: str) -> float:
            return 1000 * median_of(lambda: timed(command, bench.directory, bench.env), lab.runs(40))

        ours = spawn(str(lab.ours), "--version")
        bare = spawn(str(lab.python), "-c", "pass")
        yield Figure("--version", OURS, ours, "ms", f"{ours / bare:.2f} x bare Python (aim: 1.4)")
        yield Figure("--version", "python -c pass", bare, "ms")
        if honcho := lab.peer("honcho"):
            yield Figure("--version", "honcho", spawn(str(honcho), "--version"), "ms")
        yield Figure("--help", OURS, spawn(str(lab.ours), "--help"), "ms")
