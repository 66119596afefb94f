"""What is left of ten processes that fork, leave their session, or become daemons, once they were stopped."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import end, running, until_printed
from benchmarks.stopping import PATIENCE, SETTLE
from tests.support.home import MARKER, alive_with, end_of

TITLE = "left behind"
COUNT = 10
KINDS = {
    "fork": "sleep 1000 & echo up; exec sleep 1000",
    "setsid": "setsid sleep 1000 & echo up; exec sleep 1000",
    "daemonize": f"{sys.executable} daemon.py; echo up; exec sleep 1000",
}
DAEMON = """
import os
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
null = os.open("/dev/null", os.O_RDWR)
for number in range(3):
    os.dup2(null, number)
os.execvp("sleep", ["sleep", "1000"])
"""


def _write(bench: Bench, command: str) -> None:
    names = [f"p{n}" for n in range(COUNT)]
    process = {"command": command, "restart": "never", "stop": {"grace": "2s"}}
    bench.write("sbxcompose.yaml", json.dumps({"processes": dict.fromkeys(names, process)}))
    bench.write("Procfile", "".join(f"{name}: {command}\n" for name in names))


def _left(bench: Bench, kind: str, who: str, command: list[str | Path], stop: list[str | Path] | None) -> int:
    """Start all, stop all, and count what still lives of it; that is then killed."""
    marker = f"{bench.home.marker}-{kind}-{who}"
    # Cold: a fork server would carry the marker as well, and is not left by a process.
    env = {**bench.env, MARKER: marker, "SBXCOMPOSE_WARM": "no"}
    with running(command, bench.directory, env) as process:
        until_printed(process, rb"up$", COUNT)
        time.sleep(SETTLE)
        end(process, signal.SIGINT, PATIENCE)
    if stop:
        bench.sbx(*map(str, stop), check=False)
    left = len(alive_with(marker))
    end_of(marker, grace=0)
    return left


def run(lab: Lab) -> Iterator[Figure]:
    peers = {name: lab.peer(name) for name in ("honcho", "concurrently")}
    with lab.bench() as bench:
        bench.write("daemon.py", DAEMON)
        bench.write("sbxcompose.yaml", json.dumps({"processes": {"once": {"command": "true", "restart": "never"}}}))
        bench.sbx("up", "-d")  # so that the host itself does not carry the markers below
        for kind, command in KINDS.items():
            _write(bench, command)
            what = f"left of {COUNT} processes that {kind}"
            yield Figure(what, OURS, _left(bench, kind, OURS, [lab.ours, "up"], ["down"]), "processes")
            for name, path in peers.items():
                if path:
                    own: list[str | Path] = [path, "start"] if name == "honcho" else [path, *[command] * COUNT]
                    yield Figure(what, name, _left(bench, kind, name, own, None), "processes")
