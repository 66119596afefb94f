"""A sandbox watched: its rows and its output as one ordered stream that survives broken connections.

Uses our `watch` extension. Every piece of output has a position in its log; when the connection breaks (the host's
server was killed, a proxy hung up) the watch is asked for again from the positions seen, so nothing is lost and
nothing comes twice. On the host's own machine output comes as references into the log's files, which are read here.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, NamedTuple

from sbxcompose.api import frames
from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.wire_errors import closed_by_host, log_unreadable
from sbxcompose.clock import monotonic
from sbxcompose.errors import Unreachable

RECONNECT_FOR = 15.0
"""Seconds during which a broken watch is asked for again before `Unreachable` is raised."""
FIRST_PAUSE = 0.02
"""Seconds before the first new try; doubled each time up to half a second."""
LATER_PAUSE = 2.0
"""Seconds between tries of a patient watch that has been broken for longer than `RECONNECT_FOR`."""
OPEN_FILES = 128
"""Log files kept open at most."""
PIECE = 1024 * 1024
"""Bytes of output handed out in one event at most."""

LogSelection = Literal["live", "all"] | list[dict[str, Any]] | None


class RowSeen(NamedTuple):
    """A row as it is now."""

    info: ProcessInfo


class RowDropped(NamedTuple):
    """The row with that handle is gone."""

    handle: int


class KeyDropped(NamedTuple):
    """The row of that name is gone; for daemons whose rows have no handles."""

    key: str


class FollowSynced(NamedTuple):
    """Everything there was when the watch (or a new connection of it) began has been told."""


class Broken(NamedTuple):
    """The connection broke and is being made again; all rows will be told again before the next `FollowSynced`."""

    reason: str


class SuspensionChanged(NamedTuple):
    """The sandbox was suspended, or runs again."""

    suspended: bool


class Began(NamedTuple):
    """A run began."""

    log: str
    run: int
    time_ms: int


class RunOutputEnded(NamedTuple):
    """A run ended, and its output has been handed out."""

    log: str
    run: int
    time_ms: int
    exit_code: int | None
    signal: int | None
    oom_killed: bool = False
    oom_kills: int = 0


class OutputChunk(NamedTuple):
    """Output of one stream (1 standard output, 2 standard error), cut anywhere."""

    log: str
    stream: int
    run: int
    time_ms: int
    data: bytes
    place: tuple[str, int, int] | None = None
    """In a lazy watch on this machine, instead of `data`: the file, where in it, and how much."""

    def read(self) -> bytes:
        """Return the bytes; fewer if retention has removed the file meanwhile."""
        if self.place is None:
            return self.data
        path, offset, length = self.place
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return b""


class Lost(NamedTuple):
    """Retention removed `size` bytes before they could be read."""

    log: str
    size: int


LogEvent = Began | RunOutputEnded | Lost
FollowEvent = (
    RowSeen
    | RowDropped
    | KeyDropped
    | FollowSynced
    | Broken
    | SuspensionChanged
    | OutputChunk
    | frames.StartNote
    | LogEvent
)


class WatchSelection(NamedTuple):
    """What of a sandbox is watched. `logs`: "live" (from now on), "all", a list of logs each with `run`, `tail`,
    `since_ms`, or None.

    With `notes` it is told what the runs were started with, each before its output. Without `follow` the watch ends
    after `FollowSynced`.
    """

    states: bool
    logs: LogSelection
    follow: bool = True
    notes: bool = False
    streams: tuple[str, ...] = ("stdout", "stderr")


class Watch:
    """A watch of a sandbox. A `patient` one is asked for again for as long as it takes.

    `lazy`: output is not read from the log's files until `OutputChunk.read`.
    """

    def __init__(
        self,
        client: SandboxClient,
        selection: WatchSelection,
        *,
        lazy: bool = False,
        patient: bool = False,
    ) -> None:
        self._client = client
        self._patient = patient
        self._lazy = lazy
        self._refs = client.local
        self._body: dict[str, Any] = {
            **selection._asdict(),
            "refs": self._refs,
            "streams": list(selection.streams),
        }
        self._positions: dict[str, int] = {}
        self._names: dict[int, frames.Log] = {}
        self._files = _Files()

    async def events(self) -> AsyncGenerator[FollowEvent, None]:
        """Yield what happens, in order. Raises `Refused`, or `Unreachable` when it stays broken."""
        pause, broken_at = FIRST_PAUSE, None
        try:
            while True:
                try:
                    async for event in self._connection():
                        broken_at, pause = None, FIRST_PAUSE
                        yield event
                    return
                except Unreachable as error:
                    now = monotonic()
                    if broken_at is None:
                        broken_at = now
                        yield Broken(error.message)
                    lasting = now - broken_at > RECONNECT_FOR
                    if lasting and not self._patient:
                        raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, LATER_PAUSE if lasting else 0.5)
        finally:
            self._files.close()

    def attention(self) -> AbstractContextManager[None]:
        """Mark that a caller waits for a change; here changes are reported as they happen anyway."""
        return nullcontext()

    async def started(self, info: ProcessInfo) -> bool:
        """Take note of the answer to a start; False, for it may be taken as it is."""
        return False

    async def catch_up(self) -> bool:
        """Wait until all that has happened up to now has been told; False where only a list can say that."""
        return False

    async def _connection(self) -> AsyncIterator[FollowEvent]:
        """One connection's events, from where the last one ended."""
        decoder = frames.FrameDecoder(refs=self._refs)
        self._names = {}  # the numbers of logs hold for one connection: the next one numbers them anew
        body = {**self._body, "since": self._positions}
        if self._positions and body["logs"] == "live":
            # What appeared while the connection was broken is wanted from its beginning.
            body["logs"] = "all"
        async with self._client.stream("POST", "/watch", body) as stream:
            is_synced = False
            async for chunk in stream.chunks():
                for frame in decoder.feed(chunk):
                    for event in self._read(frame):
                        is_synced = is_synced or isinstance(event, FollowSynced)
                        yield event
        if self._body["follow"] or not is_synced:  # a host that ends may close an answer that is not complete
            raise closed_by_host()

    def _read(self, frame: frames.WatchFrame) -> Iterator[FollowEvent]:
        match frame:
            case frames.OutputFrame(content=bytes(data)):
                yield self._output(frame, data)
            case frames.OutputFrame(content=frames.SegmentPlace() as place):
                yield from self._referred(frame, place)
            case frames.StateFrame(info):
                yield RowSeen(ProcessInfo.read(info))
            case frames.Dropped(handle):
                yield RowDropped(handle)
            case frames.Log(log, name, _, position):
                self._names[log] = frame
                self._positions.setdefault(name, position)
            case frames.RunBeganFrame(log, run, at):
                yield Began(self._names[log].name, run, at)
            case frames.RunEndedFrame():
                yield RunOutputEnded(self._names[frame.log].name, *frame[1:])
            case frames.Gone(log, size):
                yield Lost(self._names[log].name, size)
            case frames.StartNote():
                yield frame
            case frames.SuspensionFrame(suspended):
                yield SuspensionChanged(suspended)
            case frames.SyncedFrame():
                yield FollowSynced()

    def _output(self, frame: frames.OutputFrame, data: bytes, place: tuple[str, int, int] | None = None) -> OutputChunk:
        name = self._names[frame.log].name
        self._positions[name] = frame.end
        return OutputChunk(name, frame.stream, frame.run, frame.time, data, place)

    def _referred(self, frame: frames.OutputFrame, place: frames.SegmentPlace) -> Iterator[FollowEvent]:
        log = self._names[frame.log]
        path = f"{log.directory}/{frames.segment_file(place.segment, frame.stream)}"
        if self._lazy:
            yield self._output(frame, b"", (path, place.offset, frame.length))
            return
        done = 0
        while done < frame.length:
            data = self._files.read(path, min(frame.length - done, PIECE), place.offset + done)
            if not data:
                yield Lost(log.name, frame.length - done)
                break
            done += len(data)
            yield self._output(frame, data)
        # Also past what was lost: otherwise the next connection would ask for it again.
        self._positions[log.name] = frame.end


class _Files:
    """Log files, the lately used ones kept open: a file that retention removes stays readable for us."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, int] = OrderedDict()

    def read(self, path: str, length: int, offset: int) -> bytes:
        """Bytes of a file; empty if the file has gone."""
        fd = self._open.get(path)
        if fd is None:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
            except OSError as error:
                raise log_unreadable(path, error) from error
            self._open[path] = fd
            if len(self._open) > OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(path)
        return os.pread(fd, length, offset)

    def close(self) -> None:
        """Close them all."""
        while self._open:
            os.close(self._open.popitem()[1])
