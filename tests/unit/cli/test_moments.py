"""Moments and spans of time on the command line."""

from __future__ import annotations

import pytest

from sbxcompose.cli.moments import moment, span
from sbxcompose.errors import UsageError

NOW = 1_800_000_000.0


def test_spans_ago_dates_and_seconds() -> None:
    assert moment("--since", "1m30s", NOW) == NOW - 90
    assert moment("--since", "1799999990.5", NOW) == NOW - 9.5
    assert moment("--since", "2027-01-15T08:00:01+00:00", NOW) == NOW + 1
    assert span(None, None, NOW) == (None, None)
    assert span("2m", "1m", NOW) == (NOW - 120, NOW - 60)


def test_mistakes_name_the_option() -> None:
    with pytest.raises(UsageError, match="invalid value `soon` for `--until`"):
        span("1m", "soon", NOW)
    with pytest.raises(UsageError, match="`--until` is before `--since`"):
        span("1m", "2m", NOW)
