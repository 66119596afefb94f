"""One segment of a log: the raw bytes of each stream, and an index that says which came when.

Files, named by the segment's first logical position in sixteen hex digits: `<pos>.out`, `<pos>.err` (bytes as
the process wrote them) and `<pos>.idx` (records of 32 bytes). A file exists once something is in it. A
*position* counts the bytes of both streams since the beginning of the log, in the order of the index.

The index is written after the bytes it describes, so at any moment a killed writer leaves whole records and
perhaps bytes that no record describes yet; `recovery.recover` gives those a record of their own.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
from collections.abc import Iterator
from errno import EINVAL, EIO
from typing import Final, NamedTuple

from sbxcompose.file_writing import replace_file

STDOUT: Final = 1
STDERR: Final = 2
RUN_BEGIN: Final = 3
RUN_END: Final = 4
RUN_OPEN: Final = 5
"""Repeated at the head of a segment for each run that began in an earlier one and has not ended."""
HEADER: Final = 6
"""The first record of each segment. No kind is 0, so that a page of zeros is not a record."""

STREAMS: Final = (STDOUT, STDERR)
STREAM_NAMES: Final = {STDOUT: "stdout", STDERR: "stderr"}
SUFFIXES: Final = {STDOUT: ".out", STDERR: ".err", 0: ".idx"}
INDEX: Final = 0
VERSION: Final = 1

HAS_CODE: Final = 1
HAS_SIGNAL: Final = 2
OOM_KILLED: Final = 4
OOM_KILLS: Final = 8

RECORD: Final = struct.Struct("<BBHIQqq")
"""kind, flags, version, run, time (ms since 1970), a, b; little-endian.

