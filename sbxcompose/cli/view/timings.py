"""How long a bring-up took, as a table with its critical path."""

from __future__ import annotations

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view.table import table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.plan.timings import CriticalSegment, Timing, Timings


def lines(timings: Timings, style: Style, width: int | None) -> list[str]:
    """Return the table, the processes of the critical path marked, and that path with what each costs."""
    if not timings:
        return ["nothing was started"]
    header = ["PROCESS", "STARTED", "READY", "TOOK", "AFTER"]
    on_path = {part.instance for part in timings.path}
    rows = [_row(timing, critical=timing.instance in on_path) for timing in timings.all]
    shown = table_lines(TextTable(header, rows, ("TOOK", "STARTED")), style, width)
    path = _critical(timings)
    if width is None:
        return [*shown, path]
    from sbxcompose.cli.view.drawn import fitted_lines

    return [*shown, *fitted_lines(path, width, colors=style.enabled)]


def _row(timing: Timing, *, critical: bool) -> list[str | Colored]:
    label = Colored(timing.label, "yellow") if critical else timing.label
    return [label, *map(_seconds, (timing.started, timing.ready, timing.took)), timing.after or "-"]


def _critical(timings: Timings) -> str:
    """Return the path as a sum: what came before the first start, then what each process took."""
    first = timings.all[0].started
    parts = [f"{_seconds(first)} before the first start"] if first >= 0.1 else []
    parts += [f"{part.label} {_seconds(part.seconds)}{_remark(part)}" for part in timings.path]
    return f"critical path ({_seconds(timings.total)}): {', '.join(parts)}"


def _remark(part: CriticalSegment) -> str:
    return " (not ready)" if part.unready else " (has no check)" if part.settling else ""


def _seconds(span: float | None) -> str:
    return "-" if span is None else f"{max(span, 0.0):.2f}s"
