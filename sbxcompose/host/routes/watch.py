"""POST /watch, our extension: the rows and the output of a sandbox in one ordered stream of frames.

Bulk from end to end: for a client on this machine only references into the log's files travel.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

from starlette.requests import Request
from starlette.routing import Route

from sbxcompose.api import frame_encoding, frames
from sbxcompose.api.frames import OutputFrame, RunEndedFrame, SegmentPlace, StartNote
from sbxcompose.host.base.wake import Wake
from sbxcompose.host.http.stream import Receive, StreamAnswer
from sbxcompose.host.http.watch_request import WatchRequest, read_request
from sbxcompose.host.logs.events import Chunk, Gap, LogEvent, RunEnd, RunStart
from sbxcompose.host.logs.reader import LogReader
from sbxcompose.host.logs.source import OutputRow, OutputSource
from sbxcompose.host.logs.store import LogStore

IDLE = 15.0
"""Seconds of silence after which a keep-alive is sent."""
BATCH = 64 * 1024
"""Bytes of frames that are sent in one go, about, while there is more: no more is held for a client that lags."""
COALESCE_MS = 10
"""Pieces of output that are no further apart travel as one."""
READ_REFS = 8 * 1024 * 1024
"""Bytes that are referred to in one go: the log's own files hold them, not we."""
LAG = 256 * 1024 * 1024
"""Bytes that are kept for a client that reads the log's files and does not say how far it has come."""
_ALL: Mapping[str, int] = {"kept": 0}
"""The place of whoever wants what is kept."""
_AT_LINES = ("tail", "since_ms", "kept")
"""The places from which on whole lines are wanted."""


def routes(find: Callable[[Request], OutputSource]) -> list[Route]:
    """Return the route; `find` gives the sandbox that a request is addressed to, or raises `Problem`."""

    async def endpoint(request: Request) -> StreamAnswer:
        return await watch(find(request), request.receive)

    return [Route("/api/v1/watch", endpoint, methods=["POST"])]


async def watch(source: OutputSource, receive: Receive) -> StreamAnswer:
    """Answer `POST /watch`. Raises `Problem` (400, 413) for a body that makes no sense."""
    request, rest = await read_request(receive)
    watcher = WatchConnection(source, request)
    watcher.acknowledge(rest)
    return StreamAnswer(watcher.frames(), frames.MEDIA_TYPE, watcher.acknowledge)


class Feed:
    """One log of a watch: its number, its reader, and the one run it is about, if it is about one."""

    __slots__ = ("log", "number", "only_run", "reader")

    def __init__(self, number: int, log: LogStore, reader: LogReader, only_run: int | None) -> None:
        self.number = number
        self.log = log
        self.reader = reader
        self.only_run = only_run

    def wants(self, event: LogEvent) -> bool:
        """Return whether the event is one of what was asked for."""
        return self.only_run is None or isinstance(event, Gap) or event.run == self.only_run

    def is_done(self, event: LogEvent) -> bool:
        """Return whether nothing can come after it."""
        return isinstance(event, RunEnd) and event.run == self.only_run


