"""The supervised processes of one sandbox: started, taken over from the last server, and ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sbxcompose.api.models import StartRequest
from sbxcompose.clock import wall_ms
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.isolation.plan import path_hint
from sbxcompose.host.keeper.client import (
    Adopted,
    Claim,
    Exited,
    KeeperLost,
    Spawn,
    Spawned,
    SpawnFailed,
    SpawnLost,
)
from sbxcompose.host.supervise import spawn_request
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.process_table import ProcessTable
from sbxcompose.host.supervise.state import ProcessRecord, Running, Starting
from sbxcompose.tasks import finish_all

StartReport = Callable[[int, "SupervisedProcess | Problem"], None]


class Processes(ProcessTable):
    """All processes of one sandbox; arguments as for `ProcessTable`."""

    # -- starting ------------------------------------------------------------------------------------------

    async def start(self, requests: Sequence[StartRequest], report: StartReport, *, attached: bool = False) -> None:
        """Start many with one message to the keeper. `report` gets each one's index and row, or why there is
        none. In a frozen sandbox the start waits until that is resumed. What was started before, with the same key,
        is not started again.
        """
        await self._news.wait_until(lambda: not self.paused or self._closed)
        report = self._noting(requests, report)
        begun: list[tuple[int, SupervisedProcess, Spawn]] = []
        repeated: list[tuple[int, SupervisedProcess]] = []
        for index, request in enumerate(requests):
            known = self._keys.find(request)
            if known is not None:
                repeated.append((index, known))
                continue
            try:
                begun.append((index, *self._begin(request, attached=attached)))
            except Problem as problem:
                report(index, problem)

        def result(number: int, outcome: Spawned | SpawnFailed) -> None:
            index, process, _ = begun[number]
            report(index, self._begun(process, outcome))

        try:
            await self.keeper.spawn_many([spawn for _, _, spawn in begun], result)
        except KeeperLost as lost:
            for index, process, _ in begun:
                # The keeper may have answered for some of them before it was lost.
                if isinstance(process.record.state, Starting):
                    process.failed(str(lost))
                    report(index, Problem(500, str(lost), "KEEPER_LOST"))
        for index, process in repeated:
            report(index, await self._repeated(process))

    async def _repeated(self, process: SupervisedProcess) -> SupervisedProcess | Problem:
        """Answer a start that was made before, whose caller has lost the answer; make it again if it has failed."""

        def decided() -> bool:
            return process.record.run is not None or self._keys.find(process.request) is not process or self._closed

        await self._news.wait_until(decided)
        if process.record.run is not None:
            return process
        try:
            self._check(process.request)
            return await self.start_one(process.request)
        except Problem as problem:
            return problem

    def _noting(self, requests: Sequence[StartRequest], report: StartReport) -> StartReport:
        """Return `report`, which now also keeps account of the starts that failed."""

        def noted(index: int, outcome: SupervisedProcess | Problem) -> None:
            if isinstance(outcome, Problem):
                self.failed_starts.add(requests[index], outcome)
                self._retract_replacement(requests[index])
            else:
                self.failed_starts.started(requests[index])
            report(index, outcome)

        return noted

    def _retract_replacement(self, request: StartRequest) -> None:
        """Let the stop of the run before count as one, now that the run that was to follow has not begun."""
        for process in tuple(self._rows.values()):
            if request.log is not None and process.record.log == request.log:
                process.note_no_replacement()

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
        self._note_live(process)
        self._names.take(process)
        self._keys.take(process)
        if is_new:
            self.changes.log_added(log)
        return process, spawn

    def _prepare(
        self, request: StartRequest, handle: int, log: str, *, attached: bool
    ) -> tuple[SupervisedProcess, Spawn]:
        self._logs.add(log)
        store = self._logs[log]
        starting = Starting(handle, keeper=self.keeper.identity)
        record = ProcessRecord(handle, request, log, store.end, starting, attached=attached, asked_at=wall_ms())
        process = SupervisedProcess(self, record, store)
        return process, process.spawn()

    def _check(self, request: StartRequest) -> None:
        if self._closed:
            raise Problem(409, f"sandbox {self._sandbox} is terminated", "SANDBOX_TERMINATED")
        spawn_request.check(request)
        self._names.check(request)

    def check_restart(self, process: SupervisedProcess) -> None:
        """Refuse to restart an ended row while another live run of the instance exists. Raises `Problem`."""
        self._names.check_restart(process)

    def _begun(self, process: SupervisedProcess, outcome: Spawned | SpawnFailed) -> SupervisedProcess | Problem:
        if isinstance(outcome, SpawnFailed) and not isinstance(outcome, SpawnLost):
            process.spawned(outcome)
            return self._not_started(outcome.message)
        self._drop_former(process)
        process.spawned(outcome)
        return process

    def _not_started(self, message: str) -> Problem:
        return Problem(500, message, "SPAWN_FAILED", path_hint(message, isolated=self.isolation is not None))

    def _drop_former(self, process: SupervisedProcess) -> None:
        former = self._names.former(process)
        if former is not None and former.record.id in self._rows:
            self._drop(former)

    def forget(self, process: SupervisedProcess) -> None:
        """Remove the row of a first start that failed; one that had the name before has it again."""
        record = process.record
        self._records.remove(record)
        self._rows.pop(record.id, None)
        self._live.discard(record.id)
        self._units.pop(self.unit(record.id), None)
        former = self._names.give_back(process)
        self._keys.forget(process)
        self._drop_own_log(record)
        self._news.notify()
        self.changes.row_changed(record.id, *([] if former is None else [former.handle]))

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self) -> None:
        """Read the records. `adopt` and `recover` make them live again."""
        self.failed_starts.load()
        self._notes.load()
        for record in self._records.load():
            if record.log not in self._logs:
                self._logs.add(record.log)
            process = SupervisedProcess(self, record, self._logs[record.log])
            self._rows[record.id] = self._unclaimed[record.id] = process
            self._note_live(process)
            self._names.take(process)
            self._keys.take(process)
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
            process.complete_log()

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
        """Return the units recorded as running, or as being started, that were not taken over by `adopt`."""
        return [claim for process in self._unclaimed.values() if (claim := process.claim) is not None]

    def recover(self, interruption: Interruption) -> None:
        """Continue with everything that was not taken over, once nothing of it is left.

        What was taken over has continued meanwhile: a run may have ended, and the next one have been asked for. After
        an interruption for good nothing is started.
        """
        unclaimed = list(self._unclaimed.values())
        self._unclaimed.clear()
        for process in unclaimed:
            if isinstance(process.record.state, Running):
                process.lost(interruption)
            else:
                process.recover(interruption)
        for number in self._names.starting():
            self._drop_former(self._rows[number])

    def exited(self, exited: Exited) -> bool:
        """Take note that a run is over; False if it belongs to no row."""
        process = self._units.pop(exited.unit, None)
        if process is None:
            return self.commands.exited(exited)
        process.exited(exited)
        return True

    async def end(self, *, grace_ms: int | None = None) -> None:
        """End every row by its signal and grace; `grace_ms` limits the time that each may take."""
        await finish_all(process.stop(grace_ms=_shorter(process, grace_ms)) for process in self.live)

    def closed(self) -> None:
        """Release everything: the sandbox is terminated."""
        self._closed = True
        self._news.notify()
        self.changes.closed()
        if self._policy is not None:
            self.keeper.drop(self._sandbox)
        self._logs.close()


def _shorter(process: SupervisedProcess, grace_ms: int | None) -> int | None:
    return None if grace_ms is None else min(grace_ms, process.request.stop_grace_ms)