out, err: a = length. run-begin: a = position. run-end: flags say whether a = exit code and b = signal are
known, whether the leader was killed for want of memory, and whether any process of its sandbox was. run-open:
time and a as in the run's begin. header: flags = bit per stream that stands at the beginning of a line,
version = of this format, run = the latest run number, time = the latest time before it.
"""

CHUNK_SIZE: Final = 1 << 20
"""How much one splice may take: the largest pipe that an ordinary user may have."""

Fields = tuple[int, int, int, int, int, int, int]


class Span(NamedTuple):
    """What one data record says: `length` bytes of `stream` from `offset` of its file, at `position` of the
    log.

    `boundary`: its first byte begins a line because a run does (not because a newline stands before it).
    """

    stream: int
    run: int
    time_ms: int
    position: int
    offset: int
    length: int
    boundary: bool


class Segment:
    """The files of one segment. `count`: records; `sizes`: bytes per stream that the index describes.

    `written` is what the stream's file holds; more than `sizes` only between a splice and its record.
    """

    __slots__ = ("_fds", "_stuck", "count", "directory", "dropped", "sizes", "start", "users", "written")

    def __init__(self, directory: str, start: int) -> None:
        self.directory = directory
        self.start = start
        self.count = 0
        self.sizes = {STDOUT: 0, STDERR: 0}
        self.written = {STDOUT: 0, STDERR: 0}
        self.users = 0
        self.dropped = False
        self._fds: dict[int, int] = {}
        self._stuck: dict[int, bytes] = {}

    @property
    def end(self) -> int:
        """The first position after it."""
        return self.start + self.sizes[STDOUT] + self.sizes[STDERR]

    @property
    def footprint(self) -> int:
        """What it takes on disk, index included."""
        return self.written[STDOUT] + self.written[STDERR] + self.count * RECORD.size

    @property
    def in_use(self) -> bool:
        """Whether its files are open, or will be for a reader."""
        return bool(self._fds) or self.users > 0

    def path(self, kind: int) -> str:
        """Return the file of a stream, or of the index (0)."""
        return f"{self.directory}/{self.start:016x}{SUFFIXES[kind]}"

    def take(self, stream: int, fd: int) -> int:
        """Move what the pipe `fd` holds to the end of the stream's file; 0 at the end of the pipe.

        Raises `BlockingIOError` if it is empty. A splice is one step of the kernel: whoever is killed in the
        middle has moved a byte, or has left it in the pipe.
        """
        if stream not in self._fds and stream not in self._stuck and is_at_end(fd):
            return 0  # most processes write to one of their two streams alone: the other one needs no file
        target = self.fd(stream)
        try:
            moved = os.splice(
                fd,
                target,
                CHUNK_SIZE,
                # At our own count, not the end of the file: bytes of a write that failed half way are written over.
                offset_dst=self.written[stream],
                flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE,
            )
        except OSError as error:
            # What cannot be spliced: a terminal, which may also have lost its other end (EIO).
            if error.errno not in (EINVAL, EIO):
                raise
            return self._copy(stream, fd)
        self.written[stream] += moved
        return moved

    def _copy(self, stream: int, fd: int) -> int:
        """Read, then write. What could not be written for want of space comes first the next time."""
        data = self._stuck.pop(stream, b"") or _read(fd)
        target, view, offset = self.fd(stream), memoryview(data), self.written[stream]
        try:
            while view:
                done = os.pwrite(target, view, offset)
                view, offset = view[done:], offset + done
        except OSError:
            self._stuck[stream] = data
            raise
        self.written[stream] = offset
        return len(data)

    def replace_index(self, records: list[tuple[int, ...]]) -> None:
        """Write a new index in place of what an earlier `Segment` object left here, in one step."""
        # First: a descriptor that is open would write to the old file, which no path leads to any longer.
        self.close()
        replace_file(self.path(INDEX), b"".join(RECORD.pack(*record) for record in records), only_writer=True)
        self.count = len(records)

    def append(self, *fields: int) -> None:
        """Add one record: kind, flags, version, run, time, a, b."""
        # Whole or not at all: the size of a record divides that of a page. It counts only once it is there.
        os.pwrite(self.fd(INDEX), RECORD.pack(*fields), self.count * RECORD.size)
        self.count += 1

    def lengthen_last(self, *fields: int) -> None:
        """Write the last record again, with a greater length. One page, hence never seen half done."""
        os.pwrite(self.fd(INDEX), RECORD.pack(*fields), (self.count - 1) * RECORD.size)

    def fd(self, kind: int) -> int:
        """Return a descriptor for reading and writing, opened when first needed and kept until `close`."""
        fd = self._fds.get(kind)
        if fd is None:
            # A link that was put in its place would let output of a process overwrite any file of the user.
            fd = os.open(self.path(kind), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._fds[kind] = fd
        return fd

    def close(self) -> None:
        """Give the descriptors back; they are opened again when needed."""
        while self._fds:
            os.close(self._fds.popitem()[1])

    def remove(self) -> None:
        """Delete the files. Whoever has one open can still read it."""
        # A reader that still has this object must not keep a descriptor in it: nothing would close it.
        self.close()
        self.dropped = True
        for kind in SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(kind))

    def read(self, stream: int, offset: int, length: int) -> bytes:
        """Bytes of one stream; fewer at the end of the file, none if the segment is gone."""
        fd = self._fds.get(stream)
        if fd is not None:
            return os.pread(fd, length, offset)
        try:
            # For writing, too: if it is kept, `fd` gives it to the writer.
            fd = os.open(self.path(stream), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        if self.users and not self.dropped:
            self._fds[stream] = fd
            return os.pread(fd, length, offset)
        try:
            return os.pread(fd, length, offset)
        finally:
            os.close(fd)

    def records(self, first: int, most: int) -> list[Fields]:
        """Up to `most` records from number `first` on."""
        # By the count and not the file, in which a killed writer may have left more.
        most = min(most, self.count - first)
        if most <= 0:
            return []
        raw = self.read(INDEX, first * RECORD.size, most * RECORD.size)
        return list(RECORD.iter_unpack(raw))

    def all_records(self) -> Iterator[Fields]:
        """Yield every record, read in blocks."""
        first = 0
        while block := self.records(first, 2048):
            yield from block
            first += len(block)

    def spans(self) -> Iterator[Span]:
        """Yield every data record, with its place in the file and in the log."""
        position, offsets = self.start, {STDOUT: 0, STDERR: 0}
        runs: dict[int, int] = {}
        flags = 0
        for kind, flag, _, run, time_ms, a, _ in self.all_records():
            if kind == HEADER:
                flags = flag
            elif kind == RUN_BEGIN:
                flags = STDOUT | STDERR
            if kind > STDERR:
                continue
            # A run begins a line even if the one before it did not end its last.
            known = runs.get(kind)
            boundary = bool(flags & kind) if known is None else known != run
            yield Span(kind, run, time_ms, position, offsets[kind], a, boundary)
            runs[kind] = run
            position += a
            offsets[kind] += a

    def line_begins(self, span: Span, at: int) -> bool:
        """Return whether the byte at offset `at`, within `span`, is the first of a line."""
        if at == span.offset and span.boundary:
            return True
        return at > 0 and self.read(span.stream, at - 1, 1) == b"\n"

    def line_flags(self) -> int:
        """Which streams stood at the beginning of a line where the segment starts, a bit each."""
        records = self.records(0, 1)
        return records[0][1] if records else STDOUT | STDERR

    def first_time(self) -> int:
        """Return the time in its first record: nothing in it is earlier."""
        records = self.records(0, 1)
        return records[0][4] if records else 0


def is_at_end(fd: int) -> bool:
    """Return whether a pipe is empty and has no writer left (poll(2))."""
    pipe = select.poll()
    pipe.register(fd, select.POLLIN)
    return pipe.poll(0) == [(fd, select.POLLHUP)]


def _read(fd: int) -> bytes:
    """Return what a descriptor that cannot be spliced holds (a terminal): empty at its end, which a terminal reports as
    EIO.
    """
    try:
        return os.read(fd, CHUNK_SIZE)
    except OSError as error:
        if error.errno == EIO:
            return b""
        raise
