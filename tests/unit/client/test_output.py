from __future__ import annotations

from sbxcompose.api.follow import OutputChunk, RunOutputEnded
from sbxcompose.api.frames import StartNote
from sbxcompose.client.output import LineReader, OutputLine
from sbxcompose.engine.read_logs import InstanceLogEvent
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance

WEB = Instance("main", "web")


def reader(*secrets: str) -> LineReader:
    return LineReader(lambda instance: instance.process, KnownSecrets(secrets))


def chunk(data: bytes, stream: int = 1, run: int = 1) -> InstanceLogEvent:
    return InstanceLogEvent(WEB, OutputChunk("web.1", stream, run, 1500, data))


def texts(lines: object) -> list[str]:
    assert hasattr(lines, "__iter__")
    return [line.text for line in lines]


def test_chunks_become_whole_lines() -> None:
    lines = reader()
    assert texts(lines.feed(chunk(b"one\ntw"))) == ["one"]
    assert texts(lines.feed(chunk(b"o\n\nthree\n"))) == ["two", "", "three"]


def test_a_line_says_where_it_comes_from() -> None:
    (line,) = reader().feed(chunk(b"oops\n", stream=2, run=4))
    assert line == OutputLine(
        name="web", text="oops", stream="stderr", run=4, time=1.5, sandbox="main", process="web", replica=1
    )
    assert str(line) == "oops"


def test_the_end_of_a_run_ends_its_last_line_and_no_other() -> None:
    lines = reader()
    assert texts(lines.feed(chunk(b"last words"))) == []
    assert texts(lines.feed(chunk(b"next run", run=2))) == []
    assert texts(lines.feed(InstanceLogEvent(WEB, RunOutputEnded("web.1", 1, 2000, 0, None)))) == ["last words"]
    assert texts(lines.finish()) == ["next run"]


def test_control_sequences_go_and_secrets_are_masked() -> None:
    assert texts(reader("hunter2").feed(chunk(b"\x1b[31mpass=hun\x1b[0mter2\x1b]0;x\x07\n"))) == ["pass=***"]


def test_what_a_run_was_started_with_is_masked() -> None:
    lines = reader()
    note = StartNote(name="web.1", run=1, time=1000, secrets=["hunter2"], up=None, life=None)
    assert texts(lines.feed(InstanceLogEvent(WEB, note))) == []
    assert texts(lines.feed(chunk(b"hunter2\n"))) == ["***"]
