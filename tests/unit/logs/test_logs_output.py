from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.output import LogOutput
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import CONTINUED, CUT, JsonRenderer, PrefixedRenderer, Renderer
from sbxcompose.logs.sanitize import cleaner
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.logs.write import FdSink

TERMINAL = cleaner(terminal=True, colours=True)
WEB = LineSource("web")
ERR = LineSource("web", 2)
DB = LineSource("db")
PREFIX = {WEB: b"web | ", ERR: b"web ! ", DB: b"db  | "}
ALLOWED = re.compile(r"(?:[^\x00-\x08\x0b-\x1f\x7f-\x9f]|\x1b\[[0-9;:]*m)*")
PIECES = st.sampled_from([b"\n", b"a", b"bc", b"\xff", b"\0", b"\x1b[31m", b"\x1b", b"[2J", b"\r", b"|", "ä".encode()])
CHUNKS = st.lists(st.tuples(st.sampled_from([WEB, ERR, DB]), st.lists(PIECES, max_size=8).map(b"".join)), max_size=30)


def shown(
    use: Callable[[LogOutput], None],
    *,
    clean: bool = False,
    secrets: tuple[str, ...] = (),
    renderer: Renderer | None = None,
    longest: int = 1000,
) -> bytes:
    fd = os.memfd_create("shown")
    try:
        renderer = renderer or PrefixedRenderer(Prefixes(["web", "db"]))
        with patch("sbxcompose.logs.output.LONGEST_LINE", longest):
            output = LogOutput(renderer, FdSink(fd), clean=TERMINAL if clean else None, secrets=KnownSecrets(secrets))
        use(output)
        return os.pread(fd, 1 << 20, 0)
    finally:
        os.close(fd)


@given(CHUNKS, st.sampled_from([3, 1000]))
def test_every_byte_once_in_order_behind_its_own_prefix(chunks: list[tuple[LineSource, bytes]], longest: int) -> None:
    def use(output: LogOutput) -> None:
        for source, data in chunks:
            output.feed(source, data, 0)
        output.end_all()

    lines = shown(use, longest=longest).split(b"\n")
    assert lines.pop() == b""
    for source, prefix in PREFIX.items():
        own = [line.removeprefix(prefix) + b"\n" for line in lines if line.startswith(prefix)]
        text = b"".join(own).replace(CUT + b"\n", b"").replace(CONTINUED, b"")
        sent = b"".join(data for chunk, data in chunks if chunk == source)
        assert text == (sent if not sent or sent.endswith(b"\n") else sent + b"\n")
    assert all(line.startswith(tuple(PREFIX.values())) for line in lines)


@given(CHUNKS, st.sampled_from([5, 1000]))
def test_a_terminal_sees_only_text_and_colours_that_end(chunks: list[tuple[LineSource, bytes]], longest: int) -> None:
    def use(output: LogOutput) -> None:
        for source, data in chunks:
            output.feed(source, data, 0)
        output.end_all()

    text = shown(use, clean=True, longest=longest).decode()
    assert ALLOWED.fullmatch(text)
    for line in text.splitlines():
        assert line[:6].encode() in PREFIX.values()
        line = line.removesuffix(CUT.decode())
        assert line.endswith("\x1b[0m") or "\x1b" not in line


def test_the_end_of_a_stream_shows_what_was_held_back() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"no end\x1b[3", 5)
        output.feed(DB, b"bar\r", 5)
        output.end(WEB)
        output.end(WEB)
        output.end(DB)

    assert shown(use, clean=True) == b"web | no end[3\ndb  | bar\n"


def test_the_last_line_has_the_time_at_which_it_began() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"\x1b", 1000)
        output.feed(WEB, b"[x", 2000)
        output.feed(WEB, b"\x1b[9", 3000)
        output.end(WEB)

    renderer = PrefixedRenderer(None, timestamps=True)
    assert shown(use, clean=True, renderer=renderer) == b"1970-01-01T00:00:01.000Z [9\n"


def test_announcements_stand_between_whole_lines() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"half", 0)
        output.announce("web#1 exited with code 1", 0, WEB, error=True)
        output.feed(WEB, b" and half\n", 0)

    assert shown(use) == b"    * web#1 exited with code 1\nweb | half and half\n"


def test_json_has_the_controls_even_on_a_terminal() -> None:
    text = shown(lambda output: output.feed(WEB, b"\x1b[31ma\x1b[K\n", 0), clean=True, renderer=JsonRenderer())
    assert b'"line":"\\u001b[31ma\\u001b[K"}' in text


def test_secrets_are_masked_across_chunks_and_in_announcements() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"key is hun", 0)
        output.feed(WEB, b"ter2!\n", 0)
        output.announce("cannot run `login hunter2`", 0)

    assert shown(use, secrets=("hunter2",)) == b"web | key is ***!\n    * cannot run `login ***`\n"
    assert b"hunter2" not in shown(use, secrets=("hunter2",), renderer=JsonRenderer())


def test_a_secret_is_masked_where_an_overlong_line_is_cut() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"x" * 15 + b"hunter2", 0)
        output.end_all()

    text = shown(use, longest=18, secrets=("hunter2",))
    assert text == b"web | " + b"x" * 15 + CUT + b"\nweb | " + CONTINUED + b"***\n"


def test_a_colour_is_not_cut_in_two() -> None:
    def use(output: LogOutput) -> None:
        output.feed(WEB, b"x" * 8 + b"\x1b[38;5;1mred", 0)
        output.end_all()

    lines = shown(use, clean=True, longest=10).split(b"\n")
    assert lines[0] == b"web | " + b"x" * 8 + CUT
    assert lines[1].startswith(b"web | " + CONTINUED + b"\x1b[38;5;1mr")


@pytest.mark.parametrize("clean", [True, False])
def test_what_is_shown_goes_to_a_file_as_it_comes(tmp_path: Path, clean: bool) -> None:
    with open(tmp_path / "log", "wb") as file:
        output = LogOutput(PrefixedRenderer(None), FdSink(file.fileno()), clean=TERMINAL if clean else None)
        output.feed(WEB, memoryview(b"now\n"), 0)
        assert (tmp_path / "log").read_bytes() == b"now\n"
