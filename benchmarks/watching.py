"""From a saved file to the first moment of the new run, with few and with many files watched."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import Sample, running, until_printed

TITLE = "watching"
SAVES = 12
DEBOUNCE = 0.001
"""Seconds without another change before ours reacts: next to none, so that the rest is what is measured."""
QUIET = 0.3
"""Seconds between the start of a run and the next save, enough for every tool to settle."""
SERVER = 'line="began $EPOCHREALTIME"; echo "$line" >>moments; echo "$line"; exec sleep 1000\n'
"""bash knows the time without starting a program. It is in the file before it is printed."""


def _tree(top: Path, files: int) -> None:
    """Create `files` small files, twenty in each directory, and a directory that must be ignored."""
    for number in range(files // 20):
        folder = top / f"d{number // 50}" / f"e{number}"
        folder.mkdir(parents=True)
        for item in range(20):
            (folder / f"f{item}.js").write_text("x")
    heavy = top / "node_modules" / "x"
    heavy.mkdir(parents=True)
    for one_number in range(200):
        (heavy / f"{one_number}.js").write_text("x")


def _latest(bench: Bench) -> float:
    """Return when the latest run began."""
    return max(map(float, re.findall(r"began ([\d.]+)", (bench.directory / "moments").read_text())))


def _latency(bench: Bench, command: Sequence[str | Path], saved: Path) -> Sample:
    """Milliseconds from a rename over `saved` to the next run's first word, `SAVES` times."""
    taken = []
    with running(command, bench.directory, bench.env) as process:
        until_printed(process, rb"began", 1)
        time.sleep(2.0)  # until all of it is watched: not every tool says when
        for number in range(SAVES):
            new = saved.with_name("saved.tmp~")
            new.write_text(f"// {number}\n")
            at = time.time()
            new.rename(saved)
            # A tool that has just started a run for the save before this one may print that now.
            while (began := _latest(bench)) < at:
                until_printed(process, rb"began", 1)
            taken.append(began - at)
            time.sleep(QUIET)
    return Sample([1000 * seconds for seconds in taken])


# What pm2 is told on its command line it does not watch; what stands in its own file, it does.
PM2_FILE = """module.exports = {apps: [
  {name: "server", script: "server.sh", interpreter: "bash",
   watch: ["src"], watch_delay: 50, ignore_watch: ["node_modules"]}
]}
"""


def _commands(lab: Lab) -> Iterator[tuple[str, list[str | Path], str]]:
    """Return the tools that are available, how to start each, and a remark."""
    yield OURS, [lab.ours, "up", "--watch"], f"with {1000 * DEBOUNCE:g} ms of debounce"
    if command := lab.peer("nodemon"):
        yield "nodemon", [command, "-q", "--watch", "src", "-e", "js", "--exec", "bash server.sh"], "no debounce"
    if command := lab.peer("watchfiles"):
        yield "watchfiles", [command, "bash server.sh", "src"], "50 ms steps of debounce, not taken off"
    if command := lab.peer("pm2"):
        yield (
            "pm2 --watch",
            [command.with_name("pm2-runtime"), "start", "pm2.config.js"],
            "50 ms of delay, not taken off",
        )


def run(lab: Lab) -> Iterator[Figure]:
    for files in (20, 20_000):
        with lab.bench() as bench:
            source = bench.directory / "src"
            _tree(source, files)
            bench.write("server.sh", SERVER)
            bench.write("pm2.config.js", PM2_FILE)
            watch = {"path": "src", "debounce": f"{1000 * DEBOUNCE:g}ms"}
            process = {"command": ["bash", "server.sh"], "watch": [watch]}
            bench.write("sbxcompose.yaml", json.dumps({"processes": {"server": process}}))
            what = f"saved file to new run, {files} files watched"
            for who, command, note in _commands(lab):
                (bench.directory / "moments").unlink(missing_ok=True)
                try:
                    taken = _latency(bench, command, source / "d0" / "e0" / "f0.js")
                except Exception as error:  # a peer that cannot do it is no reason to measure no other
                    yield Figure(what, who, None, "ms", str(error)[:60])
                    continue
                yield Figure.of(what, who, taken, "ms", note)
