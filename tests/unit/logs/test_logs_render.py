from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.mux import Block, LineSource
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import JsonRenderer, Parts, PrefixedRenderer, timestamp

WEB = LineSource("web", 1, 3, "app", "web", 1)
AT = 1_795_512_600_007
STAMP = "2026-11-24T09:30:00.007Z"


def joined(parts: Parts) -> bytes:
    return b"".join(parts)


def objects(parts: Parts) -> list[dict[str, Any]]:
    return [json.loads(line) for line in joined(parts).split(b"\n")[:-1]]


def test_every_line_has_its_prefix() -> None:
    renderer = PrefixedRenderer(Prefixes(["web", "worker"]))
    assert joined(renderer.lines(Block(WEB, AT, b"one\n\ntwo\n"))) == b"web    | one\nweb    | \nweb    | two\n"
    assert joined(renderer.lines(Block(WEB._replace(stream=2), AT, b"x\n"))) == b"web    ! x\n"


def test_times_are_utc_with_milliseconds() -> None:
    assert timestamp(AT).decode() == STAMP
    assert timestamp(0) == b"1970-01-01T00:00:00.000Z"
    renderer = PrefixedRenderer(Prefixes(["web"]), timestamps=True)
    assert joined(renderer.lines(Block(WEB, AT, b"a\nb\n"))).decode() == f"web | {STAMP} a\nweb | {STAMP} b\n"


def test_without_prefix_lines_are_as_they_were() -> None:
    data = b"one\0\xff\n\x1b[2Jtwo\n"
    assert PrefixedRenderer(None).lines(Block(WEB, AT, data)) == [data]
    renderer = PrefixedRenderer(None, timestamps=True)
    assert joined(renderer.lines(Block(WEB, AT, b"a\n"))).decode() == f"{STAMP} a\n"


def test_a_cut_line_is_marked_on_both_sides() -> None:
    renderer = PrefixedRenderer(Prefixes(["web"]))
    begin = joined(renderer.lines(Block(WEB, AT, b"begin\n", cut=True)))
    end = joined(renderer.lines(Block(WEB, AT, b"end\n", continued=True)))
    assert begin.decode() == "web | begin …(line continues)\n"
    assert end.decode() == "web | (line continues)… end\n"


def test_announcements_stand_in_the_column_of_labels() -> None:
    renderer = PrefixedRenderer(Prefixes(["worker"]), timestamps=True)
    shown = joined(renderer.announcement("web#2 exited with code 1\x1b[2J", AT, WEB, error=True))
    assert shown.decode() == f"       * {STAMP} web#2 exited with code 1\n"
    plain = PrefixedRenderer(None, colour=True)
    assert joined(plain.announcement("gone", AT, None, error=True)) == b"\x1b[31mgone\x1b[0m\n"
    assert joined(plain.announcement("ready", AT, None, error=False)) == b"ready\n"


def test_json_says_where_a_line_comes_from() -> None:
    shown = joined(JsonRenderer().lines(Block(WEB, AT, b"a\n"))).decode()
    assert shown == (
        f'{{"time":"{STAMP}","sandbox":"app","process":"web","replica":1,"run":3,"stream":"stdout","line":"a"}}\n'
    )


def test_json_marks_pieces_and_drops_the_carriage_return_of_a_line_end() -> None:
    renderer = JsonRenderer()
    (piece,) = objects(renderer.lines(Block(WEB, AT, b"a\n", continued=True, cut=True)))
    assert piece["cut"] is True
    assert piece["continued"] is True
    assert [one_object["line"] for one_object in objects(renderer.lines(Block(WEB, AT, b"a\r\nb\rc\n")))] == [
        "a",
        "b\rc",
    ]


def test_json_holds_nothing_that_acts_on_a_terminal() -> None:
    shown = joined(JsonRenderer().lines(Block(WEB, AT, "\x1b[2J\x7f\x9b\t\n".encode()))).decode()
    assert shown.rstrip("\n").isprintable()


def test_announcements_are_json_too() -> None:
    (about,) = objects(JsonRenderer().announcement('"x"\n', AT, WEB, error=True))
    assert (about["stream"], about["line"], about["process"], about["run"]) == ("system", '"x"\n', "web", 3)
    (no_run,) = objects(JsonRenderer().announcement("x", AT, WEB._replace(run=0), error=False))
    assert "run" not in no_run
    (nothing,) = objects(JsonRenderer().announcement("x", AT, None, error=False))
    assert nothing == {"time": STAMP, "stream": "system", "line": "x"}


@given(st.lists(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))), min_size=1))
def test_json_gives_back_every_line(lines: list[bytes]) -> None:
    data = b"\n".join(lines) + b"\n"
    shown = [one_object["line"] for one_object in objects(JsonRenderer().lines(Block(WEB, AT, data)))]
    assert shown == [line.removesuffix(b"\r").decode("utf-8", "replace") for line in data.split(b"\n")[:-1]]


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"")), min_size=1))
def test_prefixes_change_nothing_else(lines: list[bytes]) -> None:
    block = Block(WEB, AT, b"\n".join(lines) + b"\n")
    shown = joined(PrefixedRenderer(Prefixes(["web"])).lines(block))
    assert shown == b"".join(b"web | " + line + b"\n" for line in lines)
