"""The life of a supervised process as one pure function: (record, event, now) -> (record, effects).

Contract 3.4 says what happens in which state. Nothing here acts: `lifecycle_driver.LifecycleDriver` reports events and
performs effects. `tests/unit/host/test_lifecycle.py` has every pair of a state and an event.

Where the steps of `lifecycle_steps` lead: `begin_again` to Starting, `back_off` to BackingOff (in a paused sandbox both
to SuspendedBackoff), `stopped` to Stopped, `after_failure` to one of these as `restart` says; `ask_to_end` keeps
Starting or Running and sets its `ending`.
"""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGKILL
from typing import Any

from msgspec.structs import replace

from sbxcompose.host.supervise import describe, health, restart
from sbxcompose.host.supervise.lifecycle_steps import (
    Outcome,
    after_failure,
    ask_to_end,
    back_off,
    begin_again,
    begun,
    in_state,
    lasted_ms,
    stopped,
    supervise,
    with_end,
)
from sbxcompose.host.supervise.lifecycle_types import (
    AttachOutput,
    BackoffOver,
    CancelTimer,
    CloseInput,
    EndChecks,
    ForgetRow,
    HealthChecked,
    HostRestarted,
    InputClosed,
    KillRequested,
    KillRun,
    LifecycleEvent,
    ProcessContext,
    ReleaseRun,
    RestartRequested,
    RunAdopted,
    RunExited,
    RunLost,
    RunStarted,
    SandboxPaused,
    SandboxResumed,
    StartFailed,
    StartLost,
    StopCommandEnded,
    StopRequested,
    StopRun,
)
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    RequestedStop,
    Run,
    Running,
    Starting,
    Stopped,
    SuspendedBackoff,
)


def transition(record: ProcessRecord, event: LifecycleEvent, now: ProcessContext) -> Outcome:
    """Return the record after an event, and what has to be done. An event that means nothing changes nothing."""
    return _HANDLERS[type(event)](record, event, now)


# -- a run begins ------------------------------------------------------------------------------------------


def _run_started(record: ProcessRecord, event: RunStarted, now: ProcessContext) -> Outcome:
    state = record.state
    if not isinstance(state, Starting) or state.handle != event.handle:
        known = isinstance(state, Running) and record.run is not None and record.run.handle == event.handle
        # A run that no request waits for would be a second one.
        return record, [] if known else [KillRun(event.handle)]
    run = Run(event.handle, event.pid, event.number, event.started_at, stdin_open=event.stdin_open, ticks=event.ticks)
    running = replace(
        begun(record, state, run),
        health=health.at_start(record.request.health_check),
        stop_output=None,
        stop_reason=None if state.ending is None else record.stop_reason,
    )
    return running, [AttachOutput(event.number), *supervise(running, run.started_at, now)]


def _run_adopted(record: ProcessRecord, event: RunAdopted, now: ProcessContext) -> Outcome:
    run = record.run
    if isinstance(record.state, Starting):
        record, effects = _run_started(record, event.run, now)
    elif isinstance(record.state, Running) and run is not None and run.handle == event.run.handle:
        effects = [AttachOutput(run.number), *supervise(record, run.started_at, now)]
        if event.run.stdin_open and not run.stdin_open:
            effects.append(CloseInput(run.handle))
    else:
        return record, [KillRun(event.run.handle)]
    if record.attached:
        effects.append(KillRun(event.run.handle))  # whoever read its output is gone
    return record, effects


def _start_failed(record: ProcessRecord, event: StartFailed, now: ProcessContext) -> Outcome:
    state = record.state
    if not isinstance(state, Starting):
        return record, []
    failed = replace(record, last_error=event.message, health=health.at_start(record.request.health_check))
    if record.run is None:
        # Whoever asked for it is told by the answer: no row of it remains.
        return stopped(failed, now, ForgetRow())
    if state.ending is not None and state.ending.why == "stop":
        return stopped(failed, now, requested=True)
    if state.ending is not None and state.ending.why == "restart":
        return begin_again(failed, now)
    return after_failure(failed, now, failed=True, ran_ms=0)


