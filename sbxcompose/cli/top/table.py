"""The table of processes: which columns there are for a width, and what is in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from rich.cells import cell_len

from sbxcompose.cli.top.spans import Line, TextSpan, cell
from sbxcompose.cli.view.ps import status
from sbxcompose.cli.view.table import ago
from sbxcompose.cli.view.units import memory, percent
from sbxcompose.client.process_state import ProcessState
from sbxcompose.client.process_status import state_of
from sbxcompose.client.stats import UsageReport
from sbxcompose.engine.listing import ListedInstance

_GOOD = {ProcessState.RUNNING, ProcessState.HEALTHY, ProcessState.READY, ProcessState.COMPLETED}
_BAD = {ProcessState.UNHEALTHY, ProcessState.BACKING_OFF, ProcessState.FAILED_TO_START}
_DIM = {ProcessState.STOPPED, ProcessState.NOT_STARTED}

LONGEST_NAME = 30
MIN_NAME = 9
LONGEST_STATE = 28
MIN_STATE = len("backing off")


class Column(Struct, frozen=True):
    """A column. `least` is the width of the screen from which on it is shown; `usual` that of most of its values.

    Columns that are as wide as what is in them would jump with every change of a value.
    """

    title: str
    read: Callable[[ListedInstance, UsageReport, float], str]
    right: bool = False
    least: int = 0
    usual: int = 0


def _pid(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    return str(entry.row.pid) if entry.row is not None and entry.row.pid is not None else "-"


def _uptime(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    row = entry.row
    return ago(now - row.started_at) if row is not None and row.pid is not None and row.started_at else "-"


def _cpu(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    found = usage.instances.get(entry.instance)
    return percent(found.cpu) if found is not None else "-"


def _memory(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    found = usage.instances.get(entry.instance)
    return memory(found.memory) if found is not None else "-"


def _health(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    row = entry.row
    if row is None or not row.has_health_check or row.pid is None:
        return "-"
    return {"running": "ok", "unhealthy": "failing"}.get(row.phase.value, "starting")


def _port(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    process = entry.process
    return str((process.port_of(entry.instance.replica) if process is not None else None) or "-")


def _restarts(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    return str(entry.row.restarts) if entry.row is not None else "-"


def _description(entry: ListedInstance, usage: UsageReport, now: float) -> str:
    return (entry.process.description if entry.process is not None else None) or ""


COLUMNS = (
    Column("HEALTH", _health, least=96, usual=len("starting")),
    Column("CPU", _cpu, right=True, least=34, usual=len("100.0%")),
    Column("MEMORY", _memory, right=True, least=46, usual=len("99.9 MiB")),
    Column("RESTARTS", _restarts, right=True, least=60),
    Column("UPTIME", _uptime, right=True, least=54),
    Column("PID", _pid, right=True, least=80, usual=len("12345")),
    Column("PORT", _port, right=True, least=88),
    Column("DESCRIPTION", _description, least=120),
)


def table(entries: Sequence[ListedInstance], usage: UsageReport, width: int, now: float) -> tuple[str, list[Line]]:
    """Return the header and a line for each process, at most `width` columns wide."""
    columns = [column for column in COLUMNS if column.least <= width]
    texts = [[column.read(entry, usage, now) for column in columns] for entry in entries]
    keep = [n for n, column in enumerate(columns) if column.least < 88 or any(row[n] not in ("-", "") for row in texts)]
    columns, texts = [columns[n] for n in keep], [[row[n] for n in keep] for row in texts]
    widths = [max(c.usual, *map(len, [c.title, *(row[n] for row in texts)])) for n, c in enumerate(columns)]
    if columns and columns[-1].title == "DESCRIPTION":
        widths[-1] = len("DESCRIPTION")
    states = [status(entry, now) for entry in entries]
    rest = width - 1 - sum(widths) - 2 * len(widths)
    names, state_width = _first_widths(entries, states, rest)
    short = [str(state_of(entry)) for entry in entries]
    states = [words if len(words) <= state_width else word for words, word in zip(states, short, strict=True)]
    head = " ".join(["", cell("NAME", names), "", cell("STATE", state_width)]) + "".join(
        "  " + cell(column.title, size, right=column.right) for column, size in zip(columns, widths, strict=True)
    )
    lines: list[Line] = []
    for entry, words, row in zip(entries, states, texts, strict=True):
        line = [TextSpan(f" {cell(entry.label, names)}  "), TextSpan(cell(words, state_width), style_of(entry))]
        used = 3 + names + state_width
        for column, size, text in zip(columns, widths, row, strict=True):
            last = column.title == "DESCRIPTION"
            size = max(width - used - 3, size) if last else size
            line.append(TextSpan("  " + cell(text, size, right=column.right), "dim" if last or text == "-" else ""))
            used += size + 2
        lines.append(line)
    return head, lines


def style_of(entry: ListedInstance) -> str:
    """Return the style of a process's state."""
    state, row = state_of(entry), entry.row
    if entry.outdated:
        return "warn"
    if state in _BAD or (state is ProcessState.EXITED and not (row and row.exit is not None and row.exit.success)):
        return "bad"
    if state in _GOOD:
        return "good"
    return "dim" if state in _DIM else "warn"


def _first_widths(entries: Sequence[ListedInstance], states: Sequence[str], room: int) -> tuple[int, int]:
    """Return the widths of name and state: enough for every state, or what is left; names first."""
    room -= 2
    names = min(max(map(cell_len, ["NAME", *(entry.label for entry in entries)])), LONGEST_NAME)
    words = min(max(map(len, ["STATE", *states])), LONGEST_STATE)
    words = max(words, min(room - names, LONGEST_STATE))
    if names + words > room:
        words = max(min(words, room - names), min(MIN_STATE, max(room - MIN_NAME, 1)))
        names = max(min(names, room - words), 1)
    return names, words
