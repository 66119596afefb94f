"""What the routes of output and of `watch` need to know of a sandbox: roles, and the fan-out of its changes.

`host/supervise` implements `OutputRow` and `OutputSource` and owns one `ChangeListeners` for each sandbox.
All calls are made in the server's event loop and must return at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import ProcessInfo
from sbxcompose.host.logs.store import LogStore


class OutputRow(Protocol):
    """One entry of the process list.

    A managed process keeps the same `OutputRow` object over its restarts, although each of its runs has a new
    handle.
    """

    @property
    def handle(self) -> int:
        """The handle of the current or latest run, as in `info()`."""

    @property
    def log_name(self) -> str:
        """The name of its log: a key of `OutputSource.logs()`."""

    @property
    def log(self) -> LogStore:
        """Where its output goes. Never changes."""

    @property
    def first_position(self) -> int:
        """`log.end` at the moment before its first `log.begin_run`. Never changes."""

    @property
    def end_position(self) -> int | None:
        """Where its output ends for good; None while it may still write or be started again.

        Set to `log.end` once its supervisor has stopped AND the pipes are drained AND `log.end_run` was
        called, and announced by `ChangeListeners.row_changed`. A follow ends there. Goes back to None if the row is
        started again.
        """

    def owns_run(self, run: int) -> bool:
        """Return whether `run`, a run number of its log, is a run of this row.

        Matters because a log outlives rows, and because two rows may write to one log at the same time while
        one replaces the other.
        """

    def hold(self) -> None:
        """Keep row and output for a reader, however many ended rows there are, until as many calls of `release`."""

    def release(self) -> None:
        """Undo one `hold`."""

    def info(self) -> ProcessInfo:
        """Return the row as the process list shows it now."""


class ChangeListener(Protocol):
    """Whoever wants to know of changes. Calls must only take note: something is under way."""

    def row_changed(self, handle: int) -> None:
        """`OutputSource.row(handle)` has changed, has appeared, or is no longer there."""

    def log_added(self, name: str) -> None:
        """`OutputSource.logs()[name]` is new."""

    def start_noted(self, note: StartNote) -> None:
        """`note` is a new one of `OutputSource.start_notes()`."""

    def suspension_changed(self) -> None:
        """`ChangeListeners.is_suspended` has changed."""

    def closed(self) -> None:
        """End the streams of a sandbox that is terminated."""


class ChangeListeners:
    """Tells every listener what has changed in one sandbox."""

    def __init__(self) -> None:
        self._listeners: dict[ChangeListener, None] = {}
        self.is_closed = False
        """Whether `closed` has been called: who comes later is not told."""
        self.is_suspended = False

    def subscribe(self, listener: ChangeListener) -> None:
        """From now on `listener` is told."""
        self._listeners[listener] = None

    def unsubscribe(self, listener: ChangeListener) -> None:
        """Stop telling `listener`; do nothing if it never was told."""
        self._listeners.pop(listener, None)

    def row_changed(self, *handles: int) -> None:
        """Call it after every change that `info()` or `end_position` shows, when a row is new, and when one
        is gone.

        A restart gives a row a new handle: name both, the old one first. Output that a run wrote before its
        exit must have been spliced into the log before the exit is announced here.
        """
        for listener in tuple(self._listeners):
            for handle in handles:
                listener.row_changed(handle)

    def log_added(self, name: str) -> None:
        """Call it when a log has become a member of `logs()`, before its first run begins."""
        for listener in tuple(self._listeners):
            listener.log_added(name)

    def start_noted(self, note: StartNote) -> None:
        """Call it when a run has begun that was started with something new, before its output is read."""
        for listener in tuple(self._listeners):
            listener.start_noted(note)

    def suspended(self, suspended: bool) -> None:
        """Call it when the sandbox was suspended or resumed; again is fine."""
        if suspended != self.is_suspended:
            self.is_suspended = suspended
            for listener in tuple(self._listeners):
                listener.suspension_changed()

    def closed(self) -> None:
        """Call it once when the sandbox is terminated."""
        self.is_closed = True
        for listener in tuple(self._listeners):
            listener.closed()

    def __len__(self) -> int:
        return len(self._listeners)


class OutputSource(Protocol):
    """One sandbox, as far as output and watching are concerned."""

    @property
    def changes(self) -> ChangeListeners:
        """The sandbox's fan-out of changes."""

    def rows(self) -> Iterable[OutputRow]:
        """Return all rows of the process list, the newest last."""

    def row(self, handle: int) -> OutputRow | None:
        """Return the row whose current or latest run has that handle."""

    def find(self, process: str) -> OutputRow | None:
        """Return the row that a path names: the latest one of a PID if all digits, else of a managed name (contract
        3.1).
        """

    def logs(self) -> Mapping[str, LogStore]:
        """Return every log of the sandbox by name, also those whose rows are gone."""

    def start_notes(self) -> Iterable[StartNote]:
        """Return what the runs in the logs were started with."""
