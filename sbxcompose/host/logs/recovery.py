"""Reading a segment that another server has written: what makes sense is kept, what was left unfinished is repaired."""

from __future__ import annotations

import os
from errno import EFBIG
from typing import Final

from sbxcompose.host.base import damage
from sbxcompose.host.logs.segments import (
    HEADER,
    INDEX,
    RECORD,
    RUN_BEGIN,
    RUN_END,
    RUN_OPEN,
    STDERR,
    STDOUT,
    STREAMS,
    SUFFIXES,
    VERSION,
    Fields,
    Segment,
)

MAX_LOST: Final = 64 * 1024 * 1024
"""Bytes that a dead machine may have had in memory only, although the index knew them."""
LARGEST: Final = 256 * 1024 * 1024
"""Bytes that no file of a segment ever has; the default is a 32nd of it."""
MAX_RUNS: Final = 1 << 31
LATEST: Final = 1 << 43
"""Milliseconds since 1970 that no clock shows: a record with such a number was not written by this project."""


def valid_records(raw: bytes) -> int:
    """Return how many records at the beginning of an index are whole and make sense."""
    whole = len(raw) // RECORD.size
    kinds = raw[: whole * RECORD.size : RECORD.size]
    if not kinds or kinds[0] != HEADER:
        return 0
    stray = kinds[1:].translate(None, bytes((STDOUT, STDERR, RUN_BEGIN, RUN_END, RUN_OPEN)))
    return whole if not stray else kinds.index(stray[:1], 1)


def unusable(segment: Segment) -> dict[int, OSError]:
    """Return the files of a segment that cannot be used, and why: not a regular file, cannot be opened, or too large.

    Raises `OSError` in a shortage.
    """
    found: dict[int, OSError] = {}
    for kind in SUFFIXES:
        try:
            # As the log itself will open it: what cannot be written to is found now, and not at the next line.
            fd = damage.open_regular(segment.path(kind), os.O_RDWR)
        except FileNotFoundError:
            continue
        except OSError as error:
            # A shortage of descriptors or memory says nothing about the file: set aside, it would be lost.
            if error.errno in damage.SHORTAGE:
                raise
            found[kind] = error
            continue
        size = os.fstat(fd).st_size
        os.close(fd)
        if size > LARGEST:
            found[kind] = OSError(EFBIG, f"it has {size} bytes")
    return found


def recover(segment: Segment, last_run: int = 0, later: Segment | None = None, *, reported: bool = False) -> int:
    """Read what a segment's files hold, and mend what its writer could not finish; the latest run in it.

    `last_run` is the latest run of earlier segments, `later` the next segment: for the case that the index is lost.
    That is reported unless it was already.
    """
    raw = _whole_index(segment)
    segment.count = valid_records(raw)
    fields = list(RECORD.iter_unpack(raw[: segment.count * RECORD.size]))
    segment.count = _sound(fields, {stream: _size(segment.path(stream)) for stream in STREAMS})
    del fields[segment.count :]
    for stream in STREAMS:
        segment.sizes[stream] = sum(field[5] for field in fields if field[0] == stream)
        segment.written[stream] = segment.sizes[stream]
    if not fields:
        _set_aside_index(segment, raw, reported=reported)
    elif len(raw) > segment.count * RECORD.size:
        # Half a record, or what a dead machine left: the bytes that it was to describe get a new one below.
        os.truncate(segment.path(INDEX), segment.count * RECORD.size)
    last_run = max((field[3] for field in fields), default=last_run)
    _mend(segment, last_run, max((field[4] for field in fields), default=0), later)
    segment.close()
    return last_run


def has_index(segment: Segment) -> bool:
    """Return whether the index is still there as it was read or written; it stays open if so."""
    try:
        fd = segment.fd(INDEX)
    except OSError as error:
        if error.errno in damage.SHORTAGE:
            raise
        return False
    sound = os.fstat(fd).st_size >= segment.count * RECORD.size and os.pread(fd, 1, 0) == bytes((HEADER,))
    if not sound:
        segment.close()
    return sound


def _set_aside_index(segment: Segment, raw: bytes, *, reported: bool) -> None:
    """Set an index aside that says nothing, if there is anything that it should say."""
    if any(_size(segment.path(stream)) for stream in STREAMS):
        why = "the index of this log was lost and has been rebuilt, without times and runs"
        if raw or os.path.lexists(segment.path(INDEX)):
            damage.set_aside(segment.path(INDEX), why)
        elif not reported:
            damage.report_missing(segment.path(INDEX), why)


def _sound(fields: list[Fields], sizes: dict[int, int]) -> int:
    """Return how many records at the beginning make sense, where the streams' files have these sizes."""
    left = {stream: size + MAX_LOST for stream, size in sizes.items()}
    for number, (kind, _, _, run, time_ms, a, _) in enumerate(fields):
        # `a` is an exit code at the end of a run, which may be negative, and a length or a position everywhere else.
        if run >= MAX_RUNS or time_ms >= LATEST or (kind != RUN_END and a < 0):
            return number
        if kind <= STDERR:
            left[kind] -= a
            if left[kind] < 0:
                return number
    return len(fields)


def _size(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _whole_index(segment: Segment) -> bytes:
    try:
        with open(segment.path(INDEX), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _mend(segment: Segment, last_run: int, last_ms: int, later: Segment | None) -> None:
    """Give bytes without a record theirs, with the file's time; zeros for what a dead machine lost."""
    for stream in STREAMS:
        try:
            found = os.stat(segment.path(stream))
        except FileNotFoundError:
            continue
        surplus = found.st_size - segment.sizes[stream]
        if surplus < 0:
            # This lengthens the file: all later positions count on these bytes.
            os.truncate(segment.path(stream), segment.sizes[stream])
        elif surplus > 0:
            if not segment.count:
                segment.append(HEADER, STDOUT | STDERR, VERSION, last_run, last_ms, 0, 0)
            last_ms = max(last_ms, min(found.st_mtime_ns // 1_000_000, _first_time(later)))
            segment.append(stream, 0, 0, last_run, last_ms, surplus, 0)
            segment.written[stream] = segment.sizes[stream] = found.st_size


def _first_time(segment: Segment | None) -> int:
    """Return the time before which everything earlier was written: times never go back."""
    fields = [] if segment is None else list(RECORD.iter_unpack(_whole_index(segment)[: RECORD.size]))
    return fields[0][4] if fields and fields[0][0] == HEADER else LATEST
