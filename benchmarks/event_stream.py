"""The contract's stream of output events, as the vendor's SDKs follow it: one process, 1, 8 and 32 clients over TCP."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import LIMIT, Hangs, cpu_seconds, samples_of, writer

TITLE = "event stream"
LINES = 20_000
KEY = "a-key-for-benchmarks"
WRITER = writer(LINES)


@contextmanager
def serving(bench: Bench) -> Iterator[int]:
    """Start the host with a port on loopback, and return that."""
    # A cloud's machine, and not this one, pays for isolation.
    serve: list[str | Path] = [bench.ours, "host", "serve", "--port", "0", "--key", KEY, "--isolation", "none"]
    with subprocess.Popen(serve, cwd=bench.directory, env=bench.env, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout
        found = next(found for line in host.stdout if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))
        try:
            yield int(found[1])
        finally:
            host.terminate()


def _follow(port: int, sandbox: str, pid: int, failures: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request(
            "GET",
            f"/api/v1/processes/{pid}/output/follow",
            headers={"Authorization": f"Bearer {KEY}", "X-Tensorlake-Sandbox-Id": sandbox},
        )
        response = connection.getresponse()
        if response.status != 200:
            failures.append(f"HTTP {response.status}")
        rest = b""
        while data := response.read1(1 << 18):
            if b"the last line" in rest + data:
                return
            rest = data[-32:]
        failures.append("the stream has ended early")
    except OSError as error:
        failures.append(str(error))
    finally:
        connection.close()


def _until_all_have_it(bench: Bench, port: int, clients: int, used: list[float]) -> float:
    """Milliseconds until all clients have had the last line."""
    (bench.directory / "go").unlink(missing_ok=True)
    bench.sbx("up", "-d", "--force-recreate")
    shown = json.loads(bench.sbx("ps", "--json"))
    pid = next(row["pid"] for row in shown if row["process"] == "writer")
    listed = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    listed.request("GET", "/v1/namespaces/default/sandboxes", headers={"Authorization": f"Bearer {KEY}"})
    sandbox = json.loads(listed.getresponse().read())["sandboxes"][0]["id"]
    listed.close()
    failures: list[str] = []
    threads = [threading.Thread(target=_follow, args=(port, sandbox, pid, failures)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)  # until all of them follow
    server = bench.host()["server"]
    before, begun = cpu_seconds(server), time.perf_counter()
    (bench.directory / "go").touch()
    for thread in threads:
        thread.join()
    if failures:
        raise Hangs(failures[0])
    used.append(cpu_seconds(server) - before)
    return 1000 * (time.perf_counter() - begun)


def run(lab: Lab) -> Iterator[Figure]:
    with lab.bench() as bench, serving(bench) as port:
        bench.write("writer.py", WRITER)
        command = [sys.executable, "-S", "writer.py"]
        bench.write("sbxcompose.yaml", json.dumps({"processes": {"writer": {"command": command}}}))
        for clients in (1, 8, 32):
            used: list[float] = []
            measure = {OURS: lambda clients=clients, used=used: _until_all_have_it(bench, port, clients, used)}
            took = samples_of(measure, lab.runs(3))[OURS]
            note = f"server {min(used):.2f} s of CPU" if used else ""
            yield Figure.of(f"{LINES:,} lines as events to {clients} x SDK", OURS, took, "ms", note)
