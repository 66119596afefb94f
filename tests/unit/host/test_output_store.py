"""The log store: what goes in comes out, in order, whatever happens in between."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.host.logs.events import Chunk, Gap, LogEvent, RunEnd, RunStart
from sbxcompose.host.logs.pump import Pump
from sbxcompose.host.logs.reader import LogReader
from sbxcompose.host.logs.segments import INDEX, RECORD, STDERR, STDOUT, Segment
from sbxcompose.host.logs.store import LogStore
from tests.support.examples import examples


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, seconds: float = 1_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Feed:
    """A pipe into a log."""

    log: LogStore
    clock: Clock

    def write(self, stream: int, data: bytes, run: int | None = None) -> int:
        """Let a process write, and the store take it."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        try:
            os.write(write, data)
            return self.log.splice(stream, read, run)
        finally:
            os.close(read)
            os.close(write)


def open_log(directory: Path, clock: Clock, limit: int = 1 << 20, hold: int = 1 << 24) -> Feed:
    return Feed(LogStore.open(directory / "web", limit=limit, hold_limit=hold, clock=clock), clock)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return open_log(tmp_path, Clock())


def everything(reader: LogReader, limit: int = 1 << 16) -> list[LogEvent]:
    """All that a reader gets until it has it all."""
    events: list[LogEvent] = []
    while more := reader.read(limit):
        events += more
    return events


def chunks(events: list[LogEvent]) -> list[tuple[int, bytes]]:
    return [(event.stream, event.data()) for event in events if isinstance(event, Chunk)]


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose reading end is closed at the end, and does not block."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    try:
        yield read, write
    finally:
        os.close(read)


def test_a_log_makes_no_file_before_something_is_written(tmp_path: Path) -> None:
    log = LogStore.open(tmp_path / "web")
    assert (log.start, log.end, log.last_run) == (0, 0, 0)
    assert log.runs() == []
    assert log.position_of_tail(10) == 0
    with log.reader(0) as reader:
        assert reader.read() == []
    assert not (tmp_path / "web").exists()


def test_streams_and_marks_come_in_the_order_in_which_they_were_written(feed: Feed) -> None:
    run = feed.log.begin_run(999.0)
    assert feed.write(STDOUT, b"one\n") == 4
    feed.write(STDERR, b"two\n")
    feed.clock.seconds = 1_000.5
    feed.write(STDOUT, b"three")
    feed.log.end_run(run, 3, None, 1_001.0)
    with feed.log.reader(0) as reader:
        start, *pieces, end = everything(reader)
    assert start == RunStart(1, 999_000, 0)
    assert chunks(pieces) == [(STDOUT, b"one\n"), (STDERR, b"two\n"), (STDOUT, b"three")]
    assert [(piece.position, piece.time_ms) for piece in pieces if isinstance(piece, Chunk)] == [
        (0, 1_000_000),
        (4, 1_000_000),
        (8, 1_000_500),
    ]
    assert end == RunEnd(1, 1_001_000, 13, 3, None)


def test_the_end_of_a_run_tells_that_memory_ran_out(feed: Feed) -> None:
    for killed, kills in ((True, 1), (False, 3), (False, 0)):
        feed.log.end_run(feed.log.begin_run(999.0), 137, None, 1_001.0, oom_killed=killed, oom_kills=kills)
    with feed.log.reader(0) as reader:
        ends = [event for event in everything(reader) if isinstance(event, RunEnd)]
    assert [(end.oom_killed, end.oom_kills) for end in ends] == [(True, 1), (False, 1), (False, 0)]


def test_the_end_of_a_pipe_is_0_and_an_empty_pipe_blocks(feed: Feed) -> None:
    with pipe() as (read, write):
        with pytest.raises(BlockingIOError):
            feed.log.splice(STDOUT, read)
        os.close(write)
        assert feed.log.splice(STDOUT, read) == 0


def test_a_terminal_is_read_and_its_end_is_0(feed: Feed) -> None:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    try:
        os.write(slave, b"hello\n")
        assert feed.log.splice(STDOUT, master) == 7
        os.close(slave)
        assert feed.log.splice(STDOUT, master) == 0
    finally:
        os.close(master)
    with feed.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"hello\r\n")]


def test_output_of_the_same_millisecond_takes_one_record(feed: Feed) -> None:
    for _ in range(100):
        feed.write(STDOUT, b".")
    assert feed.log.segments[-1].count == 2
    with feed.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"." * 100)]


def test_a_reader_sees_what_is_added_to_the_record_it_stands_on(feed: Feed) -> None:
    with feed.log.reader(0) as reader:
        seen = []
        for letter in b"abc":
            feed.write(STDOUT, bytes([letter]))
            seen += chunks(everything(reader))
    assert seen == [(STDOUT, b"a"), (STDOUT, b"b"), (STDOUT, b"c")]


