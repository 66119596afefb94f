"""Many sandboxes of ten processes at a host that is reached over TCP: time, sockets and memory of each command.

Once with our extensions, and once through a stand-in for a cloud that has only the contract.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import wait_for
from tests.support.home import MARKER
from tests.support.plain_cloud import PlainCloud

TITLE = "many sandboxes"
EACH = 10
KEY = "a-key-for-benchmarks"
POLL_INTERVAL = 0.05
LIMIT = 600.0


@dataclass
class Used:
    """What a command has used: seconds, and its peaks of sockets and memory (MiB)."""

    seconds: float = 0.0
    sockets: int = 0
    memory: float = 0.0


def run(lab: Lab) -> Iterator[Figure]:
    for plain in (False, True):
        yield from _compared(lab, (10, 50) if lab.quick else (10, 200), plain)


def _compared(lab: Lab, counts: tuple[int, int], plain: bool) -> Iterator[Figure]:
    few, many = (_measured(lab, count, plain) for count in counts)
    for what, used in many.items():
        growth = f"{used.seconds / few[what].seconds:.1f} x the time of {counts[0]} sandboxes"
        shown = f"{what}, {counts[1]} sandboxes of {EACH} processes{', contract' if plain else ''}"
        yield Figure(shown, OURS, used.seconds, "s", growth)
        yield Figure(f"{shown}: sockets", OURS, used.sockets, "", f"{few[what].sockets} for {counts[0]}")
        yield Figure(f"{shown}: memory", OURS, used.memory, "MiB", f"{few[what].memory:.0f} MiB for {counts[0]}")


def _measured(lab: Lab, count: int, plain: bool) -> dict[str, Used]:
    """Return what each command uses with so many sandboxes."""
    with lab.bench() as bench, _contract(bench) if plain else _serving(bench) as environ:
        bench.write("sbxcompose.yaml", _spec(bench, count))
        return {
            "plan": _command(bench, environ, "plan"),
            "up": _command(bench, environ, "up", "-d"),
            "up with nothing to do": _command(bench, environ, "up", "-d"),
            "logs -f until every line is there": _follow(bench, environ, count * EACH),
            "down": _command(bench, environ, "down"),
            "down --terminate": _command(bench, environ, "down", "--terminate"),
        }


@contextmanager
def _serving(bench: Bench) -> Iterator[Mapping[str, str]]:
    """Start the host with a port; the variables of a client that reaches it over TCP alone."""
    # A cloud's machine, and not this one, pays for isolation.
    serve: list[str | Path] = [bench.ours, "host", "serve", "--port", "0", "--key", KEY, "--isolation", "none"]
    with subprocess.Popen(serve, cwd=bench.directory, env=bench.env, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout
        address = next(found[0] for line in host.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        elsewhere = bench.home.root / "elsewhere"
        try:
            yield {
                **bench.env,
                "SBXCOMPOSE_WARM": "no",  # in a fork of a fork server nobody would see what is used
                "SBXCOMPOSE_STATE_DIR": str(elsewhere / "s"),
                "SBXCOMPOSE_RUNTIME_DIR": str(elsewhere / "r"),
                "TENSORLAKE_API_URL": address,
                "TENSORLAKE_API_KEY": KEY,
            }
        finally:
            host.terminate()


@contextmanager
def _contract(bench: Bench) -> Iterator[Mapping[str, str]]:
    """Start a host, and a stand-in for a cloud before it; the variables of a client that reaches that one alone."""
    with _serving(bench) as environ:
        stand_in = PlainCloud(bench.home.socket, env={MARKER: bench.home.marker, "PATH": os.environ["PATH"]})
        with stand_in.serving():
            yield {**environ, **stand_in.environment}


def _spec(bench: Bench, count: int) -> str:
    lines = ["provider: tensorlake", "sandboxes:"]
    for number in range(count):
        lines += [f"  s{number}:", f"    workspace: {bench.directory}", f"    env: {{{MARKER}: {bench.home.marker}}}"]
        lines += ["    processes:"]
        lines += [f'      p{place}: {{command: "echo hello; exec sleep 1000"}}' for place in range(EACH)]
    return "\n".join(lines) + "\n"


def _command(bench: Bench, environ: Mapping[str, str], *arguments: str) -> Used:
    null = subprocess.DEVNULL
    begun = time.perf_counter()
    command: list[str | Path] = [bench.ours, *arguments]
    with subprocess.Popen(command, cwd=bench.directory, env=environ, stdout=null, stderr=null) as process:
        used = _watched(process)
        wait_for(process, LIMIT)
        used.seconds = time.perf_counter() - begun
    if process.returncode != 0:
        raise RuntimeError(f"sbxcompose {' '.join(arguments)}: exit code {process.returncode}")
    return used


def _follow(bench: Bench, environ: Mapping[str, str], lines: int) -> Used:
    begun = time.perf_counter()
    command: list[str | Path] = [bench.ours, "logs", "-f"]
    with subprocess.Popen(command, cwd=bench.directory, env=environ, stdout=subprocess.PIPE) as process:
        used = _watched(process)
        assert process.stdout
        for _ in range(lines):
            process.stdout.readline()
        used.seconds = time.perf_counter() - begun
        process.terminate()
        process.stdout.read()
    return used


def _watched(process: subprocess.Popen[bytes]) -> Used:
    """Return the peaks of a command, which are kept up while it runs."""
    used = Used()

    def look() -> None:
        while process.poll() is None:
            with suppress(OSError, TypeError):
                used.sockets = max(used.sockets, _sockets(process.pid))
                used.memory = max(used.memory, _memory(process.pid))
            time.sleep(POLL_INTERVAL)

    threading.Thread(target=look, daemon=True).start()
    return used


def _sockets(pid: int) -> int:
    place, found = f"/proc/{pid}/fd", 0
    for name in os.listdir(place):
        with suppress(FileNotFoundError):  # closed meanwhile
            found += os.readlink(f"{place}/{name}").startswith("socket:")
    return found


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0
