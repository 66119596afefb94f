"""The supervised processes of one sandbox: its rows, its logs, and who is told of their changes.

Implements `source.OutputSource` for the routes that show output, and `owner.ProcessOwner` for its rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.clock import now_ms
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.base.wake import Condition
from sbxcompose.host.keeper.client import (
    Adopted,
    Claim,
    Exited,
    KeeperClient,
    KeeperLost,
    Spawn,
    Spawned,
    SpawnFailed,
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
from sbxcompose.host.supervise.start_notes import StartNotes, note_of
from sbxcompose.host.supervise.state import ProcessRecord, Running, Starting
from sbxcompose.host.supervise.unwatched import Unwatched

StartReport = Callable[[int, "SupervisedProcess | Problem"], None]


class Processes:
    """All processes of one sandbox. `workdir` is where they run unless they say; None is the user's home;
    `policy` is the network policy.
    """

    def __init__(
        self,
        sandbox: str,
        directory: Path,
        workdir: spawn_request.Workdir | None,
        keeper: KeeperClient,
        policy: dict[str, Any] | None = None,
    ) -> None:
        self.keeper = keeper
        self.changes = ChangeListeners()
        self._sandbox = sandbox
        self.workdir = workdir
        self._policy = policy
        self._records = Records(directory / "processes")
        self._logs = LogDirectory(directory / "logs")
        self._notes = StartNotes(directory / "starts.jsonl", self.changes.start_noted)
        self._rows: dict[int, SupervisedProcess] = {}
        self._unclaimed: dict[int, SupervisedProcess] = {}
        """The rows that were loaded, of which the keeper has not told anything yet."""
        self._runs = Runs()
        self._names = RowNames()
        self._units: dict[str, SupervisedProcess] = {}
        self._ended = EndedRows(self._drop)
        self._unwatched = Unwatched(lambda: self.paused)
        self.failed_starts = FailedStarts(directory)
        self._last_handle = 0
        self._news = Condition()
        self._closed = False
        self.paused = False
        """Whether the sandbox is held still; set by `pause` and `go_on`, and before `load` if it was."""
        self.idle: Callable[[], None] = lambda: None
        """Called when a row has come to rest."""
        self.commands = ProcessCommands(sandbox, keeper)

    # -- looking -------------------------------------------------------------------------------------------

    def rows(self) -> Iterable[SupervisedProcess]:
        """The rows, the newest last. One that is being started takes the place of the ended one of its name."""
        hidden = self._names.superseded
        return [row for row in self._rows.values() if row.listed and row.record.id not in hidden]

    def row(self, handle: int) -> SupervisedProcess | None:
        """The row whose current or latest run has that handle."""
        found = self._runs.by_handle(handle) or self._rows.get(handle)
        return found if found is not None and found.listed and found.handle == handle else None

    def find(self, process: str) -> SupervisedProcess | None:
        """The row that a path names: by PID if it is all digits, else by managed name."""
        if process.isascii() and process.isdigit():
            return self._runs.by_pid(process)
        found = self._names.find(process)
        return found if found is not None and found.listed else None

    def logs(self) -> Mapping[str, LogStore]:
        """Every log by name."""
        return self._logs

    def start_notes(self) -> Iterable[StartNote]:
        """What the runs in the logs were started with."""
        return self._notes

    @property
    def live(self) -> list[SupervisedProcess]:
        """The rows that run, or will."""
        return [each for each in self._rows.values() if each.live]

    @property
    def busy(self) -> bool:
        """Whether any row runs, or will."""
        return any(each.live for each in self._rows.values())

    @property
    def running(self) -> int:
        """How many run now."""
        return sum(each.alive for each in self._rows.values())

    # -- starting ------------------------------------------------------------------------------------------

    async def start(self, requests: Sequence[StartRequest], tell: StartReport, *, attached: bool = False) -> None:
        """Start many with one message to the keeper. `tell` gets each one's index and row, or why there is
        none. In a sandbox that is held still that waits until it goes on.
        """
        await self._news.until(lambda: not self.paused or self._closed)
        tell = self._noting(requests, tell)
        begun: list[tuple[int, SupervisedProcess, Spawn]] = []
        for index, request in enumerate(requests):
            try:
                begun.append((index, *self._begin(request, attached=attached)))
            except Problem as problem:
                tell(index, problem)

        def result(number: int, outcome: Spawned | SpawnFailed) -> None:
            index, process, _ = begun[number]
            tell(index, self._begun(process, outcome))

        try:
            await self.keeper.spawn_many([spawn for _, _, spawn in begun], result)
        except KeeperLost as lost:
            for index, process, _ in begun:
                if isinstance(process.record.state, Starting):
                    process.failed(str(lost))
                    tell(index, Problem(500, str(lost), "KEEPER_LOST"))

    def _noting(self, requests: Sequence[StartRequest], tell: StartReport) -> StartReport:
        """Return `tell`, which now also keeps account of the starts that failed."""

        def noted(index: int, outcome: SupervisedProcess | Problem) -> None:
            if isinstance(outcome, Problem):
                self.failed_starts.add(requests[index], outcome)
            else:
                self.failed_starts.started(requests[index])
            tell(index, outcome)

        return noted

    async def start_one(self, request: StartRequest, *, attached: bool = False) -> SupervisedProcess:
        """Start one process. Raises `Problem`."""
        outcome: list[SupervisedProcess | Problem] = []
        await self.start([request], lambda _, result: outcome.append(result), attached=attached)
        (result,) = outcome
        if isinstance(result, Problem):
            raise result
        return result

    def _begin(self, request: StartRequest, *, attached: bool) -> tuple[SupervisedProcess, Spawn]:
        """Check a request, and record that it is about to be started."""
        self._check(request)
        handle = self.next_handle()
        log = request.log or f"@{handle}"
        is_new = log not in self._logs
        try:
            process, spawn = self._prepare(request, handle, log, attached=attached)
            self.save(process.record)
        except (Problem, OSError) as error:
            if request.log is None:
                self._logs.remove(log)
            if isinstance(error, Problem):
                raise
            raise from_os(error, f"{request.name or request.command} cannot be recorded") from None
        self._rows[handle] = self._units[spawn.unit] = process
        self._names.take(process)
        if is_new:
            self.changes.log_added(log)
        return process, spawn

    def _prepare(
        self, request: StartRequest, handle: int, log: str, *, attached: bool
    ) -> tuple[SupervisedProcess, Spawn]:
        self._logs.add(log)
        store = self._logs[log]
        record = ProcessRecord(handle, request, log, store.end, Starting(handle), attached=attached, asked_at=now_ms())
        process = SupervisedProcess(self, record, store)
        return process, process.spawn()

    def _check(self, request: StartRequest) -> None:
        if self._closed:
            raise Problem(409, f"sandbox {self._sandbox} is terminated", "SANDBOX_TERMINATED")
        spawn_request.check(request)
        self._names.check(request)

    def check_restart(self, process: SupervisedProcess) -> None:
        """See `owner.ProcessOwner`."""
        self._names.check_restart(process)

    def _begun(self, process: SupervisedProcess, outcome: Spawned | SpawnFailed) -> SupervisedProcess | Problem:
        if isinstance(outcome, Spawned):
            self._drop_former(process)
        process.spawned(outcome)
        return process if isinstance(outcome, Spawned) else Problem(500, outcome.message, "SPAWN_FAILED")

    def _drop_former(self, process: SupervisedProcess) -> None:
        former = self._names.former(process)
        if former is not None and former.record.id in self._rows:
            self._drop(former)

    def forget(self, process: SupervisedProcess) -> None:
        """A first start that failed leaves no row; one that had the name before has it again."""
        record = process.record
        self._records.remove(record)
        self._rows.pop(record.id, None)
        self._units.pop(self.unit(record.id), None)
        former = self._names.give_back(process)
        self._drop_own_log(record)
        self._news.tell()
        self.changes.row_changed(record.id, *([] if former is None else [former.handle]))

    # -- for its rows --------------------------------------------------------------------------------------

    @property
    def free_handle(self) -> int:
        """See `owner.ProcessOwner`."""
        return self._last_handle + 1

    def next_handle(self) -> int:
        """A handle that no run has had."""
        self._last_handle += 1
        return self._last_handle

    def unit(self, handle: int) -> str:
        """The keeper's name for the run of that handle."""
        return f"{self._sandbox}.{handle}"

    def spawn(self, request: StartRequest) -> Spawn:
        """How a request is to be spawned. Raises `Problem`."""
        spawn = spawn_request.describe(request, self.workdir)
        spawn.namespace = None if self.namespace is None else self._sandbox
        return spawn

    @property
    def namespace(self) -> Namespace | None:
        """The sandbox's own network; None if it has that of the machine. Raises `Problem` if it cannot be made."""
        return network.namespace_of(self._sandbox, self._policy, self.keeper)

    def note_start(self, process: SupervisedProcess, run: int, time_ms: int) -> None:
        """See `owner.ProcessOwner`."""
        note = note_of(process.request, run, time_ms)
        if note is not None:
            self._notes.add(note)

    def save(self, record: ProcessRecord) -> None:
        """Put a record on disk. Raises `OSError`."""
        self._records.save(record)

    def changed(self, process: SupervisedProcess, *before: int) -> bool:
        """Record a row's change as soon as possible, put it where it is looked for, and tell who watches."""
        record = process.record
        if record.run is None or record.id not in self._rows:
            return False
        recorded = self._records.record(record)
        self._runs.put(process, *before)
        unit = process.unit
        if unit is not None:
            self._units[unit] = process
        self._news.tell()
        self.changes.row_changed(*before, process.handle)
        self._unwatched.check(process)
        if not process.live:
            self._ended.add(process)
            self._ended.prune(process)
            self.idle()
        return recorded

    def shows_change(self, process: SupervisedProcess) -> None:
        """See `owner.ProcessOwner`."""
        self.changes.row_changed(process.handle)

    # -- forgetting ----------------------------------------------------------------------------------------

    def hold(self, process: SupervisedProcess) -> None:
        """See `owner.ProcessOwner`."""
        self._ended.hold(process)
        self._unwatched.hold(process)

    def let_go(self, process: SupervisedProcess) -> None:
        """See `owner.ProcessOwner`."""
        self._ended.let_go(process)
        self._unwatched.let_go(process)

    def _drop(self, process: SupervisedProcess) -> None:
        """Take an ended row out of the list, and its output with it if nobody else's is in its log."""
        record = process.record
        self._records.remove(record)
        del self._rows[record.id]
        self._ended.remove(process)
        self._runs.remove(process)
        self._names.drop(process)
        self.changes.row_changed(process.handle)
        self._drop_own_log(record)

    def _drop_own_log(self, record: ProcessRecord) -> None:
        if record.request.log is None:
            self._logs.remove(record.log)

    # -- being held still ----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Begin nothing, check nothing, and let no time pass, from now on."""
        self.paused = True
        for process in list(self._rows.values()):
            process.pause()

    def go_on(self) -> None:
        """The inverse of `pause`."""
        self.paused = False
        for process in list(self._rows.values()):
            process.go_on()
        self._news.tell()

    @property
    def in_between(self) -> bool:
        """Whether any row is just being started or ended."""
        return any(each.in_between for each in self._rows.values())

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`; looked at again whenever a row changes, and by `look_again`."""
        await self._news.until(true)

    def look_again(self) -> None:
        """Let whoever waits look again."""
        self._news.tell()

    @property
    def units(self) -> list[str]:
        """The keeper's names for the runs that are there."""
        return [unit for each in self._rows.values() if (unit := each.unit) is not None]

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self) -> None:
        """Read the records. `adopt` and `resume` make them live again."""
        self.failed_starts.load()
        self._notes.load()
        for record in self._records.load():
            if record.log not in self._logs:
                self._logs.add(record.log)
            process = SupervisedProcess(self, record, self._logs[record.log])
            self._rows[record.id] = self._unclaimed[record.id] = process
            self._names.take(process)
            if record.run is not None:
                self._runs.put(process)
                log = self._logs[record.log]  # which may have been lost: numbers of runs never come again
                log.last_run = max(log.last_run, record.run.number)
                self.note_start(process, record.run.number, record.run.started_at)
            state = record.state
            self._last_handle = max(self._last_handle, process.handle, getattr(state, "handle", 0))
            if process.unit is not None:
                self._units[process.unit] = process
            if not process.live:
                self._ended.add(process)
            process.mend_log()

    def adopt(self, adopted: Adopted) -> bool:
        """Take over a run; False if no row wants it."""
        process = self._units.get(adopted.unit)
        if process is None or process.unit != adopted.unit:
            return False
        self._unclaimed.pop(process.record.id, None)
        process.adopt(adopted)
        self._unwatched.check(process)
        return True

    def claims(self) -> list[Claim]:
        """The units that are recorded as being there, or as being started, and were not taken over by `adopt`."""
        return [claim for process in self._unclaimed.values() if (claim := process.claim) is not None]

    def resume(self, *, rebooted: bool) -> None:
        """Go on with everything that was not taken over, once nothing of it is left.

        What was taken over has gone on meanwhile: a run may have ended, and the next one have been asked for. After a
        restart of the machine (`rebooted`) nothing is started.
        """
        unclaimed = list(self._unclaimed.values())
        self._unclaimed.clear()
        for process in unclaimed:
            if isinstance(process.record.state, Running):
                process.lost(rebooted=rebooted)
            else:
                process.resume(rebooted=rebooted)
        for number in self._names.starting():
            self._drop_former(self._rows[number])

    def exited(self, exited: Exited) -> bool:
        """A run is over; False if no row wants to know."""
        process = self._units.pop(exited.unit, None)
        if process is None:
            return self.commands.exited(exited)
        process.exited(exited)
        return True

    async def end(self, *, grace_ms: int | None = None) -> None:
        """End every row by its signal and grace; `grace_ms` limits the time that each may take."""
        await asyncio.gather(*(each.stop(grace_ms=_shorter(each, grace_ms)) for each in self.live))

    def closed(self) -> None:
        """The sandbox is no more."""
        self._closed = True
        self._news.tell()
        self.changes.closed()
        if self._policy is not None:
            self.keeper.drop(self._sandbox)
        self._logs.close()


def _shorter(process: SupervisedProcess, grace_ms: int | None) -> int | None:
    return None if grace_ms is None else min(grace_ms, process.request.stop_grace_ms)
