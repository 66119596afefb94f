"""What a benchmark hands back, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from benchmarks.measure import Sample

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
    spread: float | None = None
    """How far the middle half of the values reaches, if there were several."""

    @classmethod
    def of(cls, what: str, who: str, sample: Sample, unit: str, note: str = "", less: float = 0.0) -> Figure:
        """Return the figure of several values: their median, `less` what has nothing to do with it."""
        value = None if sample.median is None else sample.median - less
        return cls(what, who, value, unit, sample.error or note, sample.spread)

    @property
    def shown(self) -> str:
        """The value as people read it."""
        if self.value is None:
            return "-"
        return f"{_number(self.value)} {self.unit}"


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def rows(figures: Iterable[Figure]) -> list[str]:
    """A table's lines: what, who, value, spread, the value as a multiple of ours for the same thing, note."""
    lines, last, ours = [], "", None
    for figure in figures:
        if figure.what != last:
            ours = None
        is_ours = figure.who == OURS or (ours is None and figure.who.startswith(f"{OURS}, "))
        if is_ours:
            ours = figure.value
        ratio = f"{figure.value / ours:.2f} x" if figure.value is not None and ours and not is_ours else ""
        what = figure.what if figure.what != last else ""
        spread = f"± {_number(figure.spread / 2)}" if figure.spread is not None else ""
        lines.append(f"{what:<56} {figure.who:<26} {figure.shown:>16} {spread:>8} {ratio:>9}  {figure.note}".rstrip())
        last = figure.what
    return lines


def as_json(results: dict[str, list[Figure]], machine: str, versions: dict[str, str]) -> str:
    """All results as JSON, with what they were measured on."""
    figures = {name: [asdict(figure) for figure in part] for name, part in results.items()}
    return json.dumps({"machine": machine, "versions": versions, "figures": figures}, indent=2)
