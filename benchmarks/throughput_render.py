"""How fast chunks of output become shown lines, without any process or host: `python -m
benchmarks.throughput_render`.

Eight sources take turns with chunks of 64 KiB of 80-byte lines, cut anywhere, written to a file. CPU
seconds are those of this process, the kernel's part included.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Final

from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.output import LogOutput
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import JsonRenderer, PrefixedRenderer
from sbxcompose.logs.sanitize import cleaner
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.logs.write import FdSink

LINE: Final = b"2026-11-24 09:30:00.123 INFO request handled in 12 ms path=/api/items/1234 ok...\n"[-80:]
COLOURED: Final = b"\x1b[2m09:30:00.123\x1b[0m \x1b[32mINFO\x1b[39m request handled path=/api/items/1 ok\n"
QUOTED: Final = b'{"at": "09:30:00.123", "level": "info", "path": "/api/items/1234", "ms": 12345}\n'
CHUNK: Final = 65536 - 37  # not a multiple of a line: every chunk ends in the middle of one
MILLION: Final = 1_000_000
SOURCES: Final = tuple(LineSource(f"worker{number}", process=f"worker{number}") for number in range(1, 9))
LABELS: Final = tuple(one_source.label for one_source in SOURCES)

FILE: Final = cleaner(terminal=False, colours=False)
TERMINAL: Final = cleaner(terminal=True, colours=True)

Make = Callable[[FdSink], LogOutput]


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def feed(output: LogOutput, line: bytes, lines: int) -> None:
    """Feed `lines` lines, shared out to the sources, in chunks cut anywhere."""
    text = line * (lines // len(SOURCES))
    for begin in range(0, len(text), CHUNK):
        chunk = text[begin : begin + CHUNK]
        for source in SOURCES:
            output.feed(source, chunk, begin // CHUNK)
    output.end_all()


def measure(name: str, line: bytes, make: Make, lines: int) -> None:
    with tempfile.TemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:
        output = make(FdSink(file.fileno()))
        cpu, began = cpu_seconds(), time.perf_counter()
        feed(output, line, lines)
        wall, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        output.sink.close()
    rate = f"{lines * len(line) / wall / 1e9:6.2f} GB/s {lines / wall / MILLION:6.1f} M lines/s"
    print(f"{name:<32} {rate} {cpu * MILLION / lines:7.3f} CPU s/M lines", flush=True)


def measure_cleaning(name: str, line: bytes) -> None:
    """Only the look at a chunk: what cleaning costs where there is nothing to clean, and where there is."""
    chunk = line * (65536 // len(line))
    rounds = 2000
    began = time.perf_counter()
    for _ in range(rounds):
        TERMINAL(chunk)
    wall = time.perf_counter() - began
    print(f"{name:<32} {rounds * len(chunk) / wall / 1e9:6.2f} GB/s", flush=True)


def to_file(*, timestamps: bool = False, secrets: tuple[str, ...] = ()) -> Make:
    renderer = PrefixedRenderer(Prefixes(LABELS), timestamps=timestamps)
    return lambda sink: LogOutput(renderer, sink, clean=FILE, secrets=KnownSecrets(secrets))


def to_terminal(*, timestamps: bool = False) -> Make:
    renderer = PrefixedRenderer(Prefixes(LABELS, colour=True), timestamps=timestamps, colour=True)
    return lambda sink: LogOutput(renderer, sink, clean=TERMINAL)


def as_json(sink: FdSink) -> LogOutput:
    return LogOutput(JsonRenderer(), sink)


def main() -> None:
    lines = int(float(sys.argv[1]) * MILLION) if len(sys.argv) > 1 else 2 * MILLION
    secrets = tuple(f"a-secret-value-{number}" for number in range(5))
    measure("prefixed, to a file", LINE, to_file(), lines)
    measure("  with timestamps", LINE, to_file(timestamps=True), lines)
    measure("  with 5 secrets to mask", LINE, to_file(secrets=secrets), lines)
    measure("prefixed, as to a terminal", LINE, to_terminal(), lines)
    measure("  with timestamps", LINE, to_terminal(timestamps=True), lines)
    measure("  coloured text", COLOURED, to_terminal(), lines)
    measure("JSON lines", LINE, as_json, lines)
    measure("  of lines that are JSON", QUOTED, as_json, lines)
    measure_cleaning("cleaning alone, plain text", LINE)
    measure_cleaning("  text with umlauts", LINE.replace(b"handled", "behändelt".encode()))
    measure_cleaning("  coloured text", COLOURED)
    measure_cleaning("  cursor movement", b"\x1b[2K\x1b[1G" + LINE)


if __name__ == "__main__":
    main()
