"""What the host remembers on disk, so that its server can be killed at any moment.

One file a row and one a sandbox, the user's alone (they hold environments). A run is recorded before it is
asked for: whatever the keeper holds has a record, and a record whose unit the keeper has never heard of was
not started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sbxcompose.host.state import Record

COMPACT = 32 * 1024
"""Bytes of a row's journal after which it is written anew."""


class Records:
    """The records of one sandbox's rows, a journal `<id>.json` each: its last whole line is what holds.

    The first line tells everything, the others what has changed since. To append is several times cheaper
    than to replace a file, for which file systems write the data out at once; and a line that a killed
    writer, or a full disk, has cut short is as good as not written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = os.fspath(directory)
        self._sizes: dict[int, int] = {}

    def save(self, record: Record) -> None:
        """Put a record on disk. Raises `OSError`; what was there before then still holds."""
        size = self._sizes.get(record.id)
        if size is None or size > COMPACT:
            self._write(record)
            return
        # A newline first: should the last append have been cut short, this one stands by itself.
        line = b"\n" + _encode(record.changing())
        fd = os.open(self._path(record.id), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            self._sizes[record.id] = size + len(line)
            if os.write(fd, line) < len(line):
                os.write(fd, b"\n")  # raises the reason, usually
        finally:
            os.close(fd)

    def _write(self, record: Record) -> None:
        data = _encode({**record.fixed(), **record.changing()})
        path = self._path(record.id)
        try:
            replace_file(path, data)
        except FileNotFoundError:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            replace_file(path, data)
        self._sizes[record.id] = len(data)

    def remove(self, record: Record) -> None:
        """Forget a record; no harm if there is none."""
        self._sizes.pop(record.id, None)
        with suppress(OSError):
            os.unlink(self._path(record.id))

    def load(self) -> Iterator[Record]:
        """All records that make sense, in the order in which they were made."""
        with suppress(FileNotFoundError):
            numbers = [int(name[:-5]) for name in os.listdir(self._directory) if _is_record(name)]
            for number in sorted(numbers):
                record = self._read(number)
                if record is not None:
                    yield record

    def _read(self, number: int) -> Record | None:
        try:
            data = Path(self._path(number)).read_bytes()
            value: dict[str, Any] = {}
            for line in data.split(b"\n"):
                with suppress(ValueError):
                    value.update(json.loads(line))
            record = Record.read(value)
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            return None  # the machine went down while it was written, or somebody has meddled with it
        self._sizes[number] = len(data)
        return record

    def _path(self, number: int) -> str:
        return f"{self._directory}/{number}.json"


def _is_record(name: str) -> bool:
    return name.endswith(".json") and name[:-5].isdecimal()


def _encode(value: object) -> bytes:
    # A surrogate stands for a byte of an environment that is not UTF-8; JSON's own escapes keep it.
    return json.dumps(value, separators=(",", ":")).encode()


def write_json(path: Path, value: object) -> None:
    """Replace a file by a JSON value at once: a reader sees the old one or the new one. Raises `OSError`."""
    replace_file(os.fspath(path), _encode(value))


def replace_file(path: str, data: bytes) -> None:
    """Replace a file, or make one, at once. Raises `OSError`, and leaves nothing half done."""
    temporary = path + "~"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def read_each(directory: Path, name: str) -> Iterator[dict[str, Any]]:
    """What `write_json` wrote to the file `name` in each folder of `directory`, if it is the record of that folder."""
    for path in sorted(directory.glob(f"*/{name}")):
        value = read_json(path)
        if isinstance(value, dict) and value.get("id") == path.parent.name:
            yield value


def read_json(path: Path) -> Any:
    """What `write_json` wrote; None if there is nothing, or nothing that makes sense."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
