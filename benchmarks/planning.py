"""The planner alone, in this process: the CPU time from a project and an empty world to a plan."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.figures import OURS, Figure
from benchmarks.growth import steps
from benchmarks.lab import Lab
from benchmarks.measure import median_of
from sbxcompose.plan.diff import plan
from sbxcompose.plan.observed import Observed
from sbxcompose.plan.options import Intent
from sbxcompose.spec.project import Dependency, Process, Project, Sandbox

TITLE = "planning"


def _project(count: int) -> Project:
    """Return a project of `count` processes in ten layers: each needs one of the layer before it.

    So a process costs the same work in projects of any size.
    """
    layer = count // 10
    processes = tuple(
        Process(
            sandbox="main",
            name=f"p{n}",
            command=("true",),
            digest=f"{n:08x}",
            depends_on=(Dependency("main", f"p{n - layer}"),) if n >= layer else (),
        )
        for n in range(count)
    )
    return Project("many", "/many", "local", (Sandbox("main", "many-main", processes),))


def _milliseconds(project: Project) -> float:
    begun = time.process_time()
    plan(project, Observed(), Intent.UP)
    return 1000 * (time.process_time() - begun)


def run(lab: Lab) -> Iterator[Figure]:
    by_count: dict[int, float | None] = {}
    for count in (10, 100, 1_000, 10_000):
        project = _project(count)
        took = median_of(lambda project=project: _milliseconds(project), lab.runs(8))  # type: ignore[misc]
        by_count[count] = took
        yield Figure(f"a plan for {count:,} processes", OURS, took, "ms", "aim 200" if count == 10_000 else "")
    yield from steps("a plan", by_count)
