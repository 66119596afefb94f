"""`python -m benchmarks.soak --minutes 15`: hours of use in minutes, and what of it stays in the host.

Processes crash all the time, logs rotate, readers come, read or never read, and go, commands are run beside the
processes, and definitions change. Memory and descriptors of keeper and server, and the size of the state directory,
must be as large at the end as after the warm-up.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx

from benchmarks.figures import OURS, Figure, rows
from benchmarks.lab import Bench, Lab
from benchmarks.measure import resident

MIB = 1024 * 1024
CRASH = 'yes "a line of a process that crashes, number $$" | head -c 400000; exit 1'
FLOOD = 'while :; do yes "a line of a process that writes a lot" | head -c 1000000; sleep 0.5; done'
QUIET_FOR = 3.0
"""Seconds without readers and commands before a sample, so that nothing of theirs is measured."""
SAMPLES = 20
READERS, COMMANDS = 6, 2
"""Threads that read, and that run commands."""


class Sample(NamedTuple):
    """What the host takes at one moment: bytes, and numbers of open descriptors."""

    keeper_memory: float
    server_memory: float
    keeper_descriptors: float
    server_descriptors: float
    state_directory: float


UNITS = {
    "keeper_memory": ("memory of the keeper (RSS)", "MiB", MIB),
    "server_memory": ("memory of the server (RSS)", "MiB", MIB),
    "keeper_descriptors": ("open descriptors of the keeper", "", 1),
    "server_descriptors": ("open descriptors of the server", "", 1),
    "state_directory": ("the state directory on disk", "MiB", MIB),
}


@dataclass
class Churn:
    """Threads that do something again and again, until told to pause or to end."""

    done: Counter[str] = field(default_factory=Counter)
    _running: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _busy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS + COMMANDS + 1))
    _threads: list[threading.Thread] = field(default_factory=list)

    def add(self, what: str, act: Callable[[], None], pause: float = 0.0) -> None:
        """Do `act` in a thread of its own, with a pause between."""

        def work() -> None:
            while not self._ended.is_set():
                self._running.wait()
                with self._busy:
                    try:
                        act()
                        self.done[what] += 1
                    except (OSError, StopIteration, httpx.HTTPError, subprocess.SubprocessError) as error:
                        self.done[f"{what}: {type(error).__name__}: {error}"] += 1
                self._ended.wait(pause)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Let the threads work inside; none of them does afterwards."""
        self._running.set()
        try:
            yield
        finally:
            self._running.clear()
            taken = READERS + COMMANDS + 1
            for _ in range(taken):
                self._busy.acquire()
            for _ in range(taken):
                self._busy.release()

    def end(self) -> None:
        """End the threads."""
        self._ended.set()
        self._running.set()
        for thread in self._threads:
            thread.join(30)


class Client:
    """Talks to the host as readers and SDKs do."""

    def __init__(self, bench: Bench) -> None:
        self._path = str(bench.home.socket)
        self._random = random.Random(1)
        with self._http() as http:
            (sandbox,) = http.get("/sandboxes?limit=1").json()["sandboxes"]
        self._headers = {"X-Tensorlake-Sandbox-Id": sandbox["id"]}

    def _http(self) -> httpx.Client:
        return httpx.Client(transport=httpx.HTTPTransport(uds=self._path), base_url="http://localhost", timeout=30)

    def read(self) -> None:
        """Follow output for a while, as our own command does or as the contract has it, or never read any of it."""
        never = self._random.random() < 0.5
        if self._random.random() < 0.3:
            target, body = f"GET /api/v1/processes/{self._running('flood')}/output/follow", b""
        else:
            logs = self._random.choice(["live", "all"])
            wanted = {"states": True, "follow": True, "refs": False, "logs": logs, "streams": ["stdout", "stderr"]}
            target, body = "POST /api/v1/watch", json.dumps(wanted).encode()
        head = (
            f"{target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        head += "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
        deadline = time.monotonic() + self._random.uniform(0.2, 2.0)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(0.5)
            sock.connect(self._path)
            sock.sendall(head.encode() + b"\r\n" + body)
            while time.monotonic() < deadline:
                if never:
                    time.sleep(0.1)
                else:
                    with suppress(TimeoutError):
                        sock.recv(65536)
                        time.sleep(0.005)

    def _running(self, process: str) -> str:
        """The managed name of a process that runs."""
        with self._http() as http:
            found = http.get("/api/v1/processes", headers=self._headers).json()["processes"]
        managed = [row["managed"] for row in found if row["managed"] and row["managed"]["status"] == "running"]
        return str(next(row["name"] for row in managed if row["name"].startswith(f"{process}.")))

    def run_command(self) -> None:
        """Run a command beside the processes to its end; every other one is left, and so killed by the host."""
        script = self._random.choice(["echo one; echo two >&2", "yes | head -c 100000", "echo up; sleep 1000"])
        body = {"command": "sh", "args": ["-c", script]}
        with (
            self._http() as http,
            http.stream("POST", "/api/v1/processes/run", headers=self._headers, json=body) as answer,
        ):
            for line in answer.iter_lines():
                if "up" in line:
                    return


def _sample(bench: Bench, host: dict[str, int]) -> Sample:
    def descriptors(pid: int) -> int:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))

    size = 0
    for path in bench.home.state.rglob("*"):
        with suppress(OSError):
            size += path.lstat().st_blocks * 512
    keeper, server = host["keeper"], host["server"]
    return Sample(
        resident(keeper, "Rss"), resident(server, "Rss"), descriptors(keeper), descriptors(server), float(size)
    )


