"""The process list for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from sbxcompose import signals
from sbxcompose.cli.style import Colored, Style, text_of
from sbxcompose.cli.view.table import ago, clip, table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.client.process_state import ProcessState
from sbxcompose.client.process_status import command_of, process_status, state_of
from sbxcompose.command_line import command_line
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.plan.background import background
from sbxcompose.plan.observed import Foreign, Instance, ObservedRow, Phase
from sbxcompose.plurals import counted

Hide = Callable[[str], str]
Cells = list[str | Colored]

DISPENSABLE = ("RESTARTS", "RUN", "UPTIME", "COMMAND", "PID")
LONGEST_COMMAND = 40
"""Columns of a command that is not the last one."""

_GOOD = {Phase.RUNNING}
_BAD = {Phase.UNHEALTHY, Phase.BACKING_OFF}


def status(line: ListedInstance, now: float) -> str:
    """Return how it is, in a few words: `running`, `exited 1`, `backing off, again in 2s`."""
    row, state = line.row, state_of(line)
    if row is None or state is ProcessState.FAILED_TO_START:
        return state
    words: str = state
    if row.phase is Phase.EXITED and row.exit is not None:
        words = _exit_words(row)
    elif state is ProcessState.BACKING_OFF and row.next_restart_at is not None:
        words = f"backing off, again in {max(row.next_restart_at - now, 0):.1f}s"
    elif state is ProcessState.RUNNING and _is_readiness_unknown(line):
        words = "running, readiness unknown"
    if background(row) is not None:
        words += f", {counted(len(row.left_behind), 'background process')} killed"
    if row.output_blocked is not None:
        words += ", output blocked"
    if line.outdated:
        words += ", outdated"
    if line.process is None:
        words += ", orphan"
    return words


def _is_readiness_unknown(line: ListedInstance) -> bool:
    return not line.outdated and line.process is not None and line.process.ready_when is not None


def _exit_words(row: ObservedRow) -> str:
    end = row.exit
    if end is None:
        return "exited"
    if row.completed:
        return "completed"
    if end.oom_killed:
        return "out of memory"
    words = f"killed by {signals.shown(end.signal)}" if end.signal is not None else "exited"
    if end.code is not None:
        words += f" {end.code}"
    return f"{words}, out of memory" if end.out_of_memory else words


class PsRows(Struct, frozen=True):
    """What `ps` lists at a moment; `named` is what the command line calls an instance."""

    instances: Sequence[ListedInstance]
    foreign: Sequence[Foreign]
    at: float
    named: Callable[[Instance], str] = lambda instance: instance.process


def lines(shown: PsRows, style: Style, width: int | None, hide: Hide, *, long: bool = False) -> list[str]:
    """Return the table; one-off and foreign processes at its end.

    `long`: with ports and descriptions; `hide` masks secrets.
    """
    rows = [_cells(line, shown.at, hide) for line in shown.instances]
    rows += [_foreign_cells(process, hide, shown.named) for process in shown.foreign if process.running]
    header = ["NAME", "STATUS", "PID", "RUN", "RESTARTS", "UPTIME", "COMMAND"]
    if long:
        header += ["PORT", "DESCRIPTION"]
        more = [_long_cells(line) for line in shown.instances]
        more += [["-", "-"]] * (len(rows) - len(more))
        rows = [
            [*row[:-1], clip(text_of(row[-1]), LONGEST_COMMAND), *cells] for row, cells in zip(rows, more, strict=True)
        ]
    return table_lines(TextTable(header, rows, DISPENSABLE), style, width)


def _cells(line: ListedInstance, now: float, hide: Hide) -> Cells:
    row = line.row
    alive = row is not None and row.pid is not None
    return [
        line.label,
        _status_cell(line, now),
        str(row.pid) if row is not None and alive else "-",
        str(row.run) if row is not None else "-",
        str(row.restarts) if row is not None else "-",
        ago(now - row.started_at) if row is not None and alive and row.started_at else "-",
        command_words(command_of(line), hide),
    ]


def _status_cell(line: ListedInstance, now: float) -> str | Colored:
    row = line.row
    words = status(line, now)
    if line.failure is not None and (row is None or not row.live):
        return Colored(words, "red")
    if row is None or row.phase is Phase.STOPPED:
        return Colored(words, "dim")
    if row.phase in _BAD or (row.phase is Phase.EXITED and not row.completed and not _exited_well(row)):
        return Colored(words, "red")
    if row.phase in _GOOD and not line.outdated and words != str(Phase.STARTING):
        return Colored(words, "green")
    return words if row.completed else Colored(words, "yellow")


def _foreign_cells(process: Foreign, hide: Hide, named: Callable[[Instance], str]) -> Cells:
    if process.beside is not None:
        name, kind = named(process.beside), "one-off"
    else:
        name, kind = process.name or str(process.pid), "foreign"
    cells = [Colored(f"({_plain(name)})", "dim"), Colored(kind, "dim")]
    return [*cells, str(process.pid), "", "", "", command_words(process.command, hide)]


def _long_cells(line: ListedInstance) -> list[str]:
    process = line.process
    port = process.port_of(line.instance.replica) if process is not None else None
    return [str(port or "-"), (process.description if process is not None else None) or "-"]


def _exited_well(row: ObservedRow) -> bool:
    return row.exit is not None and row.exit.success


def command_words(command: Sequence[str], hide: Hide) -> str:
    """Format a command for a cell of the table, secrets masked."""
    return _plain(command_line(command, hide)) or "-"


def _plain(text: str) -> str:
    """Text of a process as one line that does nothing to the terminal."""
    if text.isprintable():
        return text
    from sbxcompose.logs.sanitize import clean_text  # late: nearly every command is printable

    return clean_text(text, colours=False)


FIELDS = (
    "Name", "Project", "Sandbox", "Process", "Service", "Replica", "Status", "State", "Health", "Ready", "PID", "Run",
    "Restarts", "Uptime", "StartedAt", "ExitCode", "Command", "Port", "Description", "Labels", "Orphan", "Outdated",
)  # fmt: skip
"""What a template of `--format` may name; `Service` is Docker Compose's word for a process."""


