"""Parts of the host killed at random moments of random commands: no process is doubled, lost or left, and no line.

`KILL_ROUNDS=200 KILL_SEED=7 KILL_LOAD=3 pytest tests/cli/test_cli_random_kills.py` runs 200 rounds from one seed,
beside three processes that compute.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

import pytest

from sbxcompose.client.commands import UNSEEN
from tests.cli.looking import alive, pids
from tests.support import numbered
from tests.support.command import Running, Sbx
from tests.support.home import alive_with
from tests.support.numbered import Runs

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
SEEDS = [int(os.environ["KILL_SEED"])] if "KILL_SEED" in os.environ else [1, 2]
LOAD = int(os.environ.get("KILL_LOAD", "0"))
REPLICAS = 4
VICTIMS = [("keeper",), ("server",), ("keeper", "server"), ("server", "keeper")]
LONGEST = 0.8
"""Seconds from the start of a command to the kill."""
PATIENCE = 240
"""Seconds for one command, and for one round: others may use all processors."""
TICKS = os.sysconf("SC_CLK_TCK")
SCRIPT = str(Path(numbered.__file__))

COMMANDS = [
    *(
        ("up", "-d"),
        ("up", "-d", "--force-recreate"),
        ("restart",),
        ("restart", "web"),
        ("stop",),
        ("start",),
        ("down",),
    ),
    *(("ps",), ("exec",), ("exec",), ("logs",)),
]
EXEC_LINES = 2000


class Project:
    """A project whose processes write numbered lines, and what is known of their runs without asking the host."""

    def __init__(self, sbx: Sbx) -> None:
        self.sbx = sbx
        self.directory = sbx.project / "runs"
        self.directory.mkdir()
        self._cuts: list[tuple[int, dict[str, int]]] = []
        """When both parts of the host were killed (clock ticks since boot), and the latest runs at that time."""
        often = {"policy": "always", "initial_backoff": "20ms", "max_backoff": "100ms"}
        processes = {
            "web": {"command": self.command("web", 20, 60, 0.01, 1 << 40, -1), "replicas": REPLICAS},
            "bulk": {"command": self.command("bulk", 40, 1000, 0.002, 3_000, -1), "restart": "always"},
            "crash": {"command": self.command("crash", 7, 30, 0.002, 100, 1), "restart": often},
        }
        sbx.write(json.dumps({"processes": processes}))

    def command(self, name: str, *arguments: float) -> list[str]:
        """The command line of a process; see `numbered.main`."""
        return [sys.executable, "-ISE", SCRIPT, str(self.directory), name, *map(str, arguments)]

    @property
    def runs(self) -> Runs:
        return numbered.notes(self.directory)

    @property
    def running(self) -> dict[str, list[int]]:
        """The process ids of what runs, by name, found by what they inherit."""
        found: dict[str, list[int]] = {}
        for pid, command in alive_with(self.sbx.home.marker).items():
            if SCRIPT in command and alive(pid):
                found.setdefault(command.split()[4], []).append(pid)
        return found

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """Note that both parts of the host are killed inside."""
        latest = {name: max(runs) for name, runs in self.runs.items()}
        yield
        self._cuts.append((round(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS) + 1, latest))

    def is_cut(self, name: str, number: int, started: int) -> bool:
        """Whether the end of a run's output may be lost: it was in a pipe that only the host had open."""
        return any(started <= killed and number >= latest.get(name, 0) for killed, latest in self._cuts)


def kill(project: Project, victims: tuple[str, ...], delay: float) -> None:
    """Kill parts of the host after `delay`; stopped first, so that none of them replaces the other."""
    host = project.sbx.host_pids()
    select.select([], [], [], delay)
    for victim in victims:
        with suppress(ProcessLookupError, KeyError):
            os.kill(host[victim], signal.SIGSTOP)
    with project.cutting() if len(victims) > 1 else nullcontext():
        for victim in victims:
            with suppress(ProcessLookupError, KeyError):
                os.kill(host[victim], signal.SIGKILL)


class Line(NamedTuple):
    """A numbered line of a run; `length` tells whether it is whole."""

    run: int
    number: int
    length: int


def lines_of(text: str) -> dict[str, list[Line]]:
    """What was written, by name and in order; without lines whose writer was killed before the end of the number."""
    found: dict[str, list[Line]] = {}
    for line in text.split("\n"):
        name, *words = line.split(" ")
        if len(words) == 3:
            found.setdefault(name, []).append(Line(int(words[0]), int(words[1]), len(line)))
    return found


