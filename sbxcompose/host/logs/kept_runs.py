"""The numbers of the runs that a log on disk still has, for whoever is not its writer: read from its indexes alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

from sbxcompose.host.logs.segments import HEADER, INDEX, RECORD, RUN_OPEN, SUFFIXES

_MOST = 4096
"""Bytes that are read of each end of an index: open runs stand in its head, the latest run at its end."""


def kept_runs(directory: str | os.PathLike[str]) -> Iterator[tuple[str, set[int]]]:
    """Yield each log in a sandbox's directory of logs, with the numbers of its runs.

    What a writer changes meanwhile, and what is damaged, is left out: nothing is repaired, and no error is raised.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        yield _unquoted(name), _runs(os.path.join(directory, name))


def _unquoted(name: str) -> str:
    if "%" not in name:
        return name
    from urllib.parse import unquote  # late: few names need it, and completion waits for it

    return unquote(name)


def _runs(log: str) -> set[int]:
    try:
        indexes = sorted(name for name in os.listdir(log) if name.endswith(SUFFIXES[INDEX]))
        if not indexes:
            return set()
        head, _ = _ends(os.path.join(log, indexes[0]))
        last_head, last_end = _ends(os.path.join(log, indexes[-1]))
    except OSError:
        return set()
    if not head or head[0][0] != HEADER:
        return set()
    # The header of a segment says which run was the latest before it: later ones began in it, or after it.
    begun_before = {fields[3] for fields in head if fields[0] == RUN_OPEN}
    latest = max(fields[3] for fields in (*last_head, *last_end))
    return begun_before | set(range(head[0][3] + 1, latest + 1))


def _ends(index: str) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Return the first and the last records of an index."""
    with open(index, "rb") as stream:
        head = stream.read(_MOST)
        whole = os.fstat(stream.fileno()).st_size // RECORD.size * RECORD.size
        stream.seek(max(whole - _MOST, 0))
        end = stream.read(min(_MOST, whole))
    return _records(head), _records(end)


def _records(content: bytes) -> list[tuple[int, ...]]:
    return list(RECORD.iter_unpack(content[: len(content) // RECORD.size * RECORD.size]))
