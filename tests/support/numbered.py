"""A process that writes numbered lines to its standard output, and notes where no kill can lose it how far it got.

`python numbered.py DIRECTORY NAME BURST WIDTH PAUSE MOST CODE` is the process; `notes` reads what its runs have noted.
It imports the standard library alone.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

NOTE = struct.Struct("<qqqq")
"""Process id, its start in clock ticks since boot, the last number that it began to write, and the last one written."""


class Note(NamedTuple):
    """What a run has noted; `started` in clock ticks since boot; `tried` and `done` are numbers of lines, from 1."""

    pid: int
    started: int
    tried: int
    done: int


Runs = dict[str, dict[int, Note]]
"""The runs by name and by their number, from 1."""


def notes(directory: Path) -> Runs:
    """What all runs that have begun have noted."""
    found: Runs = {}
    for path in directory.iterdir():
        name, _, number = path.name.rpartition(".")
        data = path.read_bytes()
        if len(data) == NOTE.size:  # else it has just been made
            found.setdefault(name, {})[int(number)] = Note(*NOTE.unpack(data))
    return found


def _begin(directory: str, name: str) -> tuple[int, mmap.mmap]:
    """The number of this run, and the memory to note in."""
    number = sum(entry.rpartition(".")[0] == name for entry in os.listdir(directory)) + 1
    while True:
        try:
            note = os.open(f"{directory}/{name}.{number}", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            number += 1
            continue
        os.truncate(note, NOTE.size)
        return number, mmap.mmap(note, NOTE.size)


def _started() -> int:
    with open("/proc/self/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main(directory: str, name: str, burst: int, width: int, pause: float, most: int, code: int) -> int:
    """Write bursts of lines, `pause` seconds apart; after `most` lines end with `code`, or wait if that is negative."""
    if replica := os.environ.get("SBXCOMPOSE_REPLICA"):
        name = f"{name}.{replica}"
    number, note = _begin(directory, name)
    process, begun, done = (os.getpid(), _started()), f"{name} {number} ", 0
    while done < most:
        last = min(done + burst, most)
        # Not `pack_into`: it clears the place first, and a kill then would leave zeros.
        note[:] = NOTE.pack(*process, last, done)
        _write(b"".join(f"{begun}{line} ".ljust(width - 1, ".").encode() + b"\n" for line in range(done + 1, last + 1)))
        done = last
        note[:] = NOTE.pack(*process, last, done)
        time.sleep(pause)
    while code < 0:
        time.sleep(1000)
    return code


if __name__ == "__main__":
    _, _directory, _name, _burst, _width, _pause, _most, _code = sys.argv
    sys.exit(main(_directory, _name, int(_burst), int(_width), float(_pause), int(_most), int(_code)))
