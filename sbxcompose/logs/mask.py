"""Keeps secrets out of what is shown: every occurrence of a value becomes `***`. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

SHORTEST: Final = 4
"""Bytes; a shorter value is in every other line by chance, and masking it would tell what it is."""
MASK: Final = b"***"


class Masker:
    """Masks in whole lines; costs one search a value and block.

    A value of several lines (a key in PEM) is masked line by line, without its indentation, as lines are
    shown one by one. Each is also looked for the way it stands in JSON, and the way `sanitize` leaves it.
    """

    def __init__(self, values: Iterable[str | bytes] = ()) -> None:
        needles = {needle for value in values for needle in _needles(value)}
        self._needles = sorted(needles, key=lambda needle: (-len(needle), needle))
        self._longest = len(self._needles[0]) if self._needles else 0

    def __bool__(self) -> bool:
        return bool(self._needles)

    def mask(self, lines: bytes) -> bytes:
        """`lines` with every secret masked, the longest first so that none hides in another."""
        for needle in self._needles:
            lines = lines.replace(needle, MASK)
        return lines

    def mask_coloured(self, lines: bytes) -> bytes:
        """As `mask`, where colours may stand within a secret; a line with such a secret loses its colours."""
        masked = self.mask(lines)
        if b"\x1b" not in masked:
            return masked
        from sbxcompose.logs.sanitize import without_colours

        if not self._is_in(without_colours(masked)):
            return masked
        whole = masked.split(b"\n")
        return b"\n".join([self.mask(plain) if self._is_in(plain := without_colours(line)) else line for line in whole])

    def _is_in(self, text: bytes) -> bool:
        return any(needle in text for needle in self._needles)

    def safe_length(self, piece: bytes) -> int:
        """Return how much of the beginning of a line can be shown without cutting a secret in two, whatever follows."""
        end = len(piece)
        for begin in range(max(end - self._longest + 1, 0), end):
            tail = piece[begin:]
            if any(needle.startswith(tail) for needle in self._needles):
                end = begin
                break
        # A secret that is there as a whole may reach over this place: secrets can overlap.
        while (before := self._begin_over(piece, end)) < end:
            end = before
        return end

    def cut_at(self, piece: bytes) -> int:
        """As `safe_length`, but at least 1: where an overlong line is cut; see `Mux`."""
        return max(self.safe_length(piece), 1)

    def _begin_over(self, piece: bytes, end: int) -> int:
        """Where the first secret begins that reaches over `end`; `end` if none does."""
        found = (piece.find(needle, max(end - len(needle) + 1, 0), end + len(needle) - 1) for needle in self._needles)
        return min((at for at in found if at >= 0), default=end)


class MaskedStream:
    """Masks a stream that is passed on as it comes; holds back what may be the beginning of a secret."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what can be passed on after these bytes."""
        if not self._masker:
            return data
        data = self._held + data
        safe = self._masker.safe_length(data)
        self._held = data[safe:]
        return self._masker.mask(data[:safe])

    def flush(self) -> bytes:
        """Return what was held back, once nothing will follow."""
        held, self._held = self._held, b""
        return self._masker.mask(held)


def _needles(value: str | bytes) -> Iterable[bytes]:
    from sbxcompose.logs.sanitize import clean_text  # late: most projects have no secrets

    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
    for line in raw.splitlines():
        line = line.strip()
        text = line.decode("utf-8", "replace")
        variants = (
            line,
            clean_text(text).encode(),
            json.dumps(text)[1:-1].encode(),
            json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace"),
        )
        yield from (variant for variant in variants if len(variant) >= SHORTEST)