def test_a_reader_from_now_on_sees_neither_the_past_nor_its_marks(feed: Feed) -> None:
    run = feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"past")
    with feed.log.reader() as reader:
        assert reader.read() == []
        feed.write(STDOUT, b"now")
        feed.log.end_run(run, 0, None, 1_000.0)
        assert [type(event) for event in everything(reader)] == [Chunk, RunEnd]


def test_chunks_that_came_close_together_are_joined_if_asked(feed: Feed) -> None:
    for step in range(5):
        feed.clock.seconds = 1_000 + step * 0.004
        feed.write(STDOUT, b"%d" % step)
    with feed.log.reader(0, grain_ms=8) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"012"), (STDOUT, b"34")]


def test_a_reader_of_one_stream_passes_over_the_other(feed: Feed) -> None:
    for _ in range(20):
        feed.write(STDOUT, b"o" * 1000)
        feed.write(STDERR, b"e")
    with feed.log.reader(0, streams=(STDERR,)) as reader:
        assert b"".join(data for _, data in chunks(everything(reader, limit=7))) == b"e" * 20
        assert reader.position == feed.log.end


def test_times_never_go_back(feed: Feed) -> None:
    feed.write(STDOUT, b"a")
    feed.clock.seconds -= 100
    feed.write(STDERR, b"b")
    with feed.log.reader(0) as reader:
        assert [event.time_ms for event in everything(reader) if isinstance(event, Chunk)] == [1_000_000] * 2


def test_runs_continue_after_reopening_and_tell_how_they_ended(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    first = feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"one")
    feed.log.end_run(first, None, 9, 1_001.0)
    second = feed.log.begin_run(1_002.0)
    feed.write(STDOUT, b"two")
    feed.log.close()
    again = open_log(tmp_path, Clock(1_003.0))
    assert again.log.open_runs == (second,)
    again.log.end_run(second, None, None, 1_003.0)
    assert again.log.begin_run(1_004.0) == 3
    spans = again.log.runs()
    assert [(span.run, span.start, span.end) for span in spans] == [(1, 0, 3), (2, 3, 6), (3, 6, None)]
    assert spans[0].exit == RunEnd(1, 1_001_000, 3, None, 9)
    assert spans[1].exit == RunEnd(2, 1_003_000, 6, None, None)
    assert again.log.position_of_run(2) == 3
    assert again.log.position_of_run(7) is None


def test_the_end_of_a_run_that_is_not_open_changes_nothing(feed: Feed) -> None:
    run = feed.log.begin_run(1_000.0)
    feed.log.end_run(run, 0, None, 1_000.0)
    feed.log.end_run(run, 1, None, 1_000.0)
    with feed.log.reader(0) as reader:
        assert [type(event) for event in everything(reader)] == [RunStart, RunEnd]


def test_two_runs_may_write_at_the_same_time(feed: Feed) -> None:
    old, new = feed.log.begin_run(1_000.0), feed.log.begin_run(1_000.0)
    for run in (old, new, old):
        feed.write(STDOUT, b"%d" % run, run)
    with feed.log.reader(0) as reader:
        found = [(event.run, event.data()) for event in everything(reader) if isinstance(event, Chunk)]
    assert found == [(1, b"1"), (2, b"2"), (1, b"1")]


def test_old_segments_are_dropped_and_a_late_reader_is_told_how_much(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000)
    for _ in range(100):
        feed.write(STDOUT, b"x" * 500)
    assert feed.log.start > 0
    assert feed.log.footprint <= 8_000 + 500
    assert sum(path.stat().st_size for path in (tmp_path / "web").iterdir()) == feed.log.footprint
    with feed.log.reader(0) as reader:
        gap, *rest = everything(reader)
    assert gap == Gap(0, feed.log.start)
    assert sum(len(data) for _, data in chunks(rest)) == feed.log.end - feed.log.start


def test_what_a_reader_has_not_read_is_held_up_to_a_limit(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000, hold=30_000)
    with feed.log.reader(0) as reader:
        for _ in range(50):
            feed.write(STDOUT, b"x" * 500)
        assert feed.log.start == 0
        for _ in range(50):
            feed.write(STDOUT, b"y" * 500)
        assert 0 < feed.log.start < 25_000
        assert reader.read(100)[0] == Gap(0, feed.log.start)
    assert feed.log.footprint <= 8_000


def test_what_a_reader_has_read_but_not_used_is_held(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000)
    with feed.log.reader(0) as reader:
        reader.hold = 0
        for _ in range(50):
            feed.write(STDOUT, b"x" * 500)
            reader.read()
        assert feed.log.start == 0
        reader.hold = 20_000
        feed.write(STDOUT, b"x" * 2_000)
        feed.write(STDOUT, b"x" * 2_000)
        assert 0 < feed.log.start <= 20_000


