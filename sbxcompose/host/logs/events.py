"""What a reader of a log returns: bytes of a run, where runs begin and end, and what is gone."""

from __future__ import annotations

from typing import NamedTuple

from sbxcompose.host.logs.segments import HAS_CODE, HAS_SIGNAL, OOM_KILLED, OOM_KILLS, Fields, Segment


class Chunk(NamedTuple):
    """`length` bytes of one stream of one run, at `position` of the log and at `offset` of the segment's
    file.

    `time_ms`: when its first byte was read from the process, milliseconds since 1970.
    """

    stream: int
    run: int
    time_ms: int
    position: int
    length: int
    segment: Segment
    offset: int

    @property
    def end(self) -> int:
        """The first position after it."""
        return self.position + self.length

    @property
    def path(self) -> str:
        """The file that holds the bytes."""
        return self.segment.path(self.stream)

    def data(self) -> bytes:
        """Return the bytes; fewer if the file has been tampered with or dropped since."""
        return self.segment.read(self.stream, self.offset, self.length)


class RunStart(NamedTuple):
    """Run number `run` began."""

    run: int
    time_ms: int
    position: int


class RunEnd(NamedTuple):
    """Run number `run` ended; neither `exit_code` nor `signal` if the end was not observed.

    `oom_kills` is 1 for any number: how many is not recorded.
    """

    run: int
    time_ms: int
    position: int
    exit_code: int | None
    signal: int | None
    oom_killed: bool = False
    oom_kills: int = 0


class Gap(NamedTuple):
    """`length` bytes from `position` on are gone: retention was faster than the reader."""

    position: int
    length: int


LogEvent = Chunk | RunStart | RunEnd | Gap


def run_end(fields: Fields, position: int) -> RunEnd:
    """Read a run-end record as an event."""
    _, flags, _, run, time_ms, a, b = fields
    code, signal = a if flags & HAS_CODE else None, b if flags & HAS_SIGNAL else None
    return RunEnd(run, time_ms, position, code, signal, bool(flags & OOM_KILLED), int(bool(flags & OOM_KILLS)))