def fields(line: ListedInstance, project: str, now: float, hide: Hide) -> dict[str, Any]:
    """Return the values of `FIELDS` for one instance; `hide` masks secrets."""
    shown = process_status(line, hide)
    alive = shown.started_at if shown.running else None
    values = (
        shown.name, project, shown.sandbox, shown.process, shown.process, shown.replica, status(line, now),
        str(shown.state), shown.health, shown.ready, shown.pid, shown.run, shown.restarts,
        ago(now - alive) if alive else None, shown.started_at, shown.exit_code,
        command_words(shown.command, str), shown.port, shown.description, shown.labels, shown.orphan, shown.outdated,
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def to_json(line: ListedInstance, now: float, hide: Hide) -> dict[str, Any]:
    """One instance for a program; `hide` masks secrets."""
    row, shown = line.row, process_status(line, hide)
    end = row.exit if row is not None else None
    return {
        "name": shown.name,
        "sandbox": shown.sandbox,
        "process": shown.process,
        "replica": shown.replica,
        "status": status(line, now),
        "phase": row.phase.value if row is not None else ("suspended" if line.asleep else "not started"),
        "ready": shown.ready,
        "pid": shown.pid,
        "run": shown.run,
        "restarts": shown.restarts,
        "started_at": shown.started_at,
        "next_restart_at": shown.next_restart_at,
        "health_check": row.has_health_check if row is not None else False,
        "exit": None
        if end is None
        else {
            "code": end.code,
            "signal": end.signal,
            "oom_killed": end.oom_killed,
            "out_of_memory": end.out_of_memory,
            "at": end.at,
        },
        "last_error": shown.last_error,
        "left_behind": list(shown.left_behind),
        "output_blocked": row.output_blocked if row is not None else None,
        "command": list(shown.command) or None,
        "digest": shown.digest,
        "wanted_digest": shown.wanted_digest,
        "outdated": shown.outdated,
        "orphan": shown.orphan,
        "completed": shown.completed,
        "port": shown.port,
        "description": shown.description,
        "labels": shown.labels,
    }
