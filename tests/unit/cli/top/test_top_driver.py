"""Writing to terminals that have few characters, or are gone."""

from __future__ import annotations

import io

from sbxcompose.cli.top.driver import QuietFile


def test_characters_that_a_terminal_lacks_are_replaced_in_the_same_width() -> None:
    raw = io.BytesIO()
    file = QuietFile(io.TextIOWrapper(raw, encoding="ascii"))
    file.write("── logs … ↑ é漢")
    file.flush()
    assert raw.getvalue() == b"-- logs ~ ^ ??"


def test_a_terminal_that_is_gone_takes_everything() -> None:
    raw = io.BytesIO()
    wrapped = io.TextIOWrapper(raw, encoding="utf-8")
    file = QuietFile(wrapped)
    wrapped.close()
    file.write("x")
    file.flush()
