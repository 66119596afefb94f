"""Finding the last lines and a moment: the same as counting by hand."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from sbxcompose.host.logs import positions
from sbxcompose.host.logs.events import Chunk, RunEnd
from sbxcompose.host.logs.lines import LineCutter
from sbxcompose.host.logs.segments import STDERR, STDOUT, STREAMS
from sbxcompose.host.logs.store import LogStore
from tests.support.examples import examples

Piece = tuple[int, bytes]
PIECES = st.lists(
    st.tuples(
        st.sampled_from((STDOUT, STDERR, 0)),
        st.lists(st.sampled_from((b"a", b"bc", b"\n", b"\n", b"\r\n", b"d\n")), min_size=1, max_size=6).map(b"".join),
    ),
    max_size=25,
)


def fill(directory: str, pieces: list[Piece], limit: int = 1 << 20) -> LogStore:
    """A log with these pieces; a piece of stream 0 is the end of a run and the beginning of the next."""
    log = LogStore.open(Path(directory) / "web", limit=limit, hold_limit=1 << 30, clock=Ticking())
    run = log.begin_run(0)
    for stream, data in pieces:
        if stream:
            read, write = os.pipe()
            os.write(write, data)
            log.splice(stream, read)
            os.close(read)
            os.close(write)
        else:
            log.end_run(run, 0, None, 0)
            run = log.begin_run(0)
    return log


class Ticking:
    """A clock that goes on by a millisecond each time it is looked at."""

    def __init__(self) -> None:
        self._now = 1_000_000

    def __call__(self) -> float:
        self._now += 1
        return self._now / 1000


def lines_by_beginning(pieces: list[Piece], streams: tuple[int, ...]) -> list[tuple[int, bytes]]:
    """Every line of the streams with the position of its first byte, in the order in which they begin."""
    position = 0
    begun: list[tuple[int, bytearray]] = []
    unfinished: dict[int, bytearray] = {}
    for stream, data in pieces:
        if not stream:
            unfinished.clear()
            continue
        for byte in data:
            if stream in streams:
                if stream not in unfinished:
                    unfinished[stream] = bytearray()
                    begun.append((position, unfinished[stream]))
                unfinished[stream].append(byte)
                if byte == 10:
                    del unfinished[stream]
            position += 1
    return [(begin, bytes(line)) for begin, line in begun]


def read_lines(log: LogStore, position: int, streams: tuple[int, ...]) -> list[str]:
    """What a reader of whole lines makes of the log from there on."""
    cutter, texts = LineCutter(), []
    with log.reader(position, streams=streams, whole_lines=True) as reader:
        while events := reader.read(5):
            for event in events:
                match event:
                    case Chunk():
                        cut = cutter.feed(event.stream, event.run, event.time_ms, event.data())
                    case RunEnd():
                        cut = cutter.end_run(event.run)
                    case _:
                        cut = []
                texts += [text for item in cut for text in item.texts]
    return texts + [text for block in cutter.finish() for text in block.texts]


def plain(line: bytes) -> str:
    text = line.decode()
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text


@examples(3)
@given(PIECES, st.integers(0, 12), st.sampled_from((STREAMS, (STDOUT,), (STDERR,))), st.integers(1, 9))
@example([(STDOUT, b"a"), (STDERR, b"b\n"), (STDOUT, b"c\n")], 1, STREAMS, 1)
def test_the_last_lines_are_those_that_begin_last(
    pieces: list[Piece], count: int, streams: tuple[int, ...], block: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        log = fill(name, pieces)
        before, positions.BLOCK = positions.BLOCK, block
        try:
            position = log.position_of_tail(count, streams)
        finally:
            positions.BLOCK = before
        lines = lines_by_beginning(pieces, streams)
        wanted = lines[-count:] if count else []
        assert sorted(read_lines(log, position, streams)) == sorted(plain(line) for _, line in wanted)
        if len(lines) >= count > 0:
            assert position == wanted[0][0]
        log.close()


@given(PIECES, st.integers(1, 6))
def test_the_last_lines_are_found_over_the_bounds_of_segments(pieces: list[Piece], count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        log = fill(name, pieces, limit=512)
        keep = log.reader(0)
        position = log.position_of_tail(count)
        lines = lines_by_beginning(pieces, STREAMS)
        if log.start == 0 and len(lines) >= count:
            assert position == lines[-count][0]
            assert sorted(read_lines(log, position, STREAMS)) == sorted(plain(line) for _, line in lines[-count:])
        keep.close()
        log.close()


def test_a_moment_is_found_over_the_bounds_of_segments(tmp_path: Path) -> None:
    pieces = [(STDOUT, b"%03d\n" % number) for number in range(300)]
    log = fill(str(tmp_path), pieces, limit=4_096)
    assert len(log.segments) > 3
    first = 1_000_001  # each piece looked at the clock once
    kept = log.start // 4
    for number in (kept, kept + 1, 150, 298, 299):
        assert log.position_since(first + number) == max(number, kept) * 4
    assert log.position_since(0) == log.start
    assert log.position_since(first + 300) == log.end
    log.close()


def test_the_end_of_a_large_log_is_found_without_reading_all_of_it(tmp_path: Path) -> None:
    log = fill(str(tmp_path), [(STDOUT, b"x" * 79 + b"\n")] * 2)
    read: list[int] = []
    segment = log.segments[-1]
    original = type(segment).read

    def counting(self: object, stream: int, offset: int, length: int) -> bytes:
        if stream:
            read.append(length)
        return original(segment, stream, offset, length)

    with open(segment.path(STDOUT), "r+b") as file:
        file.truncate(0)
        file.write((b"x" * 79 + b"\n") * 25_000)
    log.close()
    log = LogStore.open(log.directory)
    segment = log.segments[-1]
    type(segment).read = counting  # type: ignore[method-assign]
    try:
        assert log.position_of_tail(10) == log.end - 800
    finally:
        type(segment).read = original  # type: ignore[method-assign]
    assert sum(read) <= positions.BLOCK + 1 < log.end
    log.close()


def test_the_beginning_of_a_run_is_found_over_the_bounds_of_segments(tmp_path: Path) -> None:
    log = fill(
        str(tmp_path), [piece for run in range(60) for piece in ((STDOUT, b"x" * 40 + b"\n"), (0, b""))], limit=8_000
    )
    assert len(log.segments) > 3
    assert log.start > 0, "some of it is gone"
    kept = [span for span in log.runs() if span.start >= log.start]
    assert len(kept) > 20
    for span in kept:
        assert log.position_of_run(span.run) == span.start
        assert positions.run_begin(log.segments, span.run) in (
            {span.start} if span.start > log.start else {None, span.start}
        )
    assert log.position_of_run(1) is None
    assert log.position_of_run(log.last_run + 1) is None
    log.remove()
