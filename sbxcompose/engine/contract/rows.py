"""What the contract's rows tell and what they do not: whose log a row's output is, whose run a line is; pure.

Runs are counted from `restart_count`, so they are numbered within one definition: the contract has no log that outlives
a change of the file. Of a row's runs only the beginning of the latest is known.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.contract_follow import RecordLine
from sbxcompose.api.models import ProcessInfo
from sbxcompose.engine.down_mark import is_own
from sbxcompose.engine.requests import log_name
from sbxcompose.names import parse_name
from sbxcompose.plan.observed import Instance

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two looks at the rows: a quarter of the time for which nothing has changed, between these two."""


def pause_after(quiet: float) -> float:
    """Seconds until the next look, when nothing has changed for `quiet` seconds."""
    return min(max(quiet / 4, FIRST_PAUSE), LONGEST_PAUSE)


def log_of(info: ProcessInfo) -> str | None:
    """Return the log that a row's output continues; None for a foreign row, and for marks and probes."""
    parsed = parse_name(info.managed.name) if info.managed is not None and info.managed.name else None
    return None if parsed is None or is_own(info) else log_name(Instance("", parsed[0], parsed[1]))


def run_of(info: ProcessInfo) -> int:
    """Return the number of a row's current or latest run."""
    return info.run or (info.managed.restart_count + 1 if info.managed is not None else 1)


def ended(info: ProcessInfo) -> bool:
    """Return whether nothing more will come from the row: its run has ended, and no supervisor will start another."""
    if info.managed is not None:
        return info.managed.status == "stopped"
    return info.status != "running"


def incarnation(info: ProcessInfo) -> tuple[object, ...]:
    """Return what differs between two runs of a row."""
    return info.started_at, info.pid, info.handle, run_of(info)


def is_older(listed: ProcessInfo, started: ProcessInfo) -> bool:
    """Return whether a listed row is from before the answer to a start: of an earlier run, or from when it was
    starting.

    A row that is starting has no time of its own yet.
    """
    if listed.started_at < started.started_at:
        return True
    return listed.handle == started.handle and listed.managed is not None and listed.managed.status == "starting"


def is_news(known: ProcessInfo | None, answer: ProcessInfo) -> bool:
    """Return whether the answer to a start says more of its row than the row that is known or listed.

    Both may have been made while the process was starting, while it ran, or after it has ended.
    """
    if known is None or is_older(known, answer):
        return True
    if incarnation(known) != incarnation(answer):
        return known.started_at == answer.started_at
    return ended(answer) and not ended(known)


def as_it_began(info: ProcessInfo) -> ProcessInfo:
    """Return a row that has ended before it was seen, as it must have been before that."""
    managed = info.managed
    # Without its end, which the row tells that follows.
    if managed is not None:
        managed = replace(managed, status="running", last_exit=None, stop_requested=False)
    return replace(info, status="running", exit_code=None, signal=None, ended_at=None, managed=managed)


def unseen_end(known: ProcessInfo, info: ProcessInfo) -> ProcessInfo | None:
    """Return the row as it must have been between two looks that saw one run and then a later one: crashed, to run
    again.
    """
    before, now = known.managed, info.managed
    if known.status != "running" or before is None or now is None or now.last_exit is None:
        return None
    # Not restarted by its supervisor but started anew, by a command that knows of its end.
    if now.restart_count <= before.restart_count:
        return None
    managed = replace(before, status="backing_off", last_exit=now.last_exit)
    return replace(known, status="exited", managed=managed, ended_at=now.last_exit.ended_at)


def line_run(info: ProcessInfo, line: RecordLine) -> int:
    """Return the run that a line belongs to: the latest one, or the one before it for what came before that began."""
    # Of earlier runs it is not known when they began: what is older than the latest counts as the one before.
    latest = run_of(info)
    return latest if line.time_ms >= info.started_at or latest == 1 else latest - 1


class LineRange(Struct, frozen=True):
    """Which lines of a log are wanted: those from `since_ms` on, or those of one `run`; of these the last
    `tail`.
    """

    tail: int | None = None
    since_ms: int | None = None
    run: int | None = None
    latest: bool = False
    """Only of the newest row: the one that was started last."""

    def takes(self, info: ProcessInfo, line: RecordLine) -> bool:
        """Return whether a line of the row is among them (apart from `tail`)."""
        if self.since_ms is not None:
            return line.time_ms >= self.since_ms
        return self.run is None or line_run(info, line) == self.run


def rows_with(rows: list[ProcessInfo], wanted: LineRange) -> list[ProcessInfo]:
    """Choose the rows of one log (oldest first) with wanted lines: of a run only the newest that has had it."""
    if wanted.latest:
        return rows[-1:]
    if wanted.run is None:
        return rows
    having = [row for row in rows if run_of(row) >= (wanted.run or 1)]
    return having[-1:]


def distinguishable(latest: int, run: int) -> bool:
    """Return whether the lines of a run can be known from those of others, when the latest is run number `latest`.

    Only where the latest run began is known: so the latest can be, and the first where there is one other.
    """
    return run >= latest or (run == 1 and latest == 2)


def run_over(known: ProcessInfo, info: ProcessInfo) -> bool:
    """Return whether a run has ended between two looks, and the row has not."""
    return known.status == "running" and (incarnation(known) != incarnation(info) or info.status != "running")


def wanted_range(place: dict[str, object]) -> LineRange:
    """Return the lines of a log that a caller wants."""
    known = {name: place[name] for name in ("tail", "since_ms", "run", "latest") if place.get(name) is not None}
    return LineRange(**known)  # type: ignore[arg-type]