def _write_project(bench: Bench, version: int) -> None:
    restart = {"policy": "always", "initial_backoff": "50ms", "max_backoff": "100ms"}
    processes = {
        "crash": {"command": CRASH, "replicas": 4, "restart": restart},
        "flood": {"command": FLOOD, "replicas": 2, "restart": "always"},
        "still": {"command": "exec sleep 1000", "env": {"VERSION": str(version)}, "replicas": 3},
    }
    bench.write("sbxcompose.yaml", json.dumps({"processes": processes}))


def soak(bench: Bench, seconds: float, warm_up: float, emit: Callable[[str], None]) -> tuple[list[Sample], Churn]:
    """Use a host for a while; samples from the warm-up on. Raises `RuntimeError` if a part of it has died."""
    _write_project(bench, 0)
    bench.sbx("up", "-d")
    host, client, churn = bench.host(), Client(bench), Churn()
    version = 0

    def change() -> None:
        nonlocal version
        version += 1
        _write_project(bench, version)
        bench.sbx("up", "-d")
        bench.sbx("exec", "still", "echo", "hello")
        bench.sbx("logs", "--tail", "10")

    for _ in range(READERS):
        churn.add("readers", client.read)
    for _ in range(COMMANDS):
        churn.add("commands", client.run_command, 0.05)
    churn.add("changed definitions", change, 5.0)
    samples = []
    begun = time.monotonic()
    for number in range(SAMPLES + 1):
        due = begun + warm_up + number * (seconds - warm_up) / SAMPLES
        with churn.going_on():
            time.sleep(max(0.0, due - time.monotonic()))
        time.sleep(QUIET_FOR)
        if bench.host() != host:
            raise RuntimeError("a part of the host has died")
        samples.append(_sample(bench, host))
        emit(f"{time.monotonic() - begun:6.0f} s  " + "  ".join(_shown(samples[-1])))
    churn.end()
    restarts = sum(row["restarts"] for row in json.loads(bench.sbx("ps", "--json")))
    churn.done["restarts"] = restarts
    return samples, churn


def _shown(sample: Sample) -> Iterator[str]:
    for name, (_, unit, size) in UNITS.items():
        yield f"{name.replace('_', ' ')} {getattr(sample, name) / size:.1f} {unit}".rstrip()


def figures(samples: Sequence[Sample], done: Counter[str]) -> Iterator[Figure]:
    """What the host took at the start, in the middle and at the end (medians of three samples), and end to start."""
    middle = len(samples) // 2
    parts = {"start": samples[:3], "middle": samples[middle - 1 : middle + 2], "end": samples[-3:]}
    for name, (what, unit, size) in UNITS.items():
        values = {part: median(getattr(sample, name) for sample in group) / size for part, group in parts.items()}
        for part, value in values.items():
            yield Figure(f"{what}, {part}", OURS, value, unit)
        yield Figure(f"{what}, end to start", OURS, values["end"] / values["start"], "x")
    for what, count in sorted(done.items()):
        yield Figure(f"done: {what}", OURS, float(count), "")


def main() -> None:
    """Run it, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="how long, warm-up included (default: 15)")
    parser.add_argument("--warm-up", type=float, default=2.0, help="minutes before the first sample (default: 2)")
    arguments = parser.parse_args()
    lab = Lab(Path(sys.executable).parent)
    with lab.bench() as bench:
        bench.ours = Path(sys.executable).parent / "sbxcompose"
        samples, churn = soak(
            bench, arguments.minutes * 60, arguments.warm_up * 60, lambda line: print(line, flush=True)
        )
    print("\n".join(rows(figures(samples, churn.done))))


if __name__ == "__main__":
    main()
