"""How much of a command's output is kept."""

from __future__ import annotations

from sbxcompose.client.commands import KeptOutput


def test_all_is_kept_without_a_limit() -> None:
    output = KeptOutput(None)
    for _ in range(1000):
        output.add(1, b"x" * 1000)
    assert (len(output.stream(1)), output.stream(2), output.left_out) == (1_000_000, b"", 0)


def test_the_last_bytes_of_each_stream_are_kept() -> None:
    output = KeptOutput(5)
    output.add(1, b"abcdef")
    output.add(2, b"xyz")
    output.add(1, b"g")
    assert (output.stream(1), output.stream(2), output.left_out) == (b"cdefg", b"xyz", 2)


def test_what_will_be_dropped_does_not_pile_up() -> None:
    output = KeptOutput(10)
    for number in range(10_000):
        output.add(1, b"%09d\n" % number)
        assert len(output._kept[1]) < 100_000
    assert output.stream(1) == b"000009999\n"
    assert output.left_out == 10_000 * 10 - 10
    assert KeptOutput(0).stream(1) == b""


def test_the_last_lines_are_harmless() -> None:
    output = KeptOutput(None)
    output.add(1, b"".join(b"line %d\n" % number for number in range(30)))
    output.add(2, b"\x1b]0;title\x07bad\n\xff end")
    lines = output.last_lines()
    assert lines[:10] == tuple(f"line {number}" for number in range(20, 30))
    assert lines[10:] == ("bad", "\ufffd end")
    assert KeptOutput(None).last_lines() == ()
