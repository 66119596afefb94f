"""Commands about 50 running services, from spawn to exit: listing, applying an unchanged file, a restart, `exec`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Lab
from benchmarks.managers import MANAGERS, Command, Manager, Ours, managing
from benchmarks.measure import LIMIT, Hangs, samples_of, timed

TITLE = "commands"
COUNT = 50
COLD = f"{OURS}, cold"
"""With `SBXCOMPOSE_WARM=no`: every command pays for its imports."""


def _has_started(path: Path, runs: int) -> bool:
    return path.exists() and path.read_text().count("\n") >= runs


def _started(manager: Manager, service: str, runs: int) -> float:
    """Wait until a service has begun `runs` times; seconds since 1970 of the last beginning."""
    path = manager.bench.directory / f"moments.{service}"
    deadline = time.monotonic() + LIMIT
    while not _has_started(path, runs):
        if time.monotonic() > deadline:
            raise Hangs(f"{manager.name}: {service} has not started {runs} times")
        time.sleep(0.0005)
    return float(path.read_text().split()[runs - 1])


def _bring_up(manager: Manager) -> None:
    manager.run(manager.up())
    if manager.name == OURS:
        manager.bench.warm_up()
    for number in range(COUNT):
        _started(manager, f"p{number}", 1)


def _spent(manager: Manager, command: Command, **variables: str) -> float:
    return 1000 * timed(command, manager.bench.directory, manager.bench.env | variables)


def _restarted(manager: Manager, **variables: str) -> float:
    """Milliseconds from the spawn of `restart` to the first action of the new run."""
    path = manager.bench.directory / "moments.p7"
    runs = path.read_text().count("\n")
    begun = time.time()
    with subprocess.Popen(
        manager.restart("p7"),
        cwd=manager.bench.directory,
        env=manager.bench.env | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        at = _started(manager, "p7", runs + 1)
        process.wait(LIMIT)
    return 1000 * (at - begun)


def run(lab: Lab) -> Iterator[Figure]:
    with ExitStack() as stack:
        managers = {}
        for kind in MANAGERS:
            manager = stack.enter_context(managing(lab, kind, COUNT))
            if manager is not None:
                try:
                    _bring_up(manager)
                except (Hangs, OSError, subprocess.SubprocessError) as error:
                    yield Figure(f"{COUNT} services up", manager.name, None, "ms", str(error)[:60])
                    continue
                managers[manager.name] = manager
        yield from _figures("list", lambda manager: manager.listing(), managers, lab)
        yield from _figures("apply an unchanged file", lambda manager: manager.unchanged(), managers, lab)
        yield from _restarts(managers, lab)
        yield from _one_offs(managers[OURS], lab)


def _figures(
    what: str, command: Callable[[Manager], Command], managers: dict[str, Manager], lab: Lab
) -> Iterator[Figure]:
    measures = {name: partial(_spent, manager, command(manager)) for name, manager in managers.items()}
    measures[COLD] = partial(_spent, managers[OURS], command(managers[OURS]), SBXCOMPOSE_WARM="no")
    for name, took in samples_of(measures, lab.runs(12)).items():
        yield Figure.of(f"{what}, {COUNT} running", name, took, "ms")


def _restarts(managers: dict[str, Manager], lab: Lab) -> Iterator[Figure]:
    measures = {name: partial(_restarted, manager) for name, manager in managers.items()}
    measures[COLD] = partial(_restarted, managers[OURS], SBXCOMPOSE_WARM="no")
    for name, took in samples_of(measures, lab.runs(12)).items():
        yield Figure.of("restart one, until the new run's first action", name, took, "ms")


def _one_offs(manager: Manager, lab: Lab) -> Iterator[Figure]:
    assert isinstance(manager, Ours)
    for words in (("exec", "p0", "true"), ("run", "p0", "true")):
        command: Command = [manager.command, *words]
        measures = {
            OURS: partial(_spent, manager, command),
            COLD: partial(_spent, manager, command, SBXCOMPOSE_WARM="no"),
        }
        for name, took in samples_of(measures, lab.runs(12)).items():
            yield Figure.of(f"`{words[0]} … true`", name, took, "ms")