def _start_lost(record: ProcessRecord, event: StartLost, now: ProcessContext) -> Outcome:
    """Take it for a run that was lost: whoever must not run twice is not started again."""
    state = record.state
    if not isinstance(state, Starting) or state.handle != event.handle:
        return record, []
    running = begun(record, state, Run(event.handle, 0, event.number, event.started_at))
    return _run_lost(running, RunLost(event.exit, event.error, event.for_good), now)


# -- a run ends --------------------------------------------------------------------------------------------


def _run_exited(record: ProcessRecord, event: RunExited, now: ProcessContext) -> Outcome:
    state, run = record.state, record.run
    release = ReleaseRun(event.handle)
    if not isinstance(state, Running) or run is None or run.handle != event.handle:
        # Of a run that this row no longer waits for: the keeper keeps every end until it is released.
        return record, [release]
    error = event.error or (state.ending.error if state.ending is not None else None)
    ended = replace(with_end(record, run, event.exit, error), left_behind=event.left_behind)
    why = state.ending.why if state.ending is not None else None
    if why == "stop" or not record.request.managed:
        return stopped(ended, now, EndChecks(), release, requested=why == "stop")
    if why == "restart":
        after, effects = begin_again(ended, now)
        return after, [EndChecks(), *effects, release]
    if why == "unhealthy":
        ended = replace(ended, last_error=f"unhealthy: {record.health.last_check}")
    failed = why == "unhealthy" or not event.exit.counts_as_success(record.request.success_exit_codes)
    ran_ms = lasted_ms(run, event.exit.ended_at, now)
    after, effects = after_failure(ended, now, failed=failed, ran_ms=ran_ms)
    return after, [EndChecks(), *effects, release]


def _run_lost(record: ProcessRecord, event: RunLost, now: ProcessContext) -> Outcome:
    """Start it again at once, if its policy restarts after failures: it was the host that failed, and not the run."""
    state = record.state
    if not isinstance(state, Running) or record.run is None:
        return record, []
    ended = with_end(record, record.run, event.exit, event.error)
    why = state.ending.why if state.ending is not None else None
    unwanted = why == "stop" or not record.request.managed or describe.policy(record).policy == "never"
    if event.for_good or (unwanted and why != "restart"):
        return stopped(ended, now, EndChecks(), requested=why == "stop")
    after, effects = begin_again(ended, now)
    return after, [EndChecks(), *effects]


# -- between runs ------------------------------------------------------------------------------------------


def _backoff_over(record: ProcessRecord, _: BackoffOver, now: ProcessContext) -> Outcome:
    return begin_again(record, now) if isinstance(record.state, BackingOff) else (record, [])


def _host_restarted(record: ProcessRecord, event: HostRestarted, now: ProcessContext) -> Outcome:
    match record.state:
        case Starting() if record.run is None:
            return stopped(record, now, ForgetRow())
        case Starting(_, ending) if ending is not None and ending.why == "stop":
            return stopped(record, now, requested=True)
        case Starting() | BackingOff() | SuspendedBackoff() if event.for_good:
            return stopped(record, now)
        case Starting():
            return begin_again(record, now)
        case BackingOff(until):
            return back_off(record, restart.remaining_ms(describe.policy(record), until, now.ms), now)
        case SuspendedBackoff(left_ms):
            return back_off(record, left_ms, now)
        case _:
            return record, []


def _sandbox_paused(record: ProcessRecord, _: SandboxPaused, now: ProcessContext) -> Outcome:
    match record.state:
        case Running():
            return record, [EndChecks()]
        case BackingOff(until):
            left_ms = restart.remaining_ms(describe.policy(record), until, now.ms)
            return in_state(record, SuspendedBackoff(left_ms), CancelTimer())
        case _:
            return record, []


def _sandbox_resumed(record: ProcessRecord, _: SandboxResumed, now: ProcessContext) -> Outcome:
    match record.state:
        case SuspendedBackoff(left_ms):
            return back_off(record, left_ms, now)
        case Running(None) if record.request.health_check is not None:
            # What a check saw before says nothing of now: its health counts as that of a new run.
            anew = replace(record, health=health.at_start(record.request.health_check))
            return anew, supervise(anew, now.ms, now)
        case _:
            return record, []


