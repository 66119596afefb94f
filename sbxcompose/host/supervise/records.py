"""What the host remembers on disk, so that its server can be killed at any moment.

One file a row and one a sandbox, the user's alone (they hold environments). A run is recorded before it is
asked for: whatever the keeper holds has a record, and a record whose unit the keeper has never heard of was
not started.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sbxcompose.api.json_text import encode
from sbxcompose.host.base import damage, removal, unsaved, write_back
from sbxcompose.host.base.json_files import replace_file, reserve
from sbxcompose.host.supervise.state import ProcessRecord

COMPACT = 32 * 1024
"""Bytes of a row's journal after which it is written anew."""

ROOM = 32 * 1024
"""Bytes that a record may take, with what is written in logs when its run begins."""


class Records:
    """The records of one sandbox's rows, a journal `<id>.json` each: its last whole line is what holds.

    The first line tells everything, the others what has changed since. To append is several times cheaper
    than to replace a file, for which file systems write the data out at once; and a line that a killed
    writer, or a full disk, has cut short is as good as not written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = os.fspath(directory)
        self._sizes: dict[int, int] = {}

    def save(self, record: ProcessRecord) -> None:
        """Put a record on disk. Raises `OSError`; what was there before then still holds."""
        size = self._sizes.get(record.id)
        if size is None or size > COMPACT:
            self._write(record)
            return
        # A newline first: should the last append have been cut short, this one stands by itself.
        line = b"\n" + encode(record.changing())
        fd = os.open(self._path(record.id), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            self._sizes[record.id] = size + len(line)
            if os.write(fd, line) < len(line):
                os.write(fd, b"\n")  # raises the reason, usually
        finally:
            os.close(fd)

    def check_room(self, count: int) -> None:
        """Raise `OSError` if the disk has no space for `count` new records."""
        reserve(f"{self._directory}/room", ROOM * (count + 1))

    def record(self, record: ProcessRecord) -> bool:
        """Put a record on disk, now or as soon as there is room for it; whether it is there now."""
        try:
            self.save(record)
        except OSError as error:
            self._sizes.pop(record.id, None)
            what = f"process {record.request.name or record.id}"
            write_back.hold(self._path(record.id), encode(record), what, error)
            return False
        unsaved.release(self._path(record.id))
        return True

    def _write(self, record: ProcessRecord) -> None:
        data = encode(record)
        path = self._path(record.id)
        try:
            replace_file(path, data, lasting=not record.attached)
        except FileNotFoundError:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            replace_file(path, data, lasting=not record.attached)
        self._sizes[record.id] = len(data)

    def remove(self, record: ProcessRecord) -> None:
        """Forget a record; no harm if there is none."""
        self._sizes.pop(record.id, None)
        unsaved.release(self._path(record.id))
        with suppress(OSError):
            removal.remove(self._path(record.id))

    def load(self) -> Iterator[ProcessRecord]:
        """Yield all records that make sense, in the order in which they were made."""
        for number in sorted(int(name[:-5]) for name in damage.names_in(self._directory) if _is_record(name)):
            record = self._read(number)
            if record is not None:
                yield record

    def _read(self, number: int) -> ProcessRecord | None:
        """None if it is damaged: the machine went down during a write, or it was edited."""

        def make(data: bytes) -> ProcessRecord:
            record = _record(data)
            if record.id != number:
                raise ValueError(f"it is the record of {record.id}")
            self._sizes[number] = len(data)
            return record

        return damage.load(self._path(number), make)

    def _path(self, number: int) -> str:
        return f"{self._directory}/{number}.json"


def _is_record(name: str) -> bool:
    return name.endswith(".json") and name[:-5].isdecimal()


def _record(data: bytes) -> ProcessRecord:
    """Return what the lines of a journal say together. Raises `ValueError`."""
    value: dict[str, Any] = {}
    for line in data.split(b"\n"):
        with suppress(ValueError):
            found = damage.decode(line)
            if isinstance(found, dict):
                value.update(found)
    return ProcessRecord.read(value)
