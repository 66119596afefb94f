"""Find the word that was probably meant by a mistyped one; pure.

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
    """Return a hint with the nearest of the known words, or else `otherwise`."""
    near = similar(word, known, 1)
    return f"did you mean `{near[0]}`?" if near else otherwise


def _allowed(word: str, candidate: str) -> int:
    """Return how many slips are still a slip, in words of this length."""
    shorter = min(len(word), len(candidate))
    if shorter > 8:
        return 3
    if shorter > 4:
        return 2
    # In short words nearly every letter counts, the first one most of all.
    return int(word[:1].lower() == candidate[:1].lower() or sorted(word[:2]) == sorted(candidate[:2]))


def _slips(word: str, other: str, most: int) -> int | None:
    """Return the number of slips that lead from one word to the other, if it is not more than `most`."""
    if word == other:
        return 0
    if abs(len(word) - len(other)) > most:
        return None
    word, other = _without_common_ends(word, other)
    far = most + 1
    before, row = [far] * (len(other) + 1), [min(count, far) for count in range(len(other) + 1)]
    for i, letter in enumerate(word, 1):
        two_before, before, row = before, row, [far] * (len(other) + 1)
        row[0] = min(i, far)
        # Further from the diagonal than `most` there are too many slips already.
        for j in range(max(1, i - most), min(len(other), i + most) + 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other[j - 1]))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == other[j - 1]:
                cost = min(cost, two_before[j - 2] + 1)
            row[j] = cost
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None


def _without_common_ends(word: str, other: str) -> tuple[str, str]:
    """Return what is left of two words without the letters that they begin and end with alike."""
    start, shorter = 0, min(len(word), len(other))
    while start < shorter and word[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and word[-1 - end] == other[-1 - end]:
        end += 1
    return word[start : len(word) - end], other[start : len(other) - end]
