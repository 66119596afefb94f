"""Frames of terminal sessions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api import pty
from tests.support.cases import each_case


def test_the_bytes_of_each_kind() -> None:
    assert pty.encode_data(b"ls\n") == b"\x00ls\n"
    assert pty.encode_resize(cols=132, rows=43) == b"\x01\x00\x84\x00\x2b"
    assert pty.READY == b"\x02"
    assert pty.encode_exit(-1) == b"\x03\xff\xff\xff\xff"
    assert pty.encode_exit(137) == b"\x03\x00\x00\x00\x89"


@given(st.binary())
def test_any_frame_is_understood_refused_or_passed_over(frame: bytes) -> None:
    try:
        event = pty.decode(frame)
    except ValueError:
        assert frame[0] in (1, 3)
    else:
        assert (event is None) == (frame[:1] not in (b"\0", b"\1", b"\2", b"\3"))


def test_there_and_back() -> None:
    assert pty.decode(pty.encode_data(b"\xff\0")) == pty.Data(b"\xff\0")
    assert pty.decode(pty.encode_resize(1000, 500)) == pty.Resize(cols=1000, rows=500)
    assert pty.decode(pty.encode_resize(99_999, 1)) == pty.Resize(cols=65535, rows=1)
    assert pty.decode(pty.READY) == pty.Ready()
    assert pty.decode(pty.encode_exit(-(2**31))) == pty.PtyExit(-(2**31))


@each_case("frame", [b"\x01", b"\x01\0\0\0", b"\x01\0\0\0\0\0", b"\x03\0", b"\x03\0\0\0\0\0"])
def test_a_frame_of_the_wrong_length_is_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="cannot have"):
        pty.decode(frame)
