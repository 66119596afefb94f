"""Reading clocks and `/proc`; waiting for what a command prints."""

from __future__ import annotations

import os
import re
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

TICKS = os.sysconf("SC_CLK_TCK")
LIMIT = 60.0
"""Seconds after which a measured command counts as hanging."""
PATIENCE = 5.0
"""Seconds that may be spent on one thing before it is measured less often."""
TIME_TO_END = 15.0
"""Seconds after which a command that was asked to end is killed."""
PEER_PATIENCE = 2.0
"""Seconds after which a peer is killed that does not end: honcho never does within moments of its last start."""
MANY = 3
"""The fewest values that are worth a spread."""


class Hangs(Exception):
    """A measured command did not do in `LIMIT` seconds what it should."""


def median_of(measure: Callable[[], float], runs: int) -> float:
    """The median of several measurements."""
    return median(measure() for _ in range(runs))


@dataclass
class Sample:
    """Values of one thing, measured several times; `error` is what ended that early."""

    values: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float | None:
        """The middle value; None if there is none."""
        return median(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """How far the middle half of the values reaches."""
        if len(self.values) < MANY:
            return None
        first, _, third = quantiles(self.values, n=4, method="inclusive")
        return third - first


def samples_of(measures: Mapping[str, Callable[[], float]], runs: int) -> dict[str, Sample]:
    """Measure each `runs` times, in turn, so that a machine that gets slower meanwhile does so for all alike.

    What takes more than `PATIENCE` seconds in all is measured less often. One that fails is measured no more.
    """
    found = {name: Sample() for name in measures}
    spent = dict.fromkeys(measures, 0.0)
    for _ in range(runs):
        for name, measure in measures.items():
            sample = found[name]
            if sample.error or (spent[name] > PATIENCE and len(sample.values) >= MANY):
                continue
            begun = time.perf_counter()
            try:
                sample.values.append(measure())
            except (Hangs, OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
                sample.error = f"{type(error).__name__}: {error}"[:100]
            spent[name] += time.perf_counter() - begun
    return found


def timed(arguments: Sequence[str | Path], cwd: Path, env: Mapping[str, str], *, check: bool = True) -> float:
    """Return the seconds from spawn to exit of a command, its output discarded."""
    null = subprocess.DEVNULL
    begun = time.perf_counter()
    with subprocess.Popen(arguments, cwd=cwd, env=env, stdin=null, stdout=null, stderr=null) as process:
        wait_for(process)
        took = time.perf_counter() - begun
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [str(argument) for argument in arguments])
    return took


def wait_for(process: subprocess.Popen[bytes], limit: float = LIMIT) -> None:
    """Wait for a command to exit, and kill it if it does not within `limit` seconds (`Hangs`).

    `Popen.wait` with a timeout looks after 0.5, 1.5, 3.5 … 31.5, 63.5, 113.5 ms, and these would be the figures.
    """
    gone = os.pidfd_open(process.pid)
    try:
        ended = select.select([gone], [], [], limit)[0]
    finally:
        os.close(gone)
    if not ended:
        process.kill()
    process.wait()
    if not ended:
        raise Hangs(f"not through after {limit:g} s")


@contextmanager
def running(
    arguments: Sequence[str | Path], cwd: Path, env: Mapping[str, str], patience: float = TIME_TO_END
) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the background, its output on one pipe; ended by SIGINT as by Ctrl-C, `patience` seconds later by
    SIGKILL.
    """
    process = subprocess.Popen(
        arguments,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout
    try:
        yield process
    finally:
        end(process, signal.SIGINT, patience)
        process.stdout.close()


def end(process: subprocess.Popen[bytes], number: int, limit: float) -> float | None:
    """Send a signal to a command, reading on until it ends; seconds that took, None if it had to be killed.

    Does not wait for the end of its output: what it leaves behind may hold that open.
    """
    assert process.stdout
    begun = time.perf_counter()
    if process.poll() is not None:
        return 0.0
    process.send_signal(number)
    gone = os.pidfd_open(process.pid)
    try:
        ended = _drain_until(gone, process.stdout.fileno(), begun + limit)
    finally:
        os.close(gone)
    if not ended:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.perf_counter() - begun if ended else None


def _drain_until(gone: int, output: int, deadline: float) -> bool:
    """Read and forget until `gone` is readable; whether that came before the deadline."""
    with selectors.DefaultSelector() as selector:
        selector.register(gone, selectors.EVENT_READ)
        selector.register(output, selectors.EVENT_READ)
        while ready := selector.select(max(0.0, deadline - time.perf_counter())):
            descriptors = {key.fd for key, _ in ready}
            if gone in descriptors:
                return True
            if not os.read(output, 1 << 20):
                selector.unregister(output)
    return False


def until_printed(process: subprocess.Popen[bytes], pattern: bytes, count: int) -> float:
    """Read a command's output until `pattern` has come `count` times; the moment on the performance counter.

    Raises `Hangs` if it does not come.
    """
    assert process.stdout
    seen, sought, rest = 0, re.compile(pattern), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while seen < count:
            if not selector.select(LIMIT) or not (chunk := os.read(process.stdout.fileno(), 1 << 20)):
                raise Hangs(f"{seen} of {count} lines came: {rest[-300:].decode(errors='replace')}")
            *whole, rest = (rest + chunk).split(b"\n")
            seen += sum(1 for line in whole if sought.search(line))
    return time.perf_counter()


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of a process itself, also of a zombie."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int, kind: str = "Pss") -> int:
    """Bytes of memory of a process: `Pss` (shared pages divided among their users) or `Rss`."""
    for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0


def wake_ups(pid: int) -> int:
    """How often the threads of a process have gone to sleep (and so were woken), since their beginning."""
    total = 0
    for task in Path("/proc", str(pid), "task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                total += int(line.split()[1])
    return total


def processes() -> dict[int, tuple[int, str]]:
    """All processes as {pid: (parent's pid, name)}."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            head, _, tail = Path("/proc", name, "stat").read_text().rpartition(")")
            found[int(name)] = (int(tail.split()[1]), head.partition("(")[2])
    return found


def tree(root: int, leave_out: Iterable[str]) -> list[int]:
    """`root` and all that descends from it, without processes of the names `leave_out`."""
    known, dropped = processes(), set(leave_out)
    found = [root]
    for pid in found:
        found += [item for item, (parent, _) in known.items() if parent == pid]
    return [pid for pid in found if pid in known and known[pid][1] not in dropped]


def writer(lines: int, first: str = "") -> str:
    """A program that writes `lines` lines at once when there is a file `go`, after a line `first`, if any."""
    greeting = f"print({first!r}, flush=True)" if first else ""
    return f"""
import os, time
{greeting}
while not os.path.exists("go"):
    time.sleep(0.01)
block = b"".join(b"line %06d of a log that several readers follow, eighty bytes\\n" % n for n in range({lines}))
sent = 0
while sent < len(block):
    sent += os.write(1, block[sent : sent + 65536])
print("the last line", flush=True)
time.sleep(1000)
"""