def check_order(lines: list[Line], what: str) -> dict[int, int]:
    """Check that runs follow each other and that no line is missing or doubled; how far each run has got."""
    for line, following in pairwise(lines):
        same = (following.run, following.number) == (line.run, line.number + 1)
        follows = (same and line.length >= following.length) or (following.run > line.run and following.number == 1)
        assert follows, f"{what}: {following} follows {line}"
    return {line.run: line.number for line in lines}


def check_lines(project: Project, text: str, what: str) -> None:
    """Check that the log has every line of every run exactly once."""
    shown = lines_of(text)
    for name, runs in project.runs.items():
        lines = shown.get(name, [])
        if name.startswith("exec"):
            assert lines == [], what
            continue
        reached = check_order(lines, f"{what}: {name}")
        first = min(reached, default=0)
        for number, note in sorted(runs.items()):
            if number < first:
                continue
            got = reached.get(number, 0)
            least = 0 if project.is_cut(name, number, note.started) else note.done
            assert least <= got <= note.tried, f"{what}: {name}, run {number}: {got} lines in the log, {note}"


@contextmanager
def load(count: int) -> Iterator[None]:
    """Keep the processors busy."""
    busy = [Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def start(project: Project, command: tuple[str, ...], number: int) -> Running:
    """Start one of the commands."""
    if command == ("exec",):
        producer = project.command(f"exec{number}", 10, 60, 0.003, EXEC_LINES, 0)
        return project.sbx.start("exec", "web", *producer)
    if command == ("logs",):
        return project.sbx.start("logs", "-f", "--all", "--no-log-prefix")
    return project.sbx.start(*command)


def finish(
    project: Project, under_way: Running, command: tuple[str, ...], victims: tuple[str, ...], what: str, number: int
) -> None:
    """Wait for the command of that number, and check its output."""
    if command == ("logs",):
        under_way.wait_for("\n", timeout=PATIENCE)  # before that it may still be about to be loaded
        under_way.interrupt()
    done = under_way.wait(PATIENCE)
    print(what, "->", done.code, flush=True)
    assert "Traceback" not in done.stderr, what
    shown = lines_of(done.stdout)
    if command == ("logs",):
        for name, lines in shown.items():
            check_order(lines, f"{what}: {name}")
    if command == ("exec",):
        reached = [check_order(lines, what) for lines in shown.values()]
        lost = done.code != 0 and (len(victims) > 1 or UNSEEN in done.stderr)
        assert reached == [{1: EXEC_LINES}] or lost, f"{what}: {reached}, {done}"
        assert len(project.runs.get(f"exec{number}", ())) <= 1, f"{what}: the command ran twice"


def check_running(project: Project, what: str) -> None:
    """Check that what runs is what `ps` knows, each replica once, as soon as what is being restarted runs too."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = project.running
        web, bulk = sorted(found.get("web", [])), found.get("bulk", [])
        known = sorted(pid for name, pid in pids(project.sbx).items() if name.startswith("web"))
        assert len(web) <= REPLICAS, what
        assert len(bulk) <= 1, what
        if web == known and (len(web), len(bulk)) == (REPLICAS, 1):
            return
        assert time.monotonic() < deadline, f"{what}: {web} and {bulk} run, `ps` knows {known}"


@pytest.mark.time_limit(PATIENCE + PATIENCE * ROUNDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_the_host_killed_at_random_moments(sbx_alone: Sbx, seed: int) -> None:
    choice = random.Random(seed)
    project = Project(sbx_alone)
    number = 0
    with load(LOAD):
        for turn in range(ROUNDS):
            sbx_alone.run("up", "-d", timeout=PATIENCE)
            for _ in range(choice.randint(1, 3)):
                number += 1
                command, victims = choice.choice(COMMANDS), choice.choice(VICTIMS)
                what = f"seed {seed}, round {turn}, kill {number}: {' '.join(victims)} during {' '.join(command)}"
                under_way = start(project, command, number)
                kill(project, victims, choice.random() * LONGEST)
                finish(project, under_way, command, victims, what, number)
                assert len(project.running.get("web", [])) <= REPLICAS, what
            what = f"seed {seed}, after round {turn}"
            sbx_alone.run("up", "-d", timeout=PATIENCE)
            check_running(project, what)
            sbx_alone.run(choice.choice(["stop", "down"]), timeout=PATIENCE)
            left = {name: pids for name, pids in project.running.items() if not name.startswith("exec")}
            assert left == {}, what
            check_lines(project, sbx_alone.run("logs", "--all", "--no-log-prefix", timeout=PATIENCE).stdout, what)
    sbx_alone.run("down")
