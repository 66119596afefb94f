from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.spec.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    BadUnit,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from tests.support.cases import each_case


@each_case(
    "text,seconds",
    [
        ("500ms", 0.5),
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("2d", 172_800.0),
        ("1.5s", 1.5),
        ("1h1m1s1ms", 3661.001),
        ("0", 0.0),
        ("1w", 604_800.0),
        ("1w2d", 777_600.0),
        ("500us", 0.0005),
        ("1ms500µs", 0.0015),  # the micro sign
        ("500μs", 0.0005),  # the letter mu
        (" 3s ", 3.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert re.fullmatch(DURATION_PATTERN, text.strip())


@each_case("text", ["", "5", "-1s", "s", "5 s", "1s1m", "5x", "1e3s", "five", "9" * 400 + "s"])
def test_an_invalid_duration(text: str) -> None:
    with pytest.raises(BadUnit, match="invalid duration"):
        parse_duration(text)
    assert len(text) > 100 or not re.fullmatch(DURATION_PATTERN, text, re.ASCII)


def test_the_hint_for_a_bare_number_names_the_units() -> None:
    with pytest.raises(BadUnit) as caught:
        parse_duration("5")
    assert caught.value.hint == "say the unit: `5s` or `5ms`"
    with pytest.raises(BadUnit) as caught:
        parse_size("512")
    assert caught.value.hint == "say the unit: `512mb` or `512gb`"


@each_case(
    "text,size",
    [
        ("100b", 100),
        ("1kb", 1024),
        ("512mb", 512 * 1024**2),
        ("512MB", 512 * 1024**2),
        ("2gb", 2 * 1024**3),
        ("2GiB", 2 * 1024**3),
        ("2g", 2 * 1024**3),
        ("1.5g", 1536 * 1024**2),
        ("1tb", 1024**4),
        ("0", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert re.fullmatch(SIZE_PATTERN, text)


@each_case("text", ["", "512", "-1mb", "mb", "1pb", "1 000mb", "one"])
def test_an_invalid_size(text: str) -> None:
    with pytest.raises(BadUnit, match="invalid size"):
        parse_size(text)
    assert not re.fullmatch(SIZE_PATTERN, text)


@given(st.integers(0, 10**13))
def test_durations_are_read_back(micros: int) -> None:
    assert parse_duration(format_duration(micros / 1_000_000)) == pytest.approx(micros / 1_000_000, abs=1e-6)


@given(st.integers(0, 2**50))
def test_sizes_are_read_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size):
        with suppress(BadUnit):
            assert parse(text) >= 0
