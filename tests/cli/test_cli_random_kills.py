"""Parts of the host killed at random moments of random commands: no process is doubled, lost or left, and no line.

`KILL_ROUNDS=200 KILL_SEED=7 KILL_LOAD=3 pytest tests/cli/test_cli_random_kills.py` runs 200 rounds from one seed,
beside three processes that compute.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from subprocess import Popen
from typing import NamedTuple

import pytest

from sbxcompose.client.commands import EXIT_CODE_UNKNOWN
from tests.cli.looking import alive
from tests.cli.numbered_project import (
    COUNTS,
    ONE_OFF,
    PATIENCE,
    Project,
    check_lines,
    check_order,
    check_running,
    lines_of,
)
from tests.support.command import Result, Running, Sbx
from tests.support.parts import parts
from tests.support.waiting import until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
SEEDS = [int(os.environ["KILL_SEED"])] if "KILL_SEED" in os.environ else [part + 1 for part in parts()]
"""Each commit tries one of four (`TEST_PART`)."""
LOAD = int(os.environ.get("KILL_LOAD", "0"))
VICTIMS = [("keeper",), ("server",), ("keeper", "server"), ("server", "keeper")]
LONGEST = 0.8
"""Seconds from the start of a command to the kill."""
ONE_OFF_LINES = 2000
COPIED = 8_000_000
"""Bytes of a file that is copied."""


class Trial(NamedTuple):
    """One command during which parts of the host are killed."""

    project: Project
    number: int
    victims: tuple[str, ...]
    what: str

    @property
    def all_killed(self) -> bool:
        """Whether no part of the host is left: what it runs is killed with it."""
        return len(self.victims) > 1

    def start(self, *command: str) -> Running:
        """Start a command."""
        return self.project.sbx.start(*command)

    def run(self, *command: str) -> Result:
        """Run a command that may fail."""
        return self.project.sbx.run(*command, code=None, timeout=PATIENCE)

    def settle(self) -> dict[str, list[int]]:
        """Bring everything up; what runs then, and has begun to write."""
        self.run("up", "-d")
        check_running(self.project, f"{self.what}, before")
        running = self.project.running
        writing = {*running["web"], *running["watched"]}
        until(
            lambda: {note.pid for runs in self.project.runs.values() for note in runs.values()},
            writing.issubset,
            what=f"{self.what}: {writing} write nothing",
            seconds=PATIENCE,
        )
        return running

    def finish(self, under_way: Running) -> Result:
        """Wait for the end of a command."""
        done = under_way.wait(PATIENCE)
        print(self.what, "->", done.code, flush=True)
        assert "Traceback" not in done.stderr, f"{self.what}: {done}"
        return done

    def interrupt(self, under_way: Running, pattern: str = r"\d \.\.\.") -> Result:
        """Press Ctrl-C once the command shows a pattern: before that it may still be about to be loaded."""
        try:
            under_way.wait_for(pattern, timeout=PATIENCE)
        except AssertionError:
            if under_way.process.poll() is None:
                raise
        else:
            under_way.interrupt()
        return self.finish(under_way)

    def check_shown(self, done: Result) -> None:
        """Check that output that was followed has no gap, and nothing twice."""
        for name, lines in lines_of(done.stdout).items():
            check_order(lines, f"{self.what}: {name}")

    def check_kept(self, before: dict[str, list[int]], *names: str) -> None:
        """Check that the processes of these names still run, unless the whole host was killed."""
        running = self.project.running
        for name in names:
            kept = sorted(running.get(name, [])) == sorted(before[name])
            assert kept or self.all_killed, f"{self.what}: {name} was {before[name]}, and is {running.get(name)}"


Steps = Callable[[Trial], Iterator[None]]
"""What is done with a command: up to the `yield` before parts of the host are killed."""


def plain(*command: str) -> Steps:
    """A command that ends by itself, whatever its exit code is."""

    def steps(trial: Trial) -> Iterator[None]:
        under_way = trial.start(*command)
        yield
        trial.finish(under_way)

    return steps


def followed(*command: str) -> Steps:
    """A command that follows output."""

    def steps(trial: Trial) -> Iterator[None]:
        under_way = trial.start(*command)
        yield
        trial.check_shown(trial.interrupt(under_way))

    return steps


def attached(*command: str) -> Steps:
    """An `up` that stays, and stops everything after Ctrl-C."""

    def steps(trial: Trial) -> Iterator[None]:
        under_way = trial.start(*command)
        yield
        done = trial.interrupt(under_way)
        trial.check_shown(done)
        assert done.code == 130 or trial.all_killed, f"{trial.what}: {done}"
        left = {name: pids for name, pids in trial.project.running.items() if not name.startswith(ONE_OFF)}
        assert not left, f"{trial.what}: {left}, {done.stderr}"

    return steps


def foreground(*command: str) -> Steps:
    """A command in the foreground, whose output and exit code are passed on."""

    def steps(trial: Trial) -> Iterator[None]:
        name = f"{command[0]}{trial.number}"
        under_way = trial.start(*command, *trial.project.command(name, 10, 60, 0.003, ONE_OFF_LINES, 0))
        yield
        done = trial.finish(under_way)
        reached = [check_order(lines, trial.what) for lines in lines_of(done.stdout).values()]
        lost = done.code != 0 and (trial.all_killed or EXIT_CODE_UNKNOWN in done.stderr)
        assert reached == [{1: ONE_OFF_LINES}] or lost, f"{trial.what}: {reached}, {done}"
        begun = [run for run in trial.project.runs if run.partition(".")[0] == name]
        assert len(begun) == 1 or (lost and not begun), f"{trial.what}: the command ran as {begun}"
        assert all(len(trial.project.runs[run]) == 1 for run in begun), f"{trial.what}: the command ran twice"

    return steps


def copy(inwards: bool) -> Steps:
    """A copy, which is there as a whole or not at all."""

    def steps(trial: Trial) -> Iterator[None]:
        trial.settle()
        source, target = (trial.project.sbx.project / f"{word}{trial.number}" for word in ("from", "to"))
        source.write_bytes(random.Random(trial.number).randbytes(COPIED))
        words = (source.name, f"watched:{target.name}") if inwards else (f"watched:{source.name}", target.name)
        under_way = trial.start("cp", *words)
        yield
        done = trial.finish(under_way)
        if done.code == 0 or target.exists():
            assert target.read_bytes() == source.read_bytes(), f"{trial.what}: {done}"
        assert done.code == 0 or trial.all_killed, f"{trial.what}: {done}"

    return steps


def suspension(command: str) -> Steps:
    """`pause` or `unpause`, after which the same processes run on."""

    def steps(trial: Trial) -> Iterator[None]:
        before = trial.settle()
        if command == "unpause":
            trial.run("pause")
        under_way = trial.start(command)
        yield
        done = trial.finish(under_way)
        assert done.code == 0 or trial.all_killed, f"{trial.what}: {done}"
        trial.run("unpause")
        trial.check_kept(before, "web", "bulk", "watched")
        trial.run("up", "-d")
        wait_for_lines(trial)

    return steps


def wait_for_lines(trial: Trial) -> None:
    """Wait until everything that runs for ever writes again."""
    started = {name: max(runs.items()) for name, runs in trial.project.runs.items() if name.startswith(("web", "wat"))}
    until(
        lambda: [name for name, last in started.items() if max(trial.project.runs[name].items()) == last],
        lambda silent: not silent,
        what=f"{trial.what}: some write nothing",
        seconds=PATIENCE,
    )


def killed(trial: Trial) -> Iterator[None]:
    """`kill` of a process that is restarted always."""
    before = trial.settle()
    under_way = trial.start("kill", "bulk")
    yield
    done = trial.finish(under_way)
    check_running(trial.project, trial.what)
    assert done.code == 0 or trial.all_killed, f"{trial.what}: {done}"
    assert trial.project.running["bulk"] != before["bulk"], f"{trial.what}: it was not killed"
    trial.check_kept(before, "web", "watched")


def watched(trial: Trial) -> Iterator[None]:
    """`watch`, and a save that restarts a process."""
    before = trial.settle()
    runs = trial.project.runs["watched.1"]
    under_way = trial.start("watch")
    under_way.wait_for("watching saved", timeout=PATIENCE)
    trial.project.save(str(trial.number))
    yield
    until(
        lambda: under_way.process.poll() is not None or trial.project.runs["watched.1"].keys() - runs.keys(),
        what=f"{trial.what}: not restarted",
        seconds=PATIENCE,
    )
    done = trial.interrupt(under_way, "watched restarts")
    new = trial.project.runs["watched.1"].keys() - runs.keys()
    assert len(new) == 1 or trial.all_killed, f"{trial.what}: {new}, {done}"
    trial.check_kept(before, "web", "bulk")


COMMANDS: dict[str, Steps] = {
    "up -d": plain("up", "-d"),
    "up -d --force-recreate": plain("up", "-d", "--force-recreate"),
    "up": attached("up", "--no-log-prefix"),
    "up --force-recreate": attached("up", "--no-log-prefix", "--force-recreate"),
    "restart": plain("restart"),
    "restart web": plain("restart", "web"),
    "stop": plain("stop"),
    "start": plain("start"),
    "down": plain("down"),
    "ps": plain("ps"),
    "why": plain("why"),
    "stats": plain("stats", "--no-stream"),
    "events": plain("events", "--since", "1h", "--until", "0s"),
    "logs": plain("logs", "--all", "--tail", "1000"),
    "logs -f": followed("logs", "-f", "--all", "--no-log-prefix"),
    "exec": foreground("exec", "web"),
    "run": foreground("run", "-T", "web"),
    "cp in": copy(True),
    "cp out": copy(False),
    "pause": suspension("pause"),
    "unpause": suspension("unpause"),
    "kill": killed,
    "watch": watched,
}
CHOSEN = os.environ.get("KILL_COMMANDS", "").split(",") if "KILL_COMMANDS" in os.environ else list(COMMANDS)


def whole_host(project: Project) -> dict[str, int]:
    """The process ids of the host once it has both parts: one that is killed before the other has been replaced leaves
    nothing of the host, which is for the kills of both to test. A server names a keeper that holds everything.
    """
    return until(
        project.sbx.host_pids,
        lambda host: not host or alive(host["keeper"]),
        what="the keeper is not replaced",
        seconds=PATIENCE,
    )


def kill(project: Project, victims: tuple[str, ...], delay: float) -> None:
    """Kill parts of the host after `delay`; stopped first, so that none of them replaces the other."""
    host = whole_host(project)
    select.select([], [], [], delay)
    for victim in victims:
        with suppress(ProcessLookupError, KeyError):
            os.kill(host[victim], signal.SIGSTOP)
    with project.cutting() if len(victims) > 1 else nullcontext():
        for victim in victims:
            with suppress(ProcessLookupError, KeyError):
                os.kill(host[victim], signal.SIGKILL)


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


@pytest.mark.time_limit(PATIENCE + PATIENCE * ROUNDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_parts_of_the_host_killed_at_random_moments(sbx_alone: Sbx, seed: int) -> None:
    choice = random.Random(seed)
    project = Project(sbx_alone)
    number = 0
    with load(LOAD):
        for turn in range(ROUNDS):
            begun = datetime.fromtimestamp(time.time() - 1).isoformat()
            sbx_alone.run("up", "-d", timeout=PATIENCE)
            for _ in range(choice.randint(1, 3)):
                number += 1
                command, victims = choice.choice(CHOSEN), choice.choice(VICTIMS)
                what = f"seed {seed}, round {turn}, kill {number}: {' '.join(victims)} during {command}"
                steps = COMMANDS[command](Trial(project, number, victims, what))
                next(steps)
                kill(project, victims, choice.random() * LONGEST)
                next(steps, None)
                assert len(project.running.get("web", [])) <= COUNTS["web"], what
            what = f"seed {seed}, after round {turn}"
            sbx_alone.run("up", "-d", timeout=PATIENCE)
            check_running(project, what)
            sbx_alone.run(choice.choice(["stop", "down"]), timeout=PATIENCE)
            left = {name: pids for name, pids in project.running.items() if not name.startswith(ONE_OFF)}
            assert left == {}, what
            # What is older has been checked: of everything, this process would soon need minutes and gigabytes.
            logs = sbx_alone.run("logs", "--since", begun, "--no-log-prefix", timeout=PATIENCE)
            check_lines(project, logs.stdout, what)
    sbx_alone.run("down")
