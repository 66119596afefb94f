"""Persisted logs in pages: whatever is written between two pages, no line is lost, none comes twice."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs import pages
from sbxcompose.host.logs.pages import LinesQuery, LogLine, PagePosition, decode, encode
from sbxcompose.host.logs.segments import STDERR, STDOUT
from tests.support.cases import each_case
from tests.support.output import FakeRow, FakeSource


def read_page(source: FakeSource, **query: object) -> tuple[list[LogLine], str | None]:
    """Without an event loop, which takes longer to make than a page: all it does there is to let others have a turn."""
    reading = pages.page(source.logs(), LinesQuery(**query))  # type: ignore[arg-type]
    while True:
        try:
            reading.send(None)
        except StopIteration as end:
            found: tuple[list[LogLine], str | None] = end.value
            return found


def read_all(source: FakeSource, **query: object) -> list[LogLine]:
    found: list[LogLine] = []
    token: str | None = None
    while True:
        lines, token = read_page(source, after=decode(token) if token else None, **query)
        if token is None:
            return found
        found += lines


@pytest.fixture
def source(tmp_path: Path) -> FakeSource:
    return FakeSource(tmp_path)


def begun(source: FakeSource, name: str) -> FakeRow:
    row = source.start(name)
    row.begin()
    return row


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_lines_of_several_logs_by_time(source: FakeSource) -> None:
    web, db = begun(source, "web"), begun(source, "db")
    for number in range(5):
        web.write(f"web {number}\r\n".encode())
        db.write(f"db {number}\n".encode(), STDERR)
    found = read_all(source, head=3)
    assert sorted(texts(found)) == sorted([f"{who} {number}" for who in ("web", "db") for number in range(5)])
    assert [item.time_ms for item in found] == sorted(item.time_ms for item in found)
    assert texts(read_all(source, logs=frozenset({"db"}))) == [f"db {number}" for number in range(5)]
    assert texts(read_all(source, streams=frozenset({STDOUT}))) == [f"web {number}" for number in range(5)]
    assert sorted(texts(read_all(source, body="B 3"))) == ["db 3", "web 3"]
    assert texts(read_page(source, tail=2, logs=frozenset({"web"}))[0]) == ["web 3", "web 4"]
    assert texts(read_page(source, tail=1, body="WEB")[0]) == ["web 4"]


def test_an_unfinished_line_comes_when_it_ends_and_only_then(source: FakeSource) -> None:
    web = begun(source, "web")
    web.write(b"one\nhalf ")
    web.write(b"error\n", STDERR)
    lines, token = read_page(source)
    assert texts(lines) == ["one", "error"]
    assert token is not None
    assert read_page(source, after=decode(token)) == ([], None)
    web.write(b"a line\nthree\nlast")
    lines, token = read_page(source, after=decode(token))
    assert texts(lines) == ["half a line", "three"]
    web.write(b" words", STDERR)
    web.exit()
    assert token is not None
    lines, token = read_page(source, after=decode(token), head=1)
    assert texts(lines) == ["last"]
    assert token is not None
    lines, token = read_page(source, after=decode(token), head=1)
    assert texts(lines) == [" words"]


def test_tail_then_what_comes_after(source: FakeSource) -> None:
    web = begun(source, "web")
    web.write(b"".join(b"%d\n" % number for number in range(1000)))
    lines, token = read_page(source, tail=3)
    assert texts(lines) == ["997", "998", "999"]
    web.write(b"1000\n")
    assert token is not None
    assert texts(read_page(source, after=decode(token))[0]) == ["1000"]


def test_a_line_keeps_its_position(source: FakeSource) -> None:
    web = begun(source, "web")
    web.write(b"a\nb\nc\n")
    positions = {item.text: item.position for item in read_all(source, head=1)}
    assert positions == {item.text: item.position for item in read_page(source, tail=2)[0]} | {"a": 0}


@given(st.integers(0, 2**32), st.integers(1, 7))
def test_nothing_is_lost_or_repeated_whatever_happens_between_pages(seed: int, head: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        source = FakeSource(Path(directory))
        rows = [begun(source, name) for name in ("a", "b")]
        written: dict[tuple[str, int, int], bytes] = {}
        found: list[LogLine] = []
        token: str | None = None
        for step in range(40):
            row, stream = chance.choice(rows), chance.choice((STDOUT, STDERR))
            match chance.randrange(5):
                case 0:
                    row.exit(for_good=False)
                    row.begin()
                case 1 | 2 | 3:
                    data = b"".join(
                        chance.choice((b"x", b"%d" % step, b"\n", b"y\n")) for _ in range(chance.randrange(6))
                    )
                    if data:
                        row.write(data, stream)
                        key = (row.log_name, row.runs[-1], stream)
                        written[key] = written.get(key, b"") + data
                case _:
                    lines, new = read_page(source, after=decode(token) if token else None, head=head)
                    found, token = found + lines, new or token
        for row in rows:
            row.exit()
        while True:
            lines, new = read_page(source, after=decode(token) if token else None, head=head)
            if new is None:
                break
            found, token = found + lines, new
        told: dict[tuple[str, int, int], bytes] = {}
        for line in found:
            key = (line.log, line.run, line.stream)
            told[key] = told.get(key, b"") + line.data
        assert told == written
        assert len({(line.log, line.position) for line in found}) == len(found)
        source.close()


def test_pages_have_a_limit_in_bytes(source: FakeSource) -> None:
    web = begun(source, "web")
    for letter in "abcd":
        web.write(letter.encode() * 200_000 + b"\n")
    lines, token = read_page(source, head=10)
    assert len(lines) == 4
    assert token is not None


def test_a_token_says_what_was_put_in() -> None:
    places = {"web.1": PagePosition(5), "ü /": PagePosition(2**40, ((1, 2, 3), (4, 1, 9)))}
    assert decode(encode(places)) == places


@each_case("token", ["x", "", "!!!", "eJyrBQAAdgB6", "é", encode({"a": PagePosition(-1)}), "e" * 100_000])
def test_an_invalid_token_is_refused(token: str) -> None:
    with pytest.raises(Problem, match="invalid nextToken") as refused:
        decode(token)
    assert refused.value.status == 400
