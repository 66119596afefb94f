"""Counts with their nouns, for every message."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 file`, `3 processes`, `1 204 lines`."""
    plural = "es" if noun.endswith(("s", "x")) else "s"
    return f"{count:,} {noun if count == 1 else noun + plural}".replace(",", " ")
