"""The screen of `top` as lines of styled text, for any size. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from rich.cells import cell_len
from rich.text import Text

from sbxcompose.cli.top.keys import KEYS, hints
from sbxcompose.cli.top.log_buffer import BufferedLine
from sbxcompose.cli.top.model import TopModel
from sbxcompose.cli.top.requests import Pane
from sbxcompose.cli.top.selection import PaneRow, with_selection
from sbxcompose.cli.top.spans import Line, TextSpan, cell, columns, crop, fit, from_ansi, marked, wrapped
from sbxcompose.cli.top.table import table
from sbxcompose.cli.view.drawn import fitted
from sbxcompose.cli.view.units import memory, percent
from sbxcompose.client.process_state import ProcessState
from sbxcompose.client.process_status import state_of
from sbxcompose.logs.prefix import colours

MIN_PANE = 4
"""Lines of the lower part that a table never takes."""


class Layout(Struct, frozen=True):
    """How many lines the parts have: a header, the table with its own header, a title, the pane and a footer."""

    table: int
    pane: int


def layout(model: TopModel, height: int) -> Layout:
    """Share the lines of the screen out."""
    room = max(height - 3, 0)
    if model.zoomed or model.pane is Pane.HELP:
        return Layout(0, room)
    wanted = len(model.entries) + 1
    most = max(room - max(MIN_PANE, room // 2), min(room, 2))
    rows = min(wanted, most)
    return Layout(rows, room - rows)


def header(model: TopModel, width: int) -> Line:
    """Return the first line: the project, how many are in which state, and what all of them use."""
    states = Counter(state_of(entry) for entry in model.entries)
    line: Line = [TextSpan(f" {model.project} ", "title"), TextSpan("  ")]
    good = sum(states.pop(state, 0) for state in (ProcessState.RUNNING, ProcessState.HEALTHY, ProcessState.READY))
    counted: list[tuple[int, str, str]] = [(good, "running", "good")]
    counted += [(number, str(state), STATE_STYLES.get(state, "dim")) for state, number in states.items()]
    for number, word, style in counted:
        if number:
            line += [TextSpan(f"{number} {word}", style), TextSpan("  ")]
    totals = [total.now for total in model.usage.sandboxes.values()]
    right: Line = []
    if model.connection is not None:
        right = [TextSpan(f"{model.connection} ", "bad")]
        for kept in (2, 0):  # on narrow terminals it takes the place of the rest
            line = line if columns(line) + columns(right) < width else line[:kept]
        if not line:
            return fit([TextSpan(" "), *right], width)
    elif totals:
        known = [now.cpu for now in totals if now.cpu is not None]
        right = [
            TextSpan("cpu ", "dim"),
            TextSpan(percent(sum(known) if known else None)),
            TextSpan("  mem ", "dim"),
            TextSpan(memory(sum(now.memory for now in totals)) + " "),
        ]
    gap = width - columns(line) - columns(right)
    return fit([*line, TextSpan(" " * gap), *right] if gap > 0 else line, width)


STATE_STYLES = {
    ProcessState.STARTING: "warn",
    ProcessState.BACKING_OFF: "bad",
    ProcessState.UNHEALTHY: "bad",
    ProcessState.FAILED_TO_START: "bad",
    ProcessState.EXITED: "bad",
    ProcessState.SUSPENDED: "warn",
}


def table_lines(model: TopModel, width: int, height: int, now: float) -> list[Line]:
    """Return the table of processes with its header, scrolled so that the selected one is seen."""
    head, rows = table(model.entries, model.usage, width, now)
    if height < 1:
        return []
    shown, first = max(height - 1, 0), first_row(model, height)
    more = _more(first, len(rows) - first - shown)
    lines = [
        [
            *fit([TextSpan(head, "dim")], max(width - cell_len(more), 0)),
            *fit([TextSpan(more, "key")], min(cell_len(more), width)),
        ]
    ]
    for entry, row in zip(model.entries[first : first + shown], rows[first : first + shown], strict=True):
        if entry.instance == model.selected:
            lines.append([TextSpan(span.text, "selected") for span in fit(row, width)])
        else:
            lines.append(fit(row, width))
    return lines


def _more(above: int, below: int) -> str:
    """Return how many processes have no space above and below those that are seen."""
    words = [f"{sign}{count}" for sign, count in (("↑", above), ("↓", below)) if count > 0]
    return f" {' '.join(words)} " if words else ""


def first_row(model: TopModel, height: int) -> int:
    """Return the index of the first process that a table of that height shows."""
    shown = max(height - 1, 1)
    at = next((n for n, entry in enumerate(model.entries) if entry.instance == model.selected), 0)
    return max(min(at - shown // 2, len(model.entries) - shown), 0)


def title(model: TopModel, width: int) -> Line:
    """Return the line above the lower part: what it shows, and how."""
    name = model.shown_name
    words = {
        Pane.LOGS: f"logs of {name}" if name is not None else "logs of all",
        Pane.WHY: f"why {model.current.label if model.current is not None else ''}",
        Pane.PLAN: "plan of up",
        Pane.HELP: "keys",
    }[model.pane]
    state = []
    if model.pane is Pane.LOGS:
        state += [f"filter: {model.filter}"] if model.filter else []
        state += [f"search: {model.search}"] if model.search else []
        state += [] if model.wrap else ["no wrap"]
        state += ["following" if model.view.anchor is None else "paused (End follows)"]
    elif model.pane is not Pane.HELP:
        state += ["Esc: back to logs"]
    if not model.mouse:
        state += ["mouse: terminal"]
    right = " · ".join(state)
    line: Line = [TextSpan("── ", "rule"), TextSpan(words, "heading"), TextSpan(" ", "rule")]
    gap = width - columns(line) - cell_len(right) - 4
    if gap < 1 or not right:
        return fit([*line, TextSpan("─" * max(width - columns(line), 0), "rule")], width)
    return fit([*line, TextSpan("─" * gap, "rule"), TextSpan(f" {right} ", "dim"), TextSpan("──", "rule")], width)


def pane_lines(model: TopModel, width: int, height: int, *, colour: bool) -> list[Line]:
    """Return the lines of the lower part, and let the model know what is seen."""
    model.pane_height = max(height, 1)
    model.seen = _rows(model, width, height, colour)
    lines = [row.line for row in model.seen]
    if model.selection is not None:
        lines = [with_selection(model.selection, number, row) for number, row in enumerate(model.seen)]
    return [fit(line, width) for line in lines] + [fit([], width)] * (height - len(lines))


def _rows(model: TopModel, width: int, height: int, colour: bool) -> list[PaneRow]:
    if model.pane is Pane.HELP:
        return _help_rows(model, width, height)
    if model.pane is not Pane.LOGS:
        return _text_rows(model, width, height)
    found = model.view.window(model.lines, model.matcher, height)
    if not found:
        return [PaneRow([TextSpan(f" {words}", "dim")], 1) for words in _nothing(model)][:height]
    labels = [entry.label for entry in model.entries]
    palette = colours(labels) if colour else {}
    longest = max((cell_len(label) for label in labels), default=0)
    name_width = min(longest, max(width // 5, 4)) if model.all_logs else 0
    rows = [row for line in found for row in _log_rows(model, line, width, name_width, palette)]
    seen = rows[:height] if model.view.at_start else rows[len(rows) - height if len(rows) > height else 0 :]
    model.lines_seen = max(sum(not row.continued for row in seen), 1)
    return seen


def _log_rows(
    model: TopModel, line: BufferedLine, width: int, name_width: int, palette: dict[str, int]
) -> list[PaneRow]:
    """Return one line of output, wrapped if that is wished, behind the name of its process."""
    style = f"name:{palette[line.name]}" if line.name in palette else "bold"
    if line.stream == 0:
        prefix, body = (
            [TextSpan(" " * (name_width + 1 if name_width else 0)), TextSpan("* ", "remark")],
            [TextSpan(line.plain, "remark")],
        )
    else:
        mark = TextSpan("! ", "bad") if line.stream == 2 else TextSpan("| ", "dim")
        prefix = [TextSpan(f"{cell(line.name, name_width)} ", style), mark] if name_width else [mark]
        body = from_ansi(line.text, colour=bool(palette))
    if model.search:
        body = marked(body, model.search.lower(), "found" if line.number == model.view.found else "match")
    before = columns(prefix)
    room = max(width - before, 1)
    pieces = wrapped(body, room) if model.wrap else [crop(body, model.left, room)]
    blank: Line = [TextSpan(" " * before)]
    return [PaneRow([*(blank if n else prefix), *piece], before, n > 0) for n, piece in enumerate(pieces)]


def _nothing(model: TopModel) -> Sequence[str]:
    if model.connection is not None:
        return [model.connection]
    if model.filter and model.lines:
        return [f"no line contains {model.filter}; Esc ends the filter"]
    if not model.entries:
        return ["no processes"]
    if not any(entry.row is not None for entry in model.entries):
        return ["nothing has been started yet; press u to start everything"]
    return ["no output yet"]


def _help_rows(model: TopModel, width: int, height: int) -> list[PaneRow]:
    """Return the keys, in two columns where there is room for them."""
    before = 14 if width >= 40 else 6
    rows: list[PaneRow] = []
    for key in KEYS:
        names = cell(key.shown or " ".join(key.keys), before - 4)
        for n, piece in enumerate(fitted(Text(key.help), width - before).plain.split("\n")):
            start = TextSpan(" " * before) if n else TextSpan(f"  {names}  ", "key")
            rows.append(PaneRow([start, TextSpan(piece)], before if n else 2, n > 0))
    if width >= 2 * max(columns(row.line) + 2 for row in rows):
        half = (len(rows) + 1) // 2
        left, right = rows[:half], [*(row.line for row in rows[half:]), *[[]] * (2 * half - len(rows))]
        rows = [PaneRow([*fit(row.line, width // 2), *line], 2) for row, line in zip(left, right, strict=True)]
    return _seen(model, rows, height)


def _text_rows(model: TopModel, width: int, height: int) -> list[PaneRow]:
    rows: list[PaneRow] = []
    for text in model.text:
        style = "heading" if text.startswith("hint:") else ""
        for n, piece in enumerate(wrapped([TextSpan(text, style)], max(width - 4, 1))):
            rows.append(PaneRow([TextSpan("    " if n else "  "), *piece], 4 if n else 2, n > 0))
    return _seen(model, rows, height)


def _seen(model: TopModel, rows: list[PaneRow], height: int) -> list[PaneRow]:
    model.text_rows = len(rows)
    first = min(model.offset, max(len(rows) - height, 0))
    return rows[first : first + height]


def footer(model: TopModel, width: int) -> Line:
    """Return the last line: what is being typed, a message, or the keys."""
    if model.prompt is not None:
        if model.prompt.kind == "quit":
            keys = [("s", "stop everything"), ("l", "leave it running"), ("Esc", "stay")]
            return fit(_hints(keys), width)
        words = {"search": "search: ", "filter": "show lines with: ", "signal": "signal (TERM): "}[model.prompt.kind]
        note = [TextSpan(f"  {model.message.text}", "bad")] if model.message is not None else []
        return fit([TextSpan(f" {words}", "key"), TextSpan(model.prompt.text), TextSpan(" ", "cursor"), *note], width)
    if model.message is not None:
        return fit([TextSpan(f" {model.message.text}", "bad" if model.message.bad else "good")], width)
    if model.stopping:
        return fit([TextSpan(" stopping everything; Ctrl-C kills what is left", "warn")], width)
    return fit(_hints(hints(width, model.attached)), width)


def _hints(keys: Sequence[tuple[str, str]]) -> Line:
    line: Line = []
    for name, word in keys:
        line += [TextSpan(f" {name} ", "key"), TextSpan(f"{word} ", "dim")]
    return line


def screen(model: TopModel, width: int, height: int, now: float, *, colour: bool = False) -> list[Line]:
    """Return the whole screen."""
    parts = layout(model, height)
    pane = pane_lines(model, width, parts.pane, colour=colour)
    top = [header(model, width), *table_lines(model, width, parts.table, now), title(model, width)]
    return [*top, *pane, footer(model, width)][:height]
