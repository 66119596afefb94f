"""Durations and sizes as people write them, to seconds and bytes and back; pure.

A size counts as Docker does: `kb`, `mb`, `gb`, `tb` are powers of 1024, and `kib`, `k` … mean the same. A
bare number is refused, because it is unclear whether it means milliseconds or seconds; only `0` needs no
unit.
"""

from __future__ import annotations

import re

_NUMBER = r"\d{1,18}(?:\.\d{1,9})?"
_NUMBER_PLAIN = _NUMBER.replace("(?:", "(")
_DURATION = re.compile(
    rf"(?:({_NUMBER})w)?(?:({_NUMBER})d)?(?:({_NUMBER})h)?(?:({_NUMBER})m(?!s))?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?"
    rf"(?:({_NUMBER})[u\u00b5\u03bc]s)?",
    re.ASCII,
)
"""The two Greek letters are the micro sign and the letter mu, which look alike."""
_SECONDS = (604_800.0, 86_400.0, 3600.0, 60.0, 1.0, 0.001, 0.000_001)
_SIZE = re.compile(rf"({_NUMBER})\s?(?:([kmgt])i?)?b?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_BARE = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)

DURATION_PATTERN = r"^(0|(?=.)(NUMw)?(NUMd)?(NUMh)?(NUMm(?!s))?(NUMs)?(NUMms)?(NUM[u\u00b5\u03bc]s)?)$".replace(
    "NUM", _NUMBER_PLAIN
)
"""What `parse_duration` takes, for the JSON schema."""
SIZE_PATTERN = rf"^(0|{_NUMBER_PLAIN} ?([kKmMgGtT][iI]?[bB]?|[bB]))$"
"""What `parse_size` takes, for the JSON schema."""


class BadUnit(ValueError):
    """A duration or a size that cannot be read; `hint` shows how it is written."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_duration(text: str) -> float:
    """`500us`, `500ms`, `5s`, `1m30s`, `1h`, `2d`, `1w` or `0` -> seconds. Raises `BadUnit`."""
    written = text.strip()
    if written == "0":
        return 0.0
    found = _DURATION.fullmatch(written)
    if not written or found is None:
        raise BadUnit(f"invalid duration `{_short(text)}`", _duration_hint(written))
    parts = zip(found.groups(), _SECONDS, strict=True)
    return round(sum(float(number) * seconds for number, seconds in parts if number), 6)


def parse_size(text: str) -> int:
    """`512mb`, `2gb`, `1.5g`, `100b` or `0` -> bytes. Raises `BadUnit`, which is a `ValueError`."""
    written = text.strip()
    if written == "0":
        return 0
    found = _SIZE.fullmatch(written)
    if found is None or written[-1:].isdecimal():
        raise BadUnit(f"invalid size `{_short(text)}`", _size_hint(written))
    factor: int = 1024 ** _POWERS[(found[2] or "").lower()]
    return int(found[1]) * factor if found[1].isdecimal() else round(float(found[1]) * factor)


def format_duration(seconds: float) -> str:
    """Return the shortest spelling that `parse_duration` reads back: `90.0` -> `1m30s`."""
    micros = round(seconds * 1_000_000)
    if micros == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count}{unit}")
    if micros:
        parts.append(f"{micros / 1000:.3f}".rstrip("0").rstrip(".") + "ms")
    return "".join(parts)


def format_size(size: int) -> str:
    """Return the shortest spelling that `parse_size` reads back exactly: `2147483648` -> `2gb`."""
    for unit, power in (("tb", 4), ("gb", 3), ("mb", 2), ("kb", 1)):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return f"{size}b"


def short_size(size: int) -> str:
    """Format a size for people, about: `38 MB`. Not to be read back."""
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.5 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def _duration_hint(written: str) -> str:
    if _BARE.fullmatch(written):
        number = written.lstrip("-")
        return f"say the unit: `{number}s` or `{number}ms`"
    return "write it like `500ms`, `5s`, `1m30s` or `1h`"


def _size_hint(written: str) -> str:
    if _BARE.fullmatch(written):
        number = written.lstrip("-")
        return f"say the unit: `{number}mb` or `{number}gb`"
    return "write it like `512mb` or `2gb`"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
