"""JSON files of the host's state: replaced at once, and read one a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sbxcompose import file_writing
from sbxcompose.api.json_text import encode
from sbxcompose.host.base import damage, flush, unsaved
from sbxcompose.host.base.ids import is_id


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Identified = TypeVar("Identified", bound=_Identified)
"""A record that carries the name of its folder."""


def write_json(path: Path, value: object) -> None:
    """Replace a file by a JSON value at once: a reader sees the old one or the new one. Raises `OSError`."""
    replace_file(os.fspath(path), encode(value))


def replace_file(path: str, data: bytes, *, lasting: bool = True) -> None:
    """Replace a file, or make one, at once. Raises `OSError`, and leaves nothing half done.

    One that is not `lasting` need not survive a loss of power.
    """
    file_writing.replace_file(path, data, only_writer=True)
    unsaved.release(path)
    if lasting:
        flush.later(path)


def reserve(path: str, size: int) -> None:
    """Find out whether a file of `size` bytes can be made, by making it; nothing stays. Raises `OSError`."""
    temporary = path + "~"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.path.dirname(path)) from None
    finally:
        os.close(fd)
        os.unlink(temporary)


def read_each(directory: Path, name: str, kind: type[Identified]) -> Iterator[Identified]:
    """Read the file `name` in each folder of `directory` whose name is an id. A folder is set aside with its record."""
    for folder in (f"{directory}/{name}" for name in damage.names_in(directory) if is_id(name)):
        if os.path.islink(folder):
            damage.set_aside(folder, "it is a link")
            continue
        record = damage.load(f"{folder}/{name}", partial(_own_record, folder, kind), whole=folder)
        if record is not None:
            yield record


def _own_record(folder: str, kind: type[Identified], data: bytes) -> Identified:
    record = damage.record_of(kind)(data)
    if record.id != os.path.basename(folder):
        raise ValueError(f"it is the record of {record.id[:80]}")
    return record
