"""What a benchmark hands back, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

OURS = "sbxcompose"


@dataclass(frozen=True)
class Figure:
    """One measured value: `what` was measured, of `who`, in `unit`.

    `value` None means that it could not be measured; `note` says why, or what else there is to know.
    """

    what: str
    who: str
    value: float | None
    unit: str
    note: str = ""

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value is None:
            return "-"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f} {self.unit}"


def rows(figures: Iterable[Figure]) -> list[str]:
    """A table's lines: what, who, value, the value as a multiple of ours for the same thing, note."""
    lines, last, ours = [], "", None
    for each in figures:
        if each.what != last:
            ours = None
        if each.who == OURS:
            ours = each.value
        ratio = f"{each.value / ours:.2f} x" if each.value is not None and ours and each.who != OURS else ""
        what = each.what if each.what != last else ""
        lines.append(f"{what:<52} {each.who:<14} {each.shown:>18} {ratio:>9}  {each.note}".rstrip())
        last = each.what
    return lines


def as_json(results: dict[str, list[Figure]]) -> str:
    """All results as JSON."""
    return json.dumps({name: [asdict(each) for each in figures] for name, figures in results.items()}, indent=2)
