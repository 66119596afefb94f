"""Putting back what a program has changed in our terminal."""

from __future__ import annotations

from sbxcompose.cli.tty import Modes
from tests.support.cases import each_case


def undone(*output: bytes) -> bytes:
    modes = Modes()
    for item in output:
        modes.feed(item)
    return modes.undo()


@each_case(
    "output, undo",
    [
        (b"plain text, \x1b[31mred\x1b[0m", b""),
        (b"\x1b[?1049h\x1b[?25l", b"\x1b[?1049l\x1b[?25h"),
        (b"\x1b[?1049h\x1b[?25l\x1b[?1049l\x1b[?25h", b""),
        (b"\x1b[?2004h$ ", b"\x1b[?2004l"),
        (b"\x1b[?1000;1006h", b"\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1h\x1b=", b"\x1b[?1l\x1b>"),
        (b"\x1b[?1h\x1b=\x1b[?1l\x1b>", b""),
        (b"\x1b[?7l", b"\x1b[?7h"),
        (b"\x1b[?25h\x1b[?2004l", b""),
        (b"\x1b[?99999999999h\x1b[?;h", b""),
    ],
)
def test_what_is_put_back(output: bytes, undo: bytes) -> None:
    assert undone(output) == undo
    assert undone(*(output[index : index + 1] for index in range(len(output)))) == undo


def test_a_sequence_that_never_ends_is_not_kept() -> None:
    assert undone(b"\x1b[?" + b"1" * 1000, b"h") == b""


def test_whether_something_stands_on_the_line() -> None:
    modes = Modes()
    seen = []
    for output in (b"", b"$ ", b"", b"done\r\n"):
        modes.feed(output)
        seen.append(modes.midline)
    assert seen == [False, True, True, False]
