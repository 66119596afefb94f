"""A project whose processes write numbered lines, and checks of what runs and of what its log has."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.cli.looking import alive, pids
from tests.support import numbered
from tests.support.command import Sbx
from tests.support.home import alive_with
from tests.support.numbered import Runs

COUNTS = {"web": 4, "bulk": 1, "watched": 1}
"""How many of each run after `up`."""
PATIENCE = 240
"""Seconds for one command, and for one round: others may use all processors."""
TICKS = os.sysconf("SC_CLK_TCK")
SAVED = "saved"
SCRIPT = str(Path(numbered.__file__))
ONE_OFF = ("exec", "run")
"""How the names of processes begin that a command starts in its foreground: their output is not in the log."""


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
            "web": {"command": self.command("web", 20, 60, 0.01, 1 << 40, -1), "replicas": COUNTS["web"]},
            "bulk": {"command": self.command("bulk", 40, 1000, 0.002, 3_000, -1), "restart": "always"},
            "crash": {"command": self.command("crash", 7, 30, 0.002, 100, 1), "restart": often},
            "watched": {"command": self.command("watched", 5, 40, 0.02, 1 << 40, -1), "watch": [SAVED]},
        }
        self.save("")
        sbx.write(json.dumps({"processes": processes}))

    def command(self, name: str, *arguments: float) -> list[str]:
        """The command line of a process; see `numbered.main`."""
        return [sys.executable, "-ISE", SCRIPT, str(self.directory), name, *map(str, arguments)]

    def save(self, text: str) -> None:
        """Save the file whose change restarts `watched`."""
        beside = self.sbx.write(text, f"{SAVED}.new")
        beside.rename(self.sbx.project / SAVED)

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


NUMBERED = re.compile(r"(\S+) (\d+) (\d+) \.*")


class Line(NamedTuple):
    """A numbered line of a run; `length` tells whether it is whole."""

    run: int
    number: int
    length: int


def lines_of(text: str) -> dict[str, list[Line]]:
    """What was written, by name and in order; without lines whose writer was killed before the end of the number."""
    found: dict[str, list[Line]] = {}
    for line in text.split("\n"):
        if whole := NUMBERED.fullmatch(line):
            found.setdefault(whole[1], []).append(Line(int(whole[2]), int(whole[3]), len(line)))
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
        if name.startswith(ONE_OFF):
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


def check_running(project: Project, what: str) -> None:
    """Check that what runs is what `ps` knows, each replica once, as soon as what is being restarted runs too."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = project.running
        running = {name: found.get(name, []) for name in COUNTS}
        assert all(len(running[name]) <= count for name, count in COUNTS.items()), f"{what}: {running}"
        steady = sorted(running["web"] + running["watched"])
        known = sorted(pid for name, pid in pids(project.sbx).items() if name.startswith(("web", "watched")))
        if steady == known and all(len(running[name]) == count for name, count in COUNTS.items()):
            return
        assert time.monotonic() < deadline, f"{what}: {running} run, `ps` knows {known}"
