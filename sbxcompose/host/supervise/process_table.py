"""The table of a sandbox's supervised processes: rows by handle, PID and name, their logs, and who is told of changes.

Implements `source.OutputSource` for the routes that show output, and most of `owner.ProcessOwner` for its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.problems import from_os
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.isolation.root import IsolatedRoot
from sbxcompose.host.keeper.client import (
    KeeperClient,
    Spawn,
)
from sbxcompose.host.logs.directory import LogDirectory
from sbxcompose.host.logs.source import ChangeListeners
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise import network, spawn_request
from sbxcompose.host.supervise.commands import ProcessCommands
from sbxcompose.host.supervise.failed_starts import FailedStarts
from sbxcompose.host.supervise.names import RowNames
from sbxcompose.host.supervise.network import Namespace
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.records import Records
from sbxcompose.host.supervise.retention import EndedRows
from sbxcompose.host.supervise.run_index import Runs
from sbxcompose.host.supervise.start_keys import StartKeys
from sbxcompose.host.supervise.start_notes import StartNotes, note_of
from sbxcompose.host.supervise.state import ProcessRecord
from sbxcompose.host.supervise.unwatched import WatcherTimeouts


class ProcessTable:
    """The rows of one sandbox with their logs. `workdir` is where they run unless they say; None is the user's home;
    `policy` is the network policy, `isolation` the root that the sandbox has of its own, if it has one.
    """

    def __init__(
        self,
        sandbox: str,
        directory: Path,
        workdir: spawn_request.Workdir | None,
        keeper: KeeperClient,
        policy: dict[str, Any] | None = None,
        isolation: IsolatedRoot | None = None,
    ) -> None:
        self.keeper = keeper
        self.changes = ChangeListeners()
        self._sandbox = sandbox
        self.workdir = workdir
        self._policy = policy
        self.isolation = isolation
        self.cgroups: list[str] = []
        """The control groups that limit its processes."""
        self._records = Records(directory / "processes")
        self._logs = LogDirectory(directory / "logs")
        self._notes = StartNotes(directory / "starts.jsonl", self.changes.start_noted)
        self._rows: dict[int, SupervisedProcess] = {}
        self._unclaimed: dict[int, SupervisedProcess] = {}
        """The rows that were loaded, of which the keeper has not told anything yet."""
        self._live: set[int] = set()
        """The ids of the rows that run, or will."""
        self._runs = Runs()
        self._names = RowNames()
        self._keys = StartKeys()
        self._units: dict[str, SupervisedProcess] = {}
        self._ended = EndedRows(self._drop)
        self._unwatched = WatcherTimeouts(lambda: self.paused, keeper.tasks)
        self.failed_starts = FailedStarts(directory)
        self._last_handle = 0
        self._news = ChangeSignal()
        self._closed = False
        self.paused = False
        """Whether the sandbox is suspended; set by `pause` and `unpause`, and before `load` if it was."""
        self.idle: Callable[[], None] = lambda: None
        """Called when a row has come to rest."""
        self.commands = ProcessCommands(sandbox, keeper)

    # -- looking -------------------------------------------------------------------------------------------

    def rows(self) -> Iterable[SupervisedProcess]:
        """Return the rows, the newest last. One that is being started takes the place of the ended one of its name."""
        hidden = self._names.superseded
        return [row for row in self._rows.values() if row.listed and row.record.id not in hidden]

    def row(self, handle: int) -> SupervisedProcess | None:
        """Return the row whose current or latest run has that handle."""
        found = self._runs.by_handle(handle) or self._rows.get(handle)
        return found if found is not None and found.listed and found.handle == handle else None

    def find(self, process: str) -> SupervisedProcess | None:
        """Return the row that a path names: by PID if it is all digits, else by managed name."""
        if process.isascii() and process.isdigit():
            return self._runs.by_pid(process)
        found = self._names.find(process)
        return found if found is not None and found.listed else None

    def logs(self) -> Mapping[str, LogStore]:
        """Return every log by name."""
        return self._logs

    def start_notes(self) -> Iterable[StartNote]:
        """Return what the runs in the logs were started with."""
        return self._notes

    @property
    def live(self) -> list[SupervisedProcess]:
        """The rows that run, or will."""
        return [row for row in self._rows.values() if row.live]

    @property
    def busy(self) -> bool:
        """Whether any row runs, or will."""
        return bool(self._live)

    @property
    def running(self) -> int:
        """How many run now."""
        return sum(row.alive for row in self._rows.values())

    # -- for its rows --------------------------------------------------------------------------------------

    @property
    def free_handle(self) -> int:
        """Return the handle that `next_handle` would return."""
        return self._last_handle + 1

    def next_handle(self) -> int:
        """Return a handle that no run has had."""
        self._last_handle += 1
        return self._last_handle

    def unit(self, handle: int) -> str:
        """Return the keeper's name for the run of that handle."""
        return f"{self._sandbox}.{handle}"

    def spawn(self, request: StartRequest) -> Spawn:
        """Return how a request is to be spawned. Raises `Problem`."""
        accounts = None if self.isolation is None else self.isolation.accounts
        spawn = spawn_request.describe(request, self.workdir, accounts)
        spawn.inside = None if self.isolation is None else self._sandbox
        spawn.context.cgroups = self.cgroups
        spawn.namespace = None if self.namespace is None else self._sandbox
        return spawn

    @property
    def namespace(self) -> Namespace | None:
        """The sandbox's own network; None if it has that of the machine. Raises `Problem` if it cannot be made."""
        return network.namespace_of(self._sandbox, self._policy, self.keeper)

    def note_start(self, process: SupervisedProcess, run: int, time_ms: int) -> None:
        """Remember what a run was started with, before anything that it writes is read."""
        note = note_of(process.request, run, time_ms)
        if note is not None:
            self._notes.add(note)

    def save(self, record: ProcessRecord) -> None:
        """Put a record on disk. Raises `OSError`."""
        self._records.save(record)

    def check_room(self, count: int = 1) -> None:
        """Refuse to end what runs for as many successors that could not be recorded. Raises `Problem`."""
        try:
            self._records.check_room(count)
        except OSError as error:
            raise from_os(error, "not restarted, and still running") from None

    def changed(self, process: SupervisedProcess, *before: int) -> bool:
        """Record a row's change as soon as possible, put it where it is looked for, and tell who watches."""
        record = process.record
        if record.run is None or record.id not in self._rows:
            return False
        self._note_live(process)
        recorded = self._records.record(record)
        self._runs.put(process, *before)
        unit = process.unit
        if unit is not None:
            self._units[unit] = process
        self._news.notify()
        self.changes.row_changed(*before, process.handle)
        self._unwatched.check(process)
        if not process.live:
            self._ended.add(process)
            self._ended.prune(process)
            self.idle()
        return recorded

    def _note_live(self, process: SupervisedProcess) -> None:
        if process.live:
            self._live.add(process.record.id)
        else:
            self._live.discard(process.record.id)

    def shows_change(self, process: SupervisedProcess) -> None:
        """Tell those who watch that the row is shown differently; nothing recorded has changed."""
        self.changes.row_changed(process.handle)

    # -- forgetting ----------------------------------------------------------------------------------------

    def hold(self, process: SupervisedProcess) -> None:
        """Mark the row as read: it is kept until as many calls of `release`."""
        self._ended.hold(process)
        self._unwatched.hold(process)

    def release(self, process: SupervisedProcess) -> None:
        """Undo one `hold`."""
        self._ended.release(process)
        self._unwatched.release(process)

    def _drop(self, process: SupervisedProcess) -> None:
        """Take an ended row out of the list, and its output with it if its log has no other output."""
        record = process.record
        self._records.remove(record)
        del self._rows[record.id]
        self._live.discard(record.id)
        self._ended.remove(process)
        self._runs.remove(process)
        self._names.forget(process)
        self._keys.forget(process)
        self.changes.row_changed(process.handle)
        self._drop_own_log(record)

    def _drop_own_log(self, record: ProcessRecord) -> None:
        if record.request.log is None:
            self._logs.remove(record.log)

    # -- being suspended ----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Begin nothing, check nothing, and let no time pass, from now on."""
        self.paused = True
        for process in list(self._rows.values()):
            process.pause()

    def unpause(self) -> None:
        """Undo `pause`."""
        self.paused = False
        for process in list(self._rows.values()):
            process.unpause()
        self._news.notify()

    @property
    def is_changing(self) -> bool:
        """Whether any row is just being started or ended."""
        return any(row.is_changing for row in self._rows.values())

    async def wait_until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`; looked at again whenever a row changes, and by `recheck`."""
        await self._news.wait_until(true)

    def recheck(self) -> None:
        """Let whoever waits look again."""
        self._news.notify()

    @property
    def units(self) -> list[str]:
        """The keeper's names for the runs that are there."""
        return [unit for row in self._rows.values() if (unit := row.unit) is not None]
