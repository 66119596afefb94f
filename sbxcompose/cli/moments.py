"""Moments as people write them: `10m` (ago), or a date and time."""

from __future__ import annotations

import re

from sbxcompose.errors import UsageError


def moment(option: str, text: str, now: float) -> float:
    """`10m` (ago), RFC 3339, or seconds since 1970 -> seconds since 1970. Raises `UsageError`."""
    from datetime import datetime

    from sbxcompose.spec.units import parse_duration

    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return float(text)
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        hint = "examples: `10m`, `1h30m`, `2026-11-24T09:30:00`"
        raise UsageError(f"invalid value `{text}` for `{option}`", hint=hint) from None


def span(since: str | None, until: str | None, now: float) -> tuple[float | None, float | None]:
    """Return the moments that `--since` and `--until` name. Raises `UsageError`."""
    begin = None if since is None else moment("--since", since, now)
    end = None if until is None else moment("--until", until, now)
    if begin is not None and end is not None and end < begin:
        raise UsageError("`--until` is before `--since`")
    return begin, end
