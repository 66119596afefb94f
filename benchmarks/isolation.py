"""A process started in an isolated sandbox, and in one that is not: what that costs each start, in time and CPU."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import TICKS, Sample, samples_of
from benchmarks.spawn import OverSocket, least, start

TITLE = "isolation"
PROGRAM = "/bin/true"
KINDS = {"none": "not isolated", "overlay": "isolated"}
BATCH = 25
"""Starts between two looks at the CPU time, which the kernel counts in hundredths of a second."""


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench:
        status = _host(bench)
        with closing(OverSocket(Path(status["socket"]))) as connection:
            boxes = {kind: _made(connection, kind) for kind in KINDS}
            for box in boxes.values():  # the first one builds the root
                _run(connection, box)
            starts = {kind: partial(least, partial(start, connection, box)) for kind, box in boxes.items()}
            started = samples_of(starts, lab.runs(60))
            took, used = _measured(connection, boxes, (status["pid"], status["keeper_pid"]), lab.runs(20))
    for what, samples in (
        ("a process started, up to the answer", started),
        ("a command run to its end", took),
        ("CPU time of that, host and command", used),
    ):
        for kind, words in KINDS.items():
            yield Figure.of(what, f"{OURS}, {words}", samples[kind], "ms")


def _measured(
    connection: http.client.HTTPConnection, boxes: dict[str, str], pids: tuple[int, int], batches: int
) -> tuple[dict[str, Sample], dict[str, Sample]]:
    """Return milliseconds of each run, and of CPU time on average in each batch; the kinds take turns."""
    took, used = ({kind: Sample() for kind in boxes} for _ in range(2))
    for _ in range(batches):
        for kind, box in boxes.items():
            before = _cpu(pids)
            took[kind].values += [_run(connection, box) for _ in range(BATCH)]
            used[kind].values.append((_cpu(pids) - before) / BATCH)
    return took, used


def _host(bench: Bench) -> dict[str, Any]:
    bench.sbx("host", "serve", "--detach")
    status: dict[str, Any] = json.loads(bench.sbx("host", "status", "--json"))
    return status


def _made(connection: http.client.HTTPConnection, kind: str) -> str:
    """The id of a new sandbox. Raises `OSError` where the machine does not permit it."""
    told = _ask(connection, "/sandboxes", {"isolation": kind})
    return str(json.loads(told)["sandbox_id"])


def _run(connection: http.client.HTTPConnection, sandbox: str) -> float:
    """Milliseconds from the request to the end of the command."""
    begun = time.perf_counter()
    _ask(connection, "/api/v1/processes/run", {"command": PROGRAM}, {"X-Tensorlake-Sandbox-Id": sandbox})
    return 1000 * (time.perf_counter() - begun)


def _ask(
    connection: http.client.HTTPConnection, path: str, body: dict[str, str], headers: dict[str, str] | None = None
) -> bytes:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (200, 201):
        raise OSError(text.decode())
    return text


def _cpu(pids: tuple[int, int]) -> float:
    """Milliseconds of CPU time that processes and their children that have ended have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return 1000 * ticks / TICKS