class WatchConnection:
    """One watch. Implements `source.ChangeListener`: notices are taken down, and looked at by `frames`."""

    def __init__(self, source: OutputSource, request: WatchRequest) -> None:
        self._source = source
        self._request = request
        self._feeds: dict[LogStore, Feed] = {}
        self._numbers: dict[int, Feed] = {}
        self._held: list[OutputRow] = []
        """The rows whose logs were asked for by name: they are kept, and what lives for its reader lives."""
        self._announced: list[bytes] = []
        self._wake: Wake[int | LogStore | None] = Wake()
        self._acks = frames.FrameDecoder(refs=False)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Yield the frames, many at a time."""
        try:
            self._begin()
            async for piece in self._news():
                yield piece
            yield frame_encoding.SYNCED
            while self._request.follow and not self._source.changes.is_closed:
                if not await self._wake.wait(IDLE):
                    yield frame_encoding.KEEP_ALIVE
                async for piece in self._news():
                    yield piece
        finally:
            self._end()

    def acknowledge(self, data: bytes) -> None:
        """Take in what the client says it has used; what makes no sense is its own loss."""
        try:
            acks = self._acks.feed(data)
        except frames.FrameError:
            return
        for ack in acks:
            feed = self._numbers.get(ack.log) if isinstance(ack, frames.Ack) else None
            if feed is not None and isinstance(ack, frames.Ack):
                feed.reader.hold = ack.position

    def log_changed(self, log: LogStore) -> None:
        """`LogStore.subscribe`: there is more to read."""
        self._wake.notify(log)

    def row_changed(self, handle: int) -> None:
        """Take note of a row that is to be looked at."""
        if self._request.states:
            self._wake.notify(handle)

    def log_added(self, name: str) -> None:
        """Watch a new log from its beginning, if it is wanted."""
        log = self._source.logs().get(name)
        if log is not None and self._request.follow and self._is_wanted(name):
            self._attach(name, log, {"offset": 0})

    def start_noted(self, note: StartNote) -> None:
        """Send the note before any output of the run, which is read only later."""
        if self._request.notes and self._request.follow:
            self._announced.append(frame_encoding.encode_start_note(note))
            self._wake.notify(None)

    def suspension_changed(self) -> None:
        """Send it to who watches the states."""
        if self._request.states and self._request.follow:
            self._announced.append(frame_encoding.encode_suspension(self._source.changes.is_suspended))
            self._wake.notify(None)

    def closed(self) -> None:
        """End the stream after what there is."""
        self._wake.notify(None)

    def _begin(self) -> None:
        """Attach to everything that is there. No `await`: nothing can happen in between."""
        self._source.changes.subscribe(self)
        if isinstance(self._request.logs, Mapping):
            self._held = [row for row in self._source.rows() if self._is_wanted(row.log_name)]
            for row in self._held:
                row.hold()
        if self._request.notes:
            self._announced += [frame_encoding.encode_start_note(note) for note in self._source.start_notes()]
        for name, log in self._source.logs().items():
            if self._is_wanted(name):
                self._attach(name, log, self._place(name))
        # Also that it is not: the client may have heard of a suspension before its stream broke.
        self.suspension_changed()
        if self._request.states:
            for row in self._source.rows():
                self._wake.notify(row.handle)

    def _end(self) -> None:
        self._source.changes.unsubscribe(self)
        for row in self._held:
            row.release()
        for feed in list(self._feeds.values()):
            self._detach(feed)

    def _is_wanted(self, name: str) -> bool:
        logs = self._request.logs
        if logs is None or isinstance(logs, str):
            return logs is not None
        return frames.entry_of(name, logs) is not None

    def _place(self, name: str) -> Mapping[str, int]:
        """Where to begin in a log that is there already: one of `_PLACES`, `_ALL`, or nothing for its end."""
        logs = self._request.logs
        if isinstance(logs, Mapping):
            return logs.get(frames.entry_of(name, logs) or name) or _ALL
        return {} if logs == "live" else _ALL

    def _attach(self, name: str, log: LogStore, place: Mapping[str, int]) -> None:
        if log in self._feeds:
            return
        since = self._request.since.get(name)
        position = since if since is not None else self._position(log, place)
        if position is None:
            return
        number = len(self._numbers) + 1
        reader = log.reader(
            position if place or since is not None else None,
            streams=self._request.streams,
            whole_lines=since is None and not place.keys().isdisjoint(_AT_LINES),
            grain_ms=COALESCE_MS,
        )
        feed = Feed(number, log, reader, place.get("run"))
        if self._request.acks:
            reader.hold = reader.position
        self._feeds[log] = self._numbers[number] = feed
        directory = log.directory if self._request.refs else None
        self._announced.append(frame_encoding.encode_log(number, name, directory, reader.position))
        log.subscribe(self.log_changed)
        self._wake.notify(log)

    def _position(self, log: LogStore, place: Mapping[str, int]) -> int | None:
        if "since_run" in place:
            own = {key: value for key, value in place.items() if key != "since_run"}
            first = log.position_of_run(place["since_run"])
            first = log.start if first is None else first
            return max(first, self._position(log, own) or 0) if own else first
        match place:
            case {"run": run}:
                return log.position_of_run(run)
            case {"tail": lines, "since_ms": time_ms}:
                return max(log.position_of_tail(lines, self._request.streams), log.position_since(time_ms))
            case {"tail": lines}:
                return log.position_of_tail(lines, self._request.streams)
            case {"since_ms": time_ms}:
                return log.position_since(time_ms)
            case {"offset": offset}:
                return offset
        return log.start if place else log.end

    def _detach(self, feed: Feed) -> None:
        """Stop following a log for this watch."""
        feed.log.unsubscribe(self.log_changed)
        feed.reader.close()
        self._feeds.pop(feed.log, None)

    async def _news(self) -> AsyncGenerator[bytes, None]:
        """Yield what has changed since the last look.

        The rows are looked at first and sent last, after all output that was there when they were looked at:
        what a process wrote before its exit comes before the exit.
        """
        changed = self._wake.take()
        handles = [change for change in changed if isinstance(change, int)]
        # A restart gives a row a new handle: the new one is told first, so that the row is never missing.
        handles.sort(key=lambda handle: self._source.row(handle) is None)
        rows = [self._row(handle) for handle in handles]
        feeds = [self._feeds[change] for change in changed if isinstance(change, LogStore) and change in self._feeds]
        batch, self._announced = self._announced, []
        size = 0
        # Only what is there now: a process that never stops writing must not hold back the rows.
        targets = {feed: feed.log.end for feed in feeds}
        while targets:
            for feed, target in list(targets.items()):
                more, read = self._read(feed, target, batch)
                if not more:
                    del targets[feed]
                size += read
                if size >= BATCH:
                    piece, batch, size = b"".join(batch), [], 0
                    yield piece
        batch += rows
        if batch:
            yield b"".join(batch)

    def _row(self, handle: int) -> bytes:
        row: OutputRow | None = self._source.row(handle)
        return frame_encoding.encode_dropped(handle) if row is None else frame_encoding.encode_state(row.info())

    def _read(self, feed: Feed, target: int, batch: list[bytes]) -> tuple[bool, int]:
        """Turn the next piece of a log into frames; whether there is more up to `target`, and the frames'
        size.
        """
        limit = READ_REFS if self._request.refs else BATCH
        events = feed.reader.read(limit)
        if self._announced:  # a run that has begun since the batch did
            batch += self._announced
            self._announced = []
        size = 0
        for event in events:
            if feed.wants(event):
                size += self._frame(feed, event, batch)
            if feed.is_done(event):
                self._detach(feed)
                return False, size
        if self._request.refs and not self._request.acks:
            feed.reader.hold = max(feed.reader.position - LAG, 0)
        return bool(events) and feed.reader.position <= target, size

    def _frame(self, feed: Feed, event: LogEvent, batch: list[bytes]) -> int:
        match event:
            case Chunk(stream, run, time_ms, _, length, segment, offset):
                if not self._request.refs:
                    return _output(feed, event, batch)
                place = SegmentPlace(segment.start, offset)
                frame = OutputFrame(feed.number, stream, run, time_ms, event.end, length, place)
                batch.append(frame_encoding.encode_output(frame))
            case RunStart(run, time_ms):
                batch.append(frame_encoding.encode_run_began(feed.number, run, time_ms))
            case RunEnd(run, time_ms, _):
                ended = RunEndedFrame(feed.number, run, time_ms, *event[3:])
                batch.append(frame_encoding.encode_run_ended(ended))
            case Gap(_, length):
                batch.append(frame_encoding.encode_gone(feed.number, length))
        return len(batch[-1])


def _output(feed: Feed, chunk: Chunk, batch: list[bytes]) -> int:
    data = chunk.data()
    batch.append(frame_encoding.output_head(feed.number, chunk.stream, chunk.run, chunk.time_ms, chunk.end, len(data)))
    batch.append(data)
    return len(data)