def test_a_reader_whose_segment_was_dropped_while_it_had_all_of_it_sees_no_gap(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000)
    total = 0
    with feed.log.reader(0) as reader:
        for _ in range(100):
            total += feed.write(STDOUT, b"x" * 500)
            events = everything(reader)
            assert not any(isinstance(event, Gap) for event in events)
    assert total == reader.position


def test_a_silent_process_that_restarts_forever_does_not_fill_the_disk(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000)
    for _ in range(200):
        feed.log.end_run(feed.log.begin_run(1_000.0), 1, None, 1_000.0)
    assert feed.log.footprint < 8_000
    feed.log.close()
    again = open_log(tmp_path, Clock(), limit=8_000)
    assert again.log.last_run == 200
    assert again.log.runs()[-1].run == 200


def test_the_run_that_continues_is_known_when_its_beginning_is_gone(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock(), limit=8_000)
    feed.log.begin_run(900.0)
    for _ in range(100):
        feed.write(STDOUT, b"x" * 500)
    feed.log.close()
    again = open_log(tmp_path, Clock(), limit=8_000)
    assert again.log.open_runs == (1,)
    (span,) = again.log.runs()
    assert (span.run, span.start, span.started_ms, span.end) == (1, 0, 900_000, None)


def test_a_torn_index_record_is_dropped_and_its_bytes_come_back(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"one\n")
    feed.write(STDERR, b"two\n")
    index = feed.log.segments[-1].path(INDEX)
    feed.log.close()
    os.truncate(index, os.stat(index).st_size - 5)
    again = open_log(tmp_path, Clock())
    assert os.stat(index).st_size % RECORD.size == 0
    with again.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"one\n"), (STDERR, b"two\n")]


def test_bytes_beyond_the_index_get_a_record_with_the_files_time(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    run = feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"one\n")
    path = feed.log.segments[-1].path(STDOUT)
    feed.log.close()
    with open(path, "ab") as file:
        file.write(b"two\n")
    os.utime(path, (2_000.0, 2_000.0))
    again = open_log(tmp_path, Clock())
    with again.log.reader(4) as reader:
        (chunk,) = everything(reader)
    assert isinstance(chunk, Chunk)
    assert (chunk.data(), chunk.run, chunk.time_ms, chunk.position) == (b"two\n", run, 2_000_000, 4)
    assert again.log.end == 8


def test_an_index_that_a_dead_machine_left_full_of_zeros_is_cut(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"one\n")
    index = feed.log.segments[-1].path(INDEX)
    feed.log.close()
    with open(index, "ab") as file:
        file.write(bytes(4096))
    again = open_log(tmp_path, Clock())
    assert (again.log.end, again.log.last_run) == (4, 1)
    again.write(STDERR, b"two\n")
    with again.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"one\n"), (STDERR, b"two\n")]


def test_a_lost_index_costs_the_times_and_not_the_bytes(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    feed.write(STDOUT, b"one\n")
    feed.log.close()
    os.truncate(feed.log.segments[-1].path(INDEX), 0)
    again = open_log(tmp_path, Clock())
    with again.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"one\n")]


def test_a_file_that_lost_its_end_keeps_its_positions(tmp_path: Path) -> None:
    feed = open_log(tmp_path, Clock())
    feed.write(STDOUT, b"one\n")
    feed.log.close()
    os.truncate(feed.log.segments[-1].path(STDOUT), 2)
    again = open_log(tmp_path, Clock())
    again.write(STDOUT, b"two\n")
    with again.log.reader(0) as reader:
        assert b"".join(data for _, data in chunks(everything(reader))) == b"on\0\0two\n"


def test_a_stream_to_which_nothing_was_written_has_no_file(feed: Feed) -> None:
    feed.log.begin_run(1_000.0)
    read, write = os.pipe()
    os.close(write)
    assert feed.log.splice(STDERR, read) == 0
    os.close(read)
    segment = feed.log.segments[-1]
    assert not os.path.exists(segment.path(STDERR))
    with pipe() as (read, write):
        with pytest.raises(BlockingIOError):
            feed.log.splice(STDERR, read)
        os.write(write, b"late")
        os.close(write)
        assert feed.log.splice(STDERR, read) == 4
    assert segment.read(STDERR, 0, 9) == b"late"


