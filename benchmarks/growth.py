"""How a cost grows with the number of what it is for: the factor of each step beside that of the number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from benchmarks.figures import OURS, Figure

ROOM = 1.25
"""Up to this multiple of the number it counts as linear: of more than fits the caches, each piece takes longer."""


def steps(what: str, values: Mapping[int, float | None], who: str = OURS) -> Iterator[Figure]:
    """Yield how many times as much each number takes as the one before it. What was not measured is left out."""
    measured = sorted((number, value) for number, value in values.items() if value)
    for (few, before), (many, now) in pairwise(measured):
        factor, times = now / before, many / few
        verdict = "less than linear" if factor < times / ROOM else "linear"
        if factor > times * ROOM:
            verdict = "more than linear"
        yield Figure(f"growth of {what}, {few:,} to {many:,}", who, factor, "x", f"for {times:g} x as many: {verdict}")
