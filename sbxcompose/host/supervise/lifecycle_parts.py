"""What several steps of `lifecycle_steps` are made of: how a run is asked to end, its end, and what comes after it."""

from __future__ import annotations

from signal import SIGCONT

from msgspec.structs import replace

from sbxcompose.api.models import LastExit
from sbxcompose.host.supervise import describe, restart
from sbxcompose.host.supervise.lifecycle_types import (
    BeginChecks,
    CancelTimer,
    Effect,
    EndChecks,
    ProcessContext,
    RunStopCommand,
    SetTimer,
    SpawnRun,
    StopRequested,
    StopRun,
)
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    ProcessState,
    RequestedStop,
    Run,
    Running,
    Starting,
    Stopped,
    SuspendedBackoff,
    Why,
)
from sbxcompose.linux.processes import TICK_MS

Outcome = tuple[ProcessRecord, list[Effect]]


def starting_state(record: ProcessRecord) -> Starting:
    """Return the state of a record that is starting."""
    assert isinstance(record.state, Starting)
    return record.state


def running_state(record: ProcessRecord) -> Running:
    """Return the state of a record whose run is alive."""
    assert isinstance(record.state, Running)
    return record.state


def run_of(record: ProcessRecord) -> Run:
    """Return the run of a record that has had one."""
    assert record.run is not None
    return record.run


def why_ending(record: ProcessRecord) -> Why | None:
    """Return why its run is asked to end, or will be once it is there; None if it is not."""
    state = record.state
    return state.ending.why if isinstance(state, (Starting, Running)) and state.ending is not None else None


def with_end(record: ProcessRecord, end: LastExit, error: str | None) -> ProcessRecord:
    """Return the record with the end of its run."""
    run = replace(run_of(record), ended=end, stdin_open=False)
    return replace(record, run=run, last_exit=end, last_error=error, left_behind=[])


def lasted_ms(run: Run, until: int, now: ProcessContext) -> int:
    """Return how long a run had lasted at a moment, though the wall clock was set meanwhile.

    A run that an older version recorded has no start by the clock of the boot.
    """
    if not run.ticks or not now.boot_ms:
        return max(0, until - run.started_at)
    return max(0, now.boot_ms - round(run.ticks * TICK_MS) - max(0, now.ms - until))


def after_failure(record: ProcessRecord, now: ProcessContext, *, failed: bool, ran_ms: int) -> Outcome:
    """Restart or stay down, as the policy has it, after a run that ended without being asked to."""
    ending = restart.RunEnding(failed, ran_ms)
    good = restart.was_good(ran_ms, record.health.status)
    record = replace(record, failed_runs=0 if good else record.failed_runs + 1)
    match restart.after_exit(describe.policy(record), record.tally, ending):
        case restart.RestartAfter(delay_ms, tally):
            return back_off(replace(record, tally=tally), delay_ms, now)
        case restart.NoRestart(because):
            error = "; ".join(filter(None, (record.last_error, because))) or None
            return stopped(replace(record, last_error=error), now)


def stopped(record: ProcessRecord, now: ProcessContext, *effects: Effect, requested: bool = False) -> Outcome:
    """Nothing runs or will run; `requested`: it was stopped on request."""
    ending = record.state.ending if isinstance(record.state, Starting | Running) else None
    replaced = requested and ending is not None and ending.replaced
    return replace(record, state=Stopped(now.log_end, requested, replaced)), list(effects)


def back_off(record: ProcessRecord, delay_ms: int, now: ProcessContext) -> Outcome:
    """Wait before the next run; in a paused sandbox that time does not pass."""
    left_ms = max(0, delay_ms - now.late_ms)
    if now.paused:
        return in_state(record, SuspendedBackoff(left_ms))
    return in_state(record, BackingOff(now.ms + left_ms), SetTimer(left_ms))


def begin_again(record: ProcessRecord, now: ProcessContext) -> Outcome:
    """Start a run now, or once the sandbox is resumed."""
    if now.paused:
        return in_state(record, SuspendedBackoff(0), CancelTimer())
    starting = Starting(now.next_handle, keeper=now.keeper)
    return in_state(record, starting, CancelTimer(), SpawnRun(now.next_handle))


def in_state(record: ProcessRecord, state: ProcessState, *effects: Effect) -> Outcome:
    """Return the record in a state, and the effects."""
    return replace(record, state=state), list(effects)


def begun(record: ProcessRecord, run: Run) -> ProcessRecord:
    """Return the record with the run that was asked for."""
    restarts = record.restarts + (record.run is not None)
    runs = with_run(record.runs, run.number)
    running = Running(starting_state(record).ending)
    return replace(record, state=running, run=run, runs=runs, restarts=restarts)


def with_run(runs: list[list[int]], number: int) -> list[list[int]]:
    """Add a run's number to ranges of numbers, [first, last] each."""
    if runs and number <= runs[-1][1] + 1:
        first, last = runs[-1]
        return [*runs[:-1], [first, max(number, last)]]
    return [*runs, [number, number]]


def ask(handle: int, ending: RequestedStop, grace_ms: int) -> Effect:
    """Say how a run is asked to end."""
    if ending.command:
        return RunStopCommand(handle, ending.command, grace_ms)
    return StopRun(handle, ending.signal, grace_ms)


def supervise(record: ProcessRecord, since_ms: int, now: ProcessContext) -> list[Effect]:
    """Say what a run that is there needs: to be stopped if that was asked for, else health checks."""
    ending = running_state(record).ending
    if ending is not None:
        return [ask(run_of(record).handle, ending, ending.left_ms(now.ms))]
    if record.request.health_check is not None and not now.paused:
        return [BeginChecks(since_ms)]
    return []


def ask_to_end(record: ProcessRecord, why: Why, wish: StopRequested, now: ProcessContext) -> Outcome:
    """Ask the run to end. A later wish changes why, and can shorten the grace; it never prolongs it."""
    state = record.state
    assert isinstance(state, Starting | Running)
    signal = record.request.stop_signal if wish.signal is None else wish.signal
    grace_ms = record.request.stop_grace_ms if wish.grace_ms is None else wish.grace_ms
    # A signal that is asked for takes the place of the stop command in the file.
    command = wish.command if wish.signal is not None else wish.command or record.request.stop_command
    deadline = now.ms + grace_ms
    if state.ending is not None:
        deadline = min(deadline, state.ending.deadline)
    # Without any grace a command would be killed before it could do anything.
    run = command if command and grace_ms > 0 else None
    ending = RequestedStop(why, signal, deadline, run, grace_ms=grace_ms, replaced=wish.replaced)
    if isinstance(state, Starting):
        return in_state(record, replace(state, ending=ending))
    handle = run_of(record).handle
    if state.ending is not None and ending.command and state.ending.command == ending.command:
        # It runs already: only the time may be shorter now. SIGCONT does not disturb.
        return in_state(record, Running(ending), EndChecks(), StopRun(handle, SIGCONT, grace_ms))
    return in_state(record, Running(ending), EndChecks(), ask(handle, ending, grace_ms))
