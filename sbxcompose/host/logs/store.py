"""The log store: what a process wrote, moved from its pipe to files, kept over restarts of everything.

One `LogStore` is the log of one process instance over all its runs. Bytes go from pipe to file inside the
kernel; followers read them from there (`reader`), each at its own pace. Retention is by size, a segment at a
time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Collection
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import NamedTuple

from sbxcompose.clock import wall_time
from sbxcompose.host.logs import positions
from sbxcompose.host.logs.events import RunEnd, run_end
from sbxcompose.host.logs.journal import Journal, OpenRun
from sbxcompose.host.logs.reader import LogReader
from sbxcompose.host.logs.segments import (
    HAS_CODE,
    HAS_SIGNAL,
    OOM_KILLED,
    OOM_KILLS,
    RUN_BEGIN,
    RUN_END,
    STREAMS,
    Segment,
)

LIMIT = 64 * 1024 * 1024
"""How many bytes a log keeps."""
HOLD_LIMIT = 1024 * 1024 * 1024
"""How many it keeps while a reader is attached that has not read them."""
PIPE = 256 * 1024
"""What the pipe of a busy process is enlarged to. Only those: an ordinary user's pipes may hold 64 MiB in
all.
"""
DEFAULT_PIPE = 64 * 1024

StoreListener = Callable[["LogStore"], None]


class RunSpan(NamedTuple):
    """One run in the log. `end` is the position after it and `exit` how it ended; None while it continues."""

    run: int
    start: int
    end: int | None
    started_ms: int
    exit: RunEnd | None


class LogStore(Journal):
    """The log of one process instance. Only one `LogStore` may write to a directory at a time.

    `directory` is where its files are; there are none before something is written. `segments` are the kept
    parts, the last of which is written to. `last_run` is the number of the latest run, 0 before the first.
    """

    def __init__(
        self,
        directory: str,
        *,
        limit: int = LIMIT,
        hold_limit: int = HOLD_LIMIT,
        clock: Callable[[], float] = wall_time,
    ) -> None:
        super().__init__(directory, limit, hold_limit, clock)
        self._grown: set[int] = set()
        self._readers: set[LogReader] = set()
        self._listeners: dict[StoreListener, None] = {}

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        limit: int = LIMIT,
        hold_limit: int = HOLD_LIMIT,
        clock: Callable[[], float] = wall_time,
    ) -> LogStore:
        """Open the log in `directory` as its last writer left it, however that one ended.

        `limit` and `hold_limit` are bytes on disk; `clock` gives seconds since 1970.
        """
        log = cls(os.fspath(Path(directory)), limit=limit, hold_limit=hold_limit, clock=clock)
        log.load()
        return log

    def begin_run(self, at: float) -> int:
        """Note that a run began at `at` (seconds since 1970), and number it: from 1, going on after
        reopening.

        Runs may overlap: two processes may write to one log while one replaces the other.
        """
        self.repair(-1)
        time_ms = self.stamp(round(at * 1000))
        run = self.last_run + 1
        self.append(RUN_BEGIN, 0, 0, run, time_ms, self.end, 0)
        self.last_run = run
        self.running[run] = OpenRun(time_ms, self.end)
        # The pipes of the new run have the numbers of earlier ones, and the usual size.
        self._grown.clear()
        self.changed()
        return run

    def end_run(
        self,
        run: int,
        exit_code: int | None,
        signal: int | None,
        at: float,
        *,
        oom_killed: bool = False,
        oom_kills: int = 0,
    ) -> None:
        """Note that `run` ended, and how. Its pipes must have been drained. A run that is not open is left as
        it is.
        """
        if run not in self.running:
            return
        flags = (HAS_CODE if exit_code is not None else 0) | (HAS_SIGNAL if signal is not None else 0)
        flags |= (OOM_KILLED if oom_killed else 0) | (OOM_KILLS if oom_kills else 0)
        self.append(RUN_END, flags, 0, run, self.stamp(round(at * 1000)), exit_code or 0, signal or 0)
        del self.running[run]
        if not self.running:
            # A log that is not written to holds no descriptors: a host may have thousands of logs.
            self.segments[-1].close()
        self.changed()

    def splice(self, stream: int, fd: int, run: int | None = None) -> int:
        """Move what the pipe `fd` holds into the log, up to 1 MiB; returns how much, 0 at the end of the
        pipe.

        `run` is whose output it is, by default the latest run's. Raises `BlockingIOError` when the pipe is
        empty, and `OSError` (ENOSPC, EDQUOT) when the disk is full although the log has given up all that it
        may: then nothing is lost, and the process waits at its full pipe until a later call succeeds.
        """
        run = self.last_run if run is None else run
        segment = self.writable()
        try:
            moved = segment.take(stream, fd)
        except OSError as error:
            # Old output is given up before the process has to wait for space.
            if error.errno not in (ENOSPC, EDQUOT) or not self.trim(self.footprint - 1):
                raise
            moved = segment.take(stream, fd)
        if moved:
            self.note(stream, run)
            if moved >= DEFAULT_PIPE and fd not in self._grown:
                self._grow(fd)
        return moved

    def subscribe(self, listener: StoreListener) -> None:
        """Call `listener` after each change. It must only take note."""
        self._listeners[listener] = None

    def unsubscribe(self, listener: StoreListener) -> None:
        """Call `listener` no more; no harm if it never was."""
        self._listeners.pop(listener, None)

    def reader(
        self,
        position: int | None = None,
        *,
        streams: Collection[int] = STREAMS,
        whole_lines: bool = False,
        grain_ms: int = 0,
    ) -> LogReader:
        """Return a reader from `position` on; None: of what comes from now on. The caller closes it.

        `whole_lines` leaves out the rest of lines that began before `position`; `grain_ms` lets chunks that
        are no further apart come as one, with the time of the first.
        """
        self.repair()
        reader = LogReader(self, streams, grain_ms, self.remove_reader)
        if position is None:
            reader.seek_end()
        else:
            reader.seek(position, whole_lines=whole_lines)
        self._readers.add(reader)
        return reader

    def position_of_run(self, run: int) -> int | None:
        """Where that run began; None if the log does not know it, or no longer does."""
        # The mark of its begin may be gone with its segment; the heads of later ones repeat where open runs began.
        found = positions.run_begin(self.segments, run)
        return found if found is not None else next((span.start for span in self.runs() if span.run == run), None)

    def position_of_tail(self, lines: int, streams: Collection[int] = STREAMS) -> int:
        """Where the last `lines` lines begin, read with `whole_lines`; a last line without newline counts."""
        return positions.tail(self.segments, lines, streams)

    def position_since(self, time_ms: int) -> int:
        """Where the output from `time_ms` (since 1970) on begins; `end` if there is none."""
        return positions.since(self.segments, time_ms)

    def runs(self) -> list[RunSpan]:
        """Return the runs of which anything is known, in order. `start` may lie before the log's own start."""
        found: dict[int, RunSpan] = {}
        for fields, position in positions.marks(self.segments):
            kind, _, _, run, time_ms, begun, _ = fields
            if kind == RUN_END:
                known = found.get(run) or RunSpan(run, self.start, None, time_ms, None)
                found[run] = known._replace(end=position, exit=run_end(fields, position))
            elif run not in found:
                found[run] = RunSpan(run, begun, None, time_ms, None)
        return [found[run] for run in sorted(found)]

    def close(self) -> None:
        """Give back all descriptors. The log stays usable: they are opened again when needed."""
        for segment in self.segments:
            segment.close()

    def remove(self) -> None:
        """Delete the log from disk. Readers see its end."""
        for segment in self.segments:
            segment.remove()
        self.segments = [Segment(self.directory, self.end)]
        self.running.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def remove_reader(self, reader: LogReader) -> None:
        """Forget a reader and what it holds; `LogReader.close` calls this."""
        if reader in self._readers:
            self._readers.discard(reader)
            reader.segment.users -= 1
            self.left(reader.segment)
            self.trim(self.limit)

    def _grow(self, fd: int) -> None:
        """Let a busy process's pipe hold more, so that it is woken less often. Do nothing if that is not permitted."""
        self._grown.add(fd)
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)

    def held_from(self) -> int:
        """Return the position from which on some reader still needs what there is."""
        return min((reader.held for reader in self._readers), default=self.end)

    def changed(self) -> None:
        """Tell the listeners."""
        # A copy: who is told may leave meanwhile.
        for listener in tuple(self._listeners):
            listener(self)
