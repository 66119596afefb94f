"""One row of the process list, as others see it: all of it follows from its record."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.models import ProcessInfo, StartRequest
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise import describe
from sbxcompose.host.supervise.owner import ProcessOwner
from sbxcompose.host.supervise.state import ProcessRecord, Running, Starting, Stopped


class ProcessRow:
    """What a row is. Implements `source.OutputRow`."""

    def __init__(self, owner: ProcessOwner[Any], record: ProcessRecord, log: LogStore) -> None:
        self._owner = owner
        self.record = record
        self.log = log

    @property
    def request(self) -> StartRequest:
        """What was asked for."""
        return self.record.request

    @property
    def log_name(self) -> str:
        """The name of its log."""
        return self.record.log

    @property
    def first_position(self) -> int:
        """Where its output begins in its log."""
        return self.record.first_position

    @property
    def end_position(self) -> int | None:
        """Where its output ends; None while there may be more."""
        state = self.record.state
        return state.end_position if isinstance(state, Stopped) else None

    @property
    def handle(self) -> int:
        """The handle of its current or latest run."""
        return self.record.run.handle if self.record.run is not None else self.record.id

    @property
    def listed(self) -> bool:
        """Whether the process list shows it. What is being started is shown if it is managed: its name is taken."""
        return self.record.run is not None or (self.live and self.request.managed)

    @property
    def live(self) -> bool:
        """Whether it runs, or will: it holds its name."""
        return not isinstance(self.record.state, Stopped)

    @property
    def alive(self) -> bool:
        """Whether a run of it is there, or being started."""
        return isinstance(self.record.state, Running | Starting)

    @property
    def is_changing(self) -> bool:
        """Whether it is being started, or ended."""
        state = self.record.state
        return isinstance(state, Starting) or (isinstance(state, Running) and state.ending is not None)

    @property
    def unit(self) -> str | None:
        """The keeper's name for the run that is there, or being started."""
        match self.record.state:
            case Starting(handle):
                return self._owner.unit(handle)
            case Running():
                return self._owner.unit(self.handle)
            case _:
                return None

    def owns_run(self, run: int) -> bool:
        """Return whether that run of its log is one of its own."""
        return any(first <= run <= last for first, last in self.record.runs)

    def info(self) -> ProcessInfo:
        """Return the row as the process list shows it."""
        return describe.describe(self.record, self.log.last_run + 1, self.output_blocked)

    @property
    def output_blocked(self) -> str | None:
        """Why its output cannot be written to its log now; None if it can."""
        return None