def test_on_a_full_disk_nothing_is_lost(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    feed.write(STDOUT, b"one\n")
    with pipe() as (read, write):
        os.write(write, b"two\n")
        feed.clock.seconds += 1
        with monkeypatch.context() as patch:
            patch.setattr(Segment, "append", full)
            with pytest.raises(OSError, match="No space"):
                feed.log.splice(STDOUT, read)
        with pytest.raises(BlockingIOError):
            feed.log.splice(STDOUT, read)
        os.close(write)
    with feed.log.reader(0) as reader:
        assert b"".join(data for _, data in chunks(everything(reader))) == b"one\ntwo\n"


def test_listeners_are_notified_until_they_leave(feed: Feed) -> None:
    told: list[LogStore] = []
    feed.log.subscribe(told.append)
    run = feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"x")
    feed.log.end_run(run, 0, None, 1_000.0)
    feed.log.unsubscribe(told.append)
    feed.write(STDOUT, b"x")
    assert told == [feed.log] * 3


def test_descriptors_are_given_back_when_nothing_runs_and_nothing_reads(feed: Feed) -> None:
    before = set(os.listdir("/proc/self/fd"))
    run = feed.log.begin_run(1_000.0)
    feed.write(STDOUT, b"x")
    with feed.log.reader(0) as reader:
        everything(reader)
        feed.log.end_run(run, 0, None, 1_000.0)
        everything(reader)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_removed_log_leaves_nothing_and_ends_its_readers(feed: Feed) -> None:
    feed.write(STDOUT, b"x" * 10)
    with feed.log.reader(0) as reader:
        feed.log.remove()
        assert reader.read() == [Gap(0, 10)]
        assert reader.read() == []
    assert not Path(feed.log.directory).exists()


def test_what_others_may_read_is_nothing(feed: Feed) -> None:
    feed.write(STDOUT, b"x")
    directory = Path(feed.log.directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


Step = tuple[str, int, bytes]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from((STDOUT, STDERR)), st.binary(min_size=1, max_size=300)),
        st.tuples(st.sampled_from(("reopen", "run", "tick", "read")), st.just(0), st.just(b"")),
    ),
    max_size=40,
)


@examples(2)
@given(steps=STEPS, limit=st.sampled_from((1_024, 1 << 20)), bite=st.integers(1, 400))
def test_bytes_and_order_stay_the_same_over_any_interleaving_and_reopening(
    steps: list[Step], limit: int, bite: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        written: list[tuple[int, bytes]] = []
        early: list[LogEvent] = []
        feed = open_log(Path(name), Clock(), limit, hold=1 << 30)
        reader = feed.log.reader(0)
        for what, stream, data in steps:
            if what == "write":
                feed.write(stream, data)
                written.append((stream, data))
            elif what == "run":
                feed.log.begin_run(feed.clock.seconds)
            elif what == "tick":
                feed.clock.seconds += 0.003
            elif what == "read":
                early += reader.read(bite)
            else:
                position = reader.position
                reader.close()
                feed.log.close()
                limit = 1 << 20  # whoever was attached is gone, and nothing may be dropped now
                feed = open_log(Path(name), feed.clock, limit, hold=1 << 30)
                early += [Gap(position, 0)] if feed.log.start > position else []
                reader = feed.log.reader(position)
        with reader:
            early += everything(reader, bite)
        feed.log.close()
        assert_same(early, written)


def assert_same(events: list[LogEvent], written: list[tuple[int, bytes]]) -> None:
    assert not any(isinstance(event, Gap) for event in events)
    seen = [event for event in events if isinstance(event, Chunk)]
    flat = [(stream, byte) for stream, data in written for byte in data]
    assert [(entry.stream, byte) for entry in seen for byte in entry.data()] == flat
    position = 0
    for item in seen:
        assert item.position == position
        position = item.end


def test_a_line_of_a_terminal_that_found_no_space_comes_once_there_is_some(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has been read already: the terminal does not become readable for it again."""
    monkeypatch.setattr("sbxcompose.host.logs.pump.RETRY", 0.0)
    full, real = [True], os.pwrite

    def write(fd: int, data: bytes, offset: int) -> int:
        if full.pop() if full else False:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data, offset)

    async def run() -> None:
        master, slave = os.openpty()
        os.set_blocking(master, False)
        feed.log.begin_run(1_000.0)
        states: asyncio.Queue[str | None] = asyncio.Queue()
        pump = Pump(feed.log, STDOUT, 1, master, lambda: states.put_nowait(pump.blocked))
        monkeypatch.setattr(os, "pwrite", write)
        os.write(slave, b"hello\n")
        assert await states.get() == "no space left on device"
        assert await states.get() is None
        pump.close()
        os.close(slave)

    asyncio.run(asyncio.wait_for(run(), 60))
    with feed.log.reader(0) as reader:
        assert chunks(everything(reader)) == [(STDOUT, b"hello\r\n")]
