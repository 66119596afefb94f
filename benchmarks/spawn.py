"""One process started: up to the exec, as the keeper does it; and over the host's socket, up to the answer."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import samples_of
from sbxcompose.host.keeper.execution import ExecContext, Program
from sbxcompose.host.keeper.fork_exec import fork_exec, read_failure

TITLE = "a single spawn"
PROGRAM = "/bin/true"
FEW = 5
EXTRA = {"PATH": os.environ.get("PATH", os.defpath)}


def _keeper() -> float:
    """Milliseconds from the request to the exec, with the keeper's own code."""
    begun = time.perf_counter()
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = fork_exec(Program([PROGRAM], EXTRA), ExecContext(), [null, null, null], (read, write))
    os.close(write)
    failure = read_failure(read)
    took = 1000 * (time.perf_counter() - begun)
    os.close(null)
    os.waitpid(pid, 0)
    if failure:
        raise OSError(failure.decode("ascii", "replace"))
    return took


def _subprocess() -> float:
    """The same with Python's own module."""
    null = subprocess.DEVNULL
    begun = time.perf_counter()
    with subprocess.Popen([PROGRAM], stdin=null, stdout=null, stderr=null, env=EXTRA, start_new_session=True):
        return 1000 * (time.perf_counter() - begun)


class OverSocket(http.client.HTTPConnection):
    """One connection to a host, for many requests."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


def start(connection: http.client.HTTPConnection, sandbox: str) -> float:
    """Milliseconds from a start to its answer, which comes after the exec."""
    body = json.dumps({"command": PROGRAM})
    headers = {"Content-Type": "application/json", "X-Tensorlake-Sandbox-Id": sandbox}
    begun = time.perf_counter()
    connection.request("POST", "/api/v1/processes", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    took = 1000 * (time.perf_counter() - begun)
    if answer.status != 201:
        raise OSError(text.decode())
    return took


def _sandbox(bench: Bench) -> tuple[Path, str]:
    """The socket of a host, and a sandbox in it."""
    bench.write("sbxcompose.yaml", json.dumps({"processes": {"web": {"command": "sleep 1000"}}}))
    bench.sbx("up", "-d")
    status = json.loads(bench.sbx("host", "status", "--json"))
    with closing(OverSocket(Path(status["socket"]))) as connection:
        connection.request("GET", "/sandboxes")
        (sandbox,) = json.loads(connection.getresponse().read())["sandboxes"]
    return Path(status["socket"]), sandbox["id"]


def least(measure: Callable[[], float]) -> float:
    """The shortest of a few: a child that waits for a processor says nothing about us."""
    return min(measure() for _ in range(FEW))


def run(lab: Lab) -> Iterator[Figure]:
    runs = lab.runs(40)
    measures = {f"{OURS}, keeper": _keeper, "subprocess.Popen": _subprocess}
    took = samples_of({name: partial(least, measure) for name, measure in measures.items()}, runs)
    for name, sample in took.items():
        yield Figure.of("a process started, up to its exec", name, sample, "ms")
    with lab.bench() as bench:
        path, sandbox = _sandbox(bench)
        with closing(OverSocket(path)) as connection:
            (sample,) = samples_of({OURS: partial(least, partial(start, connection, sandbox))}, runs).values()
        yield Figure.of("a process started over the host's socket, recorded", OURS, sample, "ms")
