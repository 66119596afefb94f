"""What 50 idle processes cost: memory of whatever holds them, and how often it wakes up."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import cpu_seconds, processes, resident, running, tree, until_printed, wake_ups

TITLE = "idle cost"
COUNT = 50
CHILDREN = ("sleep", "sh", "dash", "bash")
MIB = 1024 * 1024


def _figures(who: str, pids: Iterable[int], seconds: float) -> Iterator[Figure]:
    """Memory and wake-ups of some processes together, over `seconds` in which nothing happens."""
    watched = list(pids)
    before = sum(map(wake_ups, watched)), sum(map(cpu_seconds, watched))
    time.sleep(seconds)
    woken = sum(map(wake_ups, watched)) - before[0]
    cpu = sum(map(cpu_seconds, watched)) - before[1]
    memory = sum(map(resident, watched)) / MIB
    note = f"{len(watched)} processes"
    yield Figure(f"{COUNT} idle processes: memory (PSS)", who, memory, "MiB", note)
    yield Figure(f"{COUNT} idle processes: wake-ups", who, woken / seconds, "/s", f"CPU {cpu:.2f} s")


def run(lab: Lab) -> Iterator[Figure]:
    seconds = 2.0 if lab.quick else 5.0
    with lab.bench() as bench:
        bench.write("Procfile", "".join(f"p{n}: echo up {n}; exec sleep 1000\n" for n in range(COUNT)))
        bench.sbx("up", "-d")
        time.sleep(2.0)
        yield from _figures(OURS, bench.host().values(), seconds)
        for name, pid in bench.host().items():
            yield Figure(f"  the {name} alone (RSS)", OURS, resident(pid, "Rss") / MIB, "MiB")
        bench.sbx("down")
        yield from _attached(bench, seconds)
        for name in ("honcho", "concurrently"):
            if command := lab.peer(name):
                yield from _peer(name, command, bench, seconds)


def _attached(bench: Bench, seconds: float) -> Iterator[Figure]:
    """An attached `up`: the host, the command that shows the output and the process that stands in for it."""
    # Cold, so that the command is one process; in a fork of the fork server it shares most of its memory.
    for who, warm in ((f"{OURS}, attached", "yes"), (f"{OURS}, attached, cold", "no")):
        with running([bench.ours, "up"], bench.directory, bench.env | {"SBXCOMPOSE_WARM": warm}) as process:
            until_printed(process, rb"up \d+", COUNT)
            time.sleep(2.0)
            yield from _figures(who, [*bench.host().values(), *_commands_of(bench, process.pid)], seconds)


def _commands_of(bench: Bench, client: int) -> list[int]:
    """Return the client and the fork that runs its command, if there is one; the fork server itself is shared by all
    commands and ends when none has come for a while.
    """
    status = json.loads(bench.sbx("host", "status", "--json"))
    servers = [server["pid"] for server in status["fork_servers"]]
    return [client, *(pid for pid, (parent, _) in processes().items() if parent in servers)]


def _peer(name: str, command: Path, bench: Bench, seconds: float) -> Iterator[Figure]:
    commands = [f"echo up {n}; exec sleep 1000" for n in range(COUNT)]
    arguments: list[str | Path] = [command, "start"] if name == "honcho" else [command, *commands]
    with running(arguments, bench.directory, bench.env) as process:
        until_printed(process, rb"up \d+", COUNT)
        time.sleep(2.0)
        yield from _figures(name, tree(process.pid, CHILDREN), seconds)
