"""What drives the life of a supervised process: its events are reported, and what follows is done.

What a row becomes is decided in `lifecycle`. A run ends in two steps: the keeper reports that the process and
everything it had started are gone, then what is left in the pipes is read. Only then is the end noted in the log and
reported.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from sbxcompose.api.models import LastExit
from sbxcompose.clock import boot_time, wall_ms
from sbxcompose.host.base import write_back
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.base.timer import PreciseTimer
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.keeper.client import Adopted, Claim, Exited, KeeperLost, Spawn, Spawned, SpawnFailed, SpawnLost
from sbxcompose.host.keeper.messages import close_streams
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise.beside import CommandsBeside
from sbxcompose.host.supervise.health import Health
from sbxcompose.host.supervise.health_task import Checks
from sbxcompose.host.supervise.keeper_requests import keeper_request
from sbxcompose.host.supervise.lifecycle import may_be_repeated, may_have_begun, transition
from sbxcompose.host.supervise.lifecycle_types import (
    AttachOutput,
    BackoffOver,
    BeginChecks,
    CancelTimer,
    Effect,
    EndChecks,
    ForgetRow,
    HealthChecked,
    HostRestarted,
    KillRun,
    LifecycleEvent,
    ProcessContext,
    RunAdopted,
    RunExited,
    RunLost,
    RunStarted,
    RunStopCommand,
    SandboxPaused,
    SandboxResumed,
    SetTimer,
    SpawnRun,
    StartFailed,
    StartLost,
    StopCommandEnded,
    StopRun,
)
from sbxcompose.host.supervise.owner import ProcessOwner
from sbxcompose.host.supervise.pipes import RunPipes
from sbxcompose.host.supervise.probes import probes_of
from sbxcompose.host.supervise.row import ProcessRow
from sbxcompose.host.supervise.run_number import lost_run_number, run_number
from sbxcompose.host.supervise.state import ProcessRecord, Running, Starting, exit_of
from sbxcompose.tasks import finish_all

MAX_LEFT = 20
"""The most processes left behind by a run that are remembered."""


class LifecycleDriver(ProcessRow):
    """A row that reports events to its lifecycle and performs the effects."""

    def __init__(self, owner: ProcessOwner[Any], record: ProcessRecord, log: LogStore) -> None:
        super().__init__(owner, record, log)
        self._attachment: RunPipes | None = None
        self._arrived: Spawned | Adopted | None = None
        self._recorded = False
        self._timer = PreciseTimer()
        self._ended_ms: int | None = None
        """The end that is being reported: a backoff counts from it, not from its report."""
        self._checks = Checks()
        self._beside = CommandsBeside(owner, lambda: self.record)
        self._news = ChangeSignal()

    # -- events and effects --------------------------------------------------------------------------------

    def _report(self, event: LifecycleEvent) -> None:
        """Change the state by an event, and carry out what follows without waiting for it."""
        for effect in self._change(event):
            waiting = self._perform(effect)
            if waiting is not None:
                self._owner.keeper.tasks.start(waiting)

    async def _report_and_wait(self, event: LifecycleEvent) -> None:
        """Change the state by an event, and wait until the keeper has answered. Raises `KeeperLost`."""
        waiting = [self._perform(effect) for effect in self._change(event)]
        await finish_all(answer for answer in waiting if answer is not None)

    def _change(self, event: LifecycleEvent) -> list[Effect]:
        owner, before, handle = self._owner, self.record, self.handle
        ms = wall_ms()
        late_ms = 0 if self._ended_ms is None else max(0, ms - self._ended_ms)
        boot_ms = int(boot_time() * 1000)
        now = ProcessContext(ms, owner.paused, owner.free_handle, self.log.end, owner.keeper.identity, late_ms, boot_ms)
        self.record, effects = transition(before, event, now)
        # `now` only offered the handle; it is used up by a transition that begins a run.
        if any(isinstance(effect, SpawnRun) for effect in effects):
            owner.next_handle()
        if self.record is not before:
            self._notify_change(*([handle] if self.handle != handle else []))
        return effects

    def _notify_change(self, *former: int) -> None:
        """Record the change and tell it; wake whoever waits for it, to look again."""
        self._recorded = self._owner.changed(self, *former)
        self._news.notify()

    def _perform(self, effect: Effect) -> Coroutine[Any, Any, object] | None:
        """Carry out an effect; what remains to be awaited is the keeper's answer."""
        match effect:
            case SetTimer(delay_ms):
                self._timer.set(delay_ms / 1000, lambda: self._report(BackoffOver()))
            case CancelTimer():
                self._timer.cancel()
            case BeginChecks(since_ms):
                self._begin_checks(since_ms)
            case EndChecks():
                self._checks.end()
            case AttachOutput(number):
                self._attach(number)
            case SpawnRun():
                self._owner.keeper.tasks.start(self._spawn_run())
            case ForgetRow():
                self._owner.forget(self)
            case RunStopCommand(handle, command, grace_ms):
                return self._beside.stop(handle, command, grace_ms / 1000, self._report)
            case _:
                if isinstance(effect, StopRun | KillRun):
                    self._beside.shorten_stop(effect.handle, effect.grace_ms / 1000)
                return keeper_request(self._owner.keeper, self._owner.unit, effect)
        return None

    # -- a run begins --------------------------------------------------------------------------------------

    def spawn(self) -> Spawn:
        """Return what the keeper is to start for the run that has been asked for. Raises `Problem`."""
        spawn = self._owner.spawn(self.request)
        assert self.unit is not None
        spawn.unit = self.unit
        spawn.meta = {"record": self.record.id}
        spawn.repeatable = may_be_repeated(self.record)
        return spawn

    async def _spawn_run(self) -> None:
        """Start the run that has been recorded as starting; what is not on disk is not started."""
        try:
            if not self._recorded:
                self._owner.save(self.record)
            await self._owner.keeper.spawn_many([self.spawn()], lambda _, result: self.spawned(result))
        except (KeeperLost, Problem) as error:
            self.failed(str(error))
        except OSError as error:
            self.failed(f"not started: {(error.strerror or str(error)).lower()}")

    def spawned(self, result: Spawned | SpawnFailed) -> None:
        """Report the keeper's answer to a spawn."""
        if isinstance(result, SpawnLost):
            self._start_lost(result.message)
        elif isinstance(result, SpawnFailed):
            self.failed(result.message)
        else:
            self._take(result, RunStarted)

    def _start_lost(self, error: str, *, for_good: bool = False) -> None:
        """Report a run that may have begun, and of which nothing is left, as one that was lost."""
        state = self.record.state
        assert isinstance(state, Starting)
        begun = self.record.asked_at if self.record.run is None and self.record.asked_at else wall_ms()
        number = lost_run_number(self.log, self.owns_run, begun / 1000)
        self._owner.note_start(self, number, begun)
        end = LastExit(ended_at=wall_ms())
        self._note_end(number, end)
        self._report(StartLost(state.handle, number, begun, end, error, for_good))

    def failed(self, message: str) -> None:
        """Report that the run could not be started. On a restart that counts as a failed run (contract 3.4)."""
        self._report(StartFailed(message))

    def adopt(self, adopted: Adopted) -> None:
        """Take over a run that the last server had begun, and finish what that one had begun with it."""
        self._take(adopted, lambda *facts: RunAdopted(RunStarted(*facts)))
        if adopted.exited is not None:
            self.exited(adopted.exited)

    def _take(
        self, arrived: Spawned | Adopted, event: Callable[[int, int, int, int, bool, int], LifecycleEvent]
    ) -> None:
        handle = _handle_of(arrived.unit)
        state = self.record.state
        awaited = isinstance(state, Starting) and state.handle == handle
        number = run_number(self.log, self.owns_run, arrived) if awaited else 0
        if number:
            self._owner.note_start(self, number, int(arrived.at * 1000))
        self._arrived = arrived
        open_input = arrived.stdin is not None
        self._report(event(handle, arrived.pid, number, int(arrived.at * 1000), open_input, arrived.ticks))
        self._close_arrived()

    def _attach(self, number: int) -> None:
        run, arrived = self.record.run, self._arrived
        assert run is not None
        assert arrived is not None
        self._arrived = None
        self._attachment = RunPipes(
            self.log,
            number,
            arrived,
            input_open=run.stdin_open,
            tty=self.request.tty,
            on_blocked=lambda: self._owner.shows_change(self),
        )

    @property
    def output_blocked(self) -> str | None:
        """Why its output cannot be written to its log now; None if it can."""
        return self._attachment.blocked if self._attachment is not None else None

    def _close_arrived(self) -> None:
        """Close the descriptors of a run that was not awaited."""
        arrived, self._arrived = self._arrived, None
        if arrived is not None:
            close_streams(arrived)

    # -- a run ends ----------------------------------------------------------------------------------------

    def exited(self, exited: Exited) -> None:
        """Report that the process is gone, and all that it had started."""
        at = int(exited.at * 1000)
        end = exit_of(exited.status, at, oom_killed=exited.oom_killed, oom_kills=exited.oom_kills)
        error, run = None, self.record.run
        if isinstance(self.record.state, Running) and run is not None:
            # First what is left in its pipes: the end of a run stands in the log after its last line.
            lost = self._attachment.finish() if self._attachment is not None else None
            error = self._note_end(run.number, end) or lost
        self._keep_stop_output(_handle_of(exited.unit))
        # An end may be reported long after: the server was away, or what the leader had left behind had to be killed
        # first.
        self._ended_ms = end.ended_at
        try:
            self._report(RunExited(_handle_of(exited.unit), end, error, exited.left_behind[:MAX_LEFT]))
        finally:
            self._ended_ms = None

    def _keep_stop_output(self, handle: int) -> None:
        """Keep what the stop command of a run that has just ended has printed: it may be killed as the run was."""
        state = self.record.state
        if isinstance(state, Running) and state.ending is not None:
            printed = self._beside.stop_output(handle)
            if printed is not None:
                self._report(StopCommandEnded(handle, None, printed))

    def lost(self, interruption: Interruption) -> None:
        """Report a run whose end was not observed: keeper and server had died, or the machine went down."""
        assert self.record.run is not None
        end = LastExit(ended_at=wall_ms())
        error = self._note_end(self.record.run.number, end) or f"{interruption.value} while it ran"
        self._report(RunLost(end, error, interruption.for_good))

    def _note_end(self, run: int, end: LastExit) -> str | None:
        """Note a run's end in its log, now or as soon as there is room for it; what kept it from being noted."""
        self._attachment = None
        how = (end.exit_code, end.signal, end.ended_at / 1000)
        note = partial(self.log.end_run, run, *how, oom_killed=end.oom_killed, oom_kills=end.oom_kills)
        try:
            note()
        except OSError as problem:
            write_back.when_possible(note)
            return f"its end is not in its log yet: {(problem.strerror or str(problem)).lower()}"
        return None

    def complete_log(self) -> None:
        """Note the latest run's end in its log, should the last server not have been able to."""
        run = self.record.run
        if run is not None and run.ended is not None and run.number in self.log.running:
            self._note_end(run.number, run.ended)

    # -- between runs --------------------------------------------------------------------------------------

    @property
    def claim(self) -> Claim | None:
        """What is to be looked for if no keeper knows the run that is recorded as being there."""
        run, unit = self.record.run, self.unit
        if unit is None:
            return None
        if run is None or isinstance(self.record.state, Starting):
            return Claim(unit)
        return Claim(unit, run.pid, run.ticks, run.started_at / 1000)

    def recover(self, interruption: Interruption) -> None:
        """Continue what the last server left without a run: a backoff, or a start that was not made."""
        if may_have_begun(self.record, self._owner.keeper.identity) and not may_be_repeated(self.record):
            words = f"{interruption.value} while it was started; it may have run in part"
            self._start_lost(words, for_good=interruption.for_good)
        else:
            self._report(HostRestarted(interruption.for_good))

    def pause(self) -> None:
        """Check nothing, and let no time pass: the sandbox is being suspended or copied."""
        self._report(SandboxPaused())

    def unpause(self) -> None:
        """Wait for what was left of a backoff, and check health as after a start: the sandbox runs again."""
        self._report(SandboxResumed())

    def _pid(self) -> str:
        return str(self.record.run.pid) if self.record.run is not None else ""

    # -- health --------------------------------------------------------------------------------------------

    def _begin_checks(self, since_ms: int) -> None:
        config, owner = self.request.health_check, self._owner
        assert config is not None
        probes = probes_of(owner, self.record, lambda command: self._beside.run(command, repeatable=True))
        self._checks.begin(owner.keeper.tasks, config, self.record.health, since_ms, self._checked, probes)

    def _checked(self, health: Health) -> None:
        self._report(HealthChecked(health))


def _handle_of(unit: str) -> int:
    """Return the handle in a unit's name, see `ProcessOwner.unit`."""
    return int(unit.rpartition(".")[2])
