"""Find the word that somebody has mistyped; pure.

Measured in slips of the fingers (a letter too much, too few, wrong, or two exchanged), because words that merely share
letters mislead: `top` is not `stop`, and `autostart` is not `restart`.
"""

from __future__ import annotations

from collections.abc import Iterable


def similar(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known words that `word` may be a slip of, the nearest first, at most `most` of them."""
    near = []
    for candidate in known:
        slips = _slips(word.lower(), candidate.lower(), _allowed(word, candidate))
        if slips is not None:
            near.append((slips, candidate))
    return [candidate for _, candidate in sorted(near, key=lambda pair: pair[0])[:most]]


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
    """A hint with the nearest of the known words, or else `otherwise`."""
    near = similar(word, known, 1)
    return f"did you mean `{near[0]}`?" if near else otherwise


def _allowed(word: str, candidate: str) -> int:
    """How many slips are still a slip, in words of this length."""
    shorter = min(len(word), len(candidate))
    if shorter > 8:
        return 3
    if shorter > 4:
        return 2
    # In short words nearly every letter counts, the first one most of all.
    return int(word[:1].lower() == candidate[:1].lower() or sorted(word[:2]) == sorted(candidate[:2]))


def _slips(word: str, other: str, most: int) -> int | None:
    """The number of slips that lead from one word to the other, if it is not more than `most`."""
    if word == other:
        return 0
    if abs(len(word) - len(other)) > most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        two_before, before, row = before, row, [i]
        for j, another in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != another))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == another:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None