# -- requests and health -----------------------------------------------------------------------------------


def _stop_requested(record: ProcessRecord, event: StopRequested, now: ProcessContext) -> Outcome:
    match record.state:
        case Stopped():
            return record, []
        case BackingOff() | SuspendedBackoff():
            return stopped(record, now, CancelTimer(), requested=True)
    if event.reason is not None:
        record = replace(record, stop_reason=event.reason)
    if not record.request.managed and event.signal is None:
        return _kill_requested(record, KillRequested(), now)
    return ask_to_end(record, "stop", event, now)


def _kill_requested(record: ProcessRecord, _: KillRequested, now: ProcessContext) -> Outcome:
    ending = RequestedStop("stop", SIGKILL, now.ms, grace_ms=0)
    match record.state:
        case Starting() as state:
            # The keeper may be forking it now: it is killed once the run is there (`supervise`).
            return in_state(record, replace(state, ending=ending))
        case Running() if record.run is not None:
            return in_state(record, Running(ending), EndChecks(), KillRun(record.run.handle))
        case _:
            return _stop_requested(record, StopRequested(), now)


def _restart_requested(record: ProcessRecord, _: RestartRequested, now: ProcessContext) -> Outcome:
    record = replace(record, failed_runs=0)
    if isinstance(record.state, Running | Starting):
        return ask_to_end(record, "restart", StopRequested(), now)
    return begin_again(record, now)


def _health_checked(record: ProcessRecord, event: HealthChecked, now: ProcessContext) -> Outcome:
    # While it is asked to end, what a check sees says nothing of its health.
    if not isinstance(record.state, Running) or record.state.ending is not None:
        return record, []
    checked = replace(record, health=event.health)
    if event.health.status != "unhealthy":
        return checked, []
    if record.run is not None and restart.was_good(lasted_ms(record.run, now.ms, now), record.health.status):
        checked = replace(checked, failed_runs=0)  # it was a good run until now
    return ask_to_end(checked, "unhealthy", StopRequested(), now)


def _stop_command_ended(record: ProcessRecord, event: StopCommandEnded, now: ProcessContext) -> Outcome:
    """Keep what it has printed; send the signal after all if it has failed."""
    state, run = record.state, record.run
    if run is None or run.handle != event.handle:
        return record, []
    if event.output:
        record = replace(record, stop_output=event.output)
    if event.failure is None or not isinstance(state, Running) or state.ending is None or not state.ending.command:
        return record, []
    ending = replace(state.ending, command=None, error=event.failure)
    # The keeper holds the deadline since the command was begun, and takes the earlier one: the time of day, by which
    # our own is recorded, may have been set meanwhile.
    grace_ms = ending.left_ms(now.ms) if ending.grace_ms is None else ending.grace_ms
    return in_state(record, Running(ending), StopRun(run.handle, ending.signal, grace_ms))


def _input_closed(record: ProcessRecord, _: InputClosed, now: ProcessContext) -> Outcome:
    run = record.run
    if not isinstance(record.state, Running) or run is None or not run.stdin_open:
        return record, []
    return replace(record, run=replace(run, stdin_open=False)), [CloseInput(run.handle)]


_HANDLERS: dict[type, Callable[[ProcessRecord, Any, ProcessContext], Outcome]] = {
    RunStarted: _run_started,
    RunAdopted: _run_adopted,
    StartFailed: _start_failed,
    StartLost: _start_lost,
    RunExited: _run_exited,
    RunLost: _run_lost,
    HostRestarted: _host_restarted,
    StopRequested: _stop_requested,
    StopCommandEnded: _stop_command_ended,
    KillRequested: _kill_requested,
    RestartRequested: _restart_requested,
    BackoffOver: _backoff_over,
    HealthChecked: _health_checked,
    SandboxPaused: _sandbox_paused,
    SandboxResumed: _sandbox_resumed,
    InputClosed: _input_closed,
}
