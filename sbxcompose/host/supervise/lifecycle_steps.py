"""The steps of `lifecycle.TABLE`: each returns the record after an event, and what has to be done.

A step is called by its row only, so that what the row says of event, state and conditions is true. What several steps
are made of is in `lifecycle_parts`.
"""

from __future__ import annotations

from signal import SIGKILL

from msgspec.structs import replace

from sbxcompose.host.supervise import describe, health, restart
from sbxcompose.host.supervise.lifecycle_parts import (
    Outcome,
    after_failure,
    ask_to_end,
    back_off,
    begin_again,
    begun,
    in_state,
    lasted_ms,
    run_of,
    running_state,
    starting_state,
    stopped,
    supervise,
    why_ending,
    with_end,
)
from sbxcompose.host.supervise.lifecycle_types import (
    AttachOutput,
    BackoffOver,
    CancelTimer,
    CloseInput,
    Effect,
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

# -- a run begins ------------------------------------------------------------------------------------------


def begin_run(record: ProcessRecord, event: RunStarted, now: ProcessContext) -> Outcome:
    """Take the run for the one that was asked for."""
    ending = starting_state(record).ending
    run = Run(event.handle, event.pid, event.number, event.started_at, stdin_open=event.stdin_open, ticks=event.ticks)
    running = replace(
        begun(record, run),
        health=health.at_start(record.request.health_check),
        stop_output=None,
        stop_reason=None if ending is None else record.stop_reason,
    )
    return running, [AttachOutput(event.number), *supervise(running, run.started_at, now)]


def change_nothing(record: ProcessRecord, event: LifecycleEvent, now: ProcessContext) -> Outcome:
    """Leave everything as it is."""
    return record, []


def kill_second_run(record: ProcessRecord, event: RunStarted | RunAdopted, now: ProcessContext) -> Outcome:
    """Kill a run that no request waits for."""
    return record, [KillRun(event.handle if isinstance(event, RunStarted) else event.run.handle)]


def adopt_new_run(record: ProcessRecord, event: RunAdopted, now: ProcessContext) -> Outcome:
    """Take over the run that the last server had asked for; kill it if whoever read its output is gone."""
    running, effects = begin_run(record, event.run, now)
    return running, [*effects, *_kill_attached(record, event)]


def adopt_run(record: ProcessRecord, event: RunAdopted, now: ProcessContext) -> Outcome:
    """Take over the run that the last server knew; kill it if whoever read its output is gone."""
    run = run_of(record)
    effects: list[Effect] = [AttachOutput(run.number), *supervise(record, run.started_at, now)]
    if event.run.stdin_open and not run.stdin_open:
        effects.append(CloseInput(run.handle))
    return record, [*effects, *_kill_attached(record, event)]


def _kill_attached(record: ProcessRecord, event: RunAdopted) -> list[Effect]:
    return [KillRun(event.run.handle)] if record.attached else []


def forget_failed_start(record: ProcessRecord, event: StartFailed, now: ProcessContext) -> Outcome:
    """Leave no row: whoever asked for it is told by the answer."""
    return stopped(_failed(record, event), now, ForgetRow())


def stop_failed_start(record: ProcessRecord, event: StartFailed, now: ProcessContext) -> Outcome:
    """Leave it ended, as was asked for meanwhile."""
    return stopped(_failed(record, event), now, requested=True)


def repeat_failed_start(record: ProcessRecord, event: StartFailed, now: ProcessContext) -> Outcome:
    """Start it once more, as was asked for meanwhile."""
    return begin_again(_failed(record, event), now)


def count_failed_start(record: ProcessRecord, event: StartFailed, now: ProcessContext) -> Outcome:
    """Take it for a run that has failed at once."""
    return after_failure(_failed(record, event), now, failed=True, ran_ms=0)


def _failed(record: ProcessRecord, event: StartFailed) -> ProcessRecord:
    return replace(record, last_error=event.message, health=health.at_start(record.request.health_check))


def leave_lost_start(record: ProcessRecord, event: StartLost, now: ProcessContext) -> Outcome:
    """Take it for a run that was lost, and which must not run twice."""
    return leave_lost(*_begun_and_lost(record, event), now)


def repeat_lost_start(record: ProcessRecord, event: StartLost, now: ProcessContext) -> Outcome:
    """Take it for a run that was lost, and start it once more."""
    return repeat_lost(*_begun_and_lost(record, event), now)


def _begun_and_lost(record: ProcessRecord, event: StartLost) -> tuple[ProcessRecord, RunLost]:
    running = begun(record, Run(event.handle, 0, event.number, event.started_at))
    return running, RunLost(event.exit, event.error, event.for_good)


# -- a run ends --------------------------------------------------------------------------------------------


def leave_exited(record: ProcessRecord, event: RunExited, now: ProcessContext) -> Outcome:
    """Leave it ended: that was asked for, or it is not managed."""
    requested = why_ending(record) == "stop"
    return stopped(_exited(record, event), now, EndChecks(), ReleaseRun(event.handle), requested=requested)


def begin_after_exit(record: ProcessRecord, event: RunExited, now: ProcessContext) -> Outcome:
    """Begin the run that it was asked to end for."""
    after, effects = begin_again(_exited(record, event), now)
    return after, [EndChecks(), *effects, ReleaseRun(event.handle)]


def restart_by_policy(record: ProcessRecord, event: RunExited, now: ProcessContext) -> Outcome:
    """Restart it or leave it ended, as its policy has it after such an end."""
    ended = _exited(record, event)
    unhealthy = why_ending(record) == "unhealthy"
    if unhealthy:
        ended = replace(ended, last_error=f"unhealthy: {record.health.last_check}")
    failed = unhealthy or not event.exit.counts_as_success(record.request.success_exit_codes)
    ran_ms = lasted_ms(run_of(record), event.exit.ended_at, now)
    after, effects = after_failure(ended, now, failed=failed, ran_ms=ran_ms)
    return after, [EndChecks(), *effects, ReleaseRun(event.handle)]


def _exited(record: ProcessRecord, event: RunExited) -> ProcessRecord:
    ending = running_state(record).ending
    error = event.error or (ending.error if ending is not None else None)
    return replace(with_end(record, event.exit, error), left_behind=event.left_behind)


def release_run(record: ProcessRecord, event: RunExited, now: ProcessContext) -> Outcome:
    """Release a run that the row no longer waits for: the keeper keeps every end until then."""
    return record, [ReleaseRun(event.handle)]


def leave_lost(record: ProcessRecord, event: RunLost, now: ProcessContext) -> Outcome:
    """Leave it ended."""
    ended = with_end(record, event.exit, event.error)
    return stopped(ended, now, EndChecks(), requested=why_ending(record) == "stop")


def repeat_lost(record: ProcessRecord, event: RunLost, now: ProcessContext) -> Outcome:
    """Start it again at once: it was the host that failed, and not the run."""
    after, effects = begin_again(with_end(record, event.exit, event.error), now)
    return after, [EndChecks(), *effects]


# -- between runs ------------------------------------------------------------------------------------------


def begin_next_run(record: ProcessRecord, event: BackoffOver | HostRestarted, now: ProcessContext) -> Outcome:
    """Begin the next run."""
    return begin_again(record, now)


def forget_start(record: ProcessRecord, event: HostRestarted, now: ProcessContext) -> Outcome:
    """Leave no row of a first start that was not made."""
    return stopped(record, now, ForgetRow())


def stop_start(record: ProcessRecord, event: HostRestarted, now: ProcessContext) -> Outcome:
    """Leave it ended, as was asked for before its run was there."""
    return stopped(record, now, requested=True)


def stay_down(record: ProcessRecord, event: HostRestarted, now: ProcessContext) -> Outcome:
    """Leave it ended."""
    return stopped(record, now)


def wait_for_rest(record: ProcessRecord, event: HostRestarted | SandboxResumed, now: ProcessContext) -> Outcome:
    """Wait for what is left of the pause before the next run."""
    return back_off(record, _left_ms(record, now), now)


def end_checks(record: ProcessRecord, event: SandboxPaused, now: ProcessContext) -> Outcome:
    """Check no health while nothing runs."""
    return record, [EndChecks()]


def suspend_backoff(record: ProcessRecord, event: SandboxPaused, now: ProcessContext) -> Outcome:
    """Keep what is left of the pause before the next run."""
    return in_state(record, SuspendedBackoff(_left_ms(record, now)), CancelTimer())


def _left_ms(record: ProcessRecord, now: ProcessContext) -> int:
    state = record.state
    if isinstance(state, SuspendedBackoff):
        return state.left_ms
    assert isinstance(state, BackingOff)
    return restart.remaining_ms(describe.policy(record), state.until, now.ms)


def check_anew(record: ProcessRecord, event: SandboxResumed, now: ProcessContext) -> Outcome:
    """Check its health as that of a new run: what a check saw before says nothing of now."""
    anew = replace(record, health=health.at_start(record.request.health_check))
    return anew, supervise(anew, now.ms, now)


# -- requests and health -----------------------------------------------------------------------------------


def cancel_backoff(record: ProcessRecord, event: StopRequested | KillRequested, now: ProcessContext) -> Outcome:
    """Begin no next run."""
    after, effects = stopped(record, now, CancelTimer(), requested=True)
    return note_replacement(after, event, now)[0], effects


def note_replacement(record: ProcessRecord, event: StopRequested | KillRequested, now: ProcessContext) -> Outcome:
    """Note whether a new run follows its stop: the latest request says so."""
    assert isinstance(record.state, Stopped)
    return in_state(record, replace(record.state, replaced=replaces(event)))


def replaces(event: StopRequested | KillRequested) -> bool:
    """Return whether a new run follows."""
    return isinstance(event, StopRequested) and event.replaced


def ask_to_stop(record: ProcessRecord, event: StopRequested, now: ProcessContext) -> Outcome:
    """Ask the run to end, by its signal or by its stop command."""
    return ask_to_end(_with_reason(record, event), "stop", event, now)


def kill_unmanaged(record: ProcessRecord, event: StopRequested, now: ProcessContext) -> Outcome:
    """Kill a process that is not managed: it has no grace."""
    return kill_run(_with_reason(record, event), KillRequested(), now)


def _with_reason(record: ProcessRecord, event: StopRequested) -> ProcessRecord:
    return record if event.reason is None else replace(record, stop_reason=event.reason)


def kill_run(record: ProcessRecord, event: KillRequested, now: ProcessContext) -> Outcome:
    """Kill the run; one that the keeper may be forking now, once it is there (`supervise`)."""
    ending = RequestedStop("stop", SIGKILL, now.ms, grace_ms=0)
    if isinstance(record.state, Starting):
        return in_state(record, replace(record.state, ending=ending))
    return in_state(record, Running(ending), EndChecks(), KillRun(run_of(record).handle))


def ask_to_restart(record: ProcessRecord, event: RestartRequested, now: ProcessContext) -> Outcome:
    """Ask the run to end, so that the next one can begin."""
    return ask_to_end(replace(record, failed_runs=0), "restart", StopRequested(), now)


def begin_as_asked(record: ProcessRecord, event: RestartRequested, now: ProcessContext) -> Outcome:
    """Begin the next run, without backoff."""
    return begin_again(replace(record, failed_runs=0), now)


def end_unhealthy(record: ProcessRecord, event: HealthChecked, now: ProcessContext) -> Outcome:
    """Ask the run to end, as one that has failed."""
    checked = replace(record, health=event.health)
    if restart.was_good(lasted_ms(run_of(record), now.ms, now), record.health.status):
        checked = replace(checked, failed_runs=0)  # it was a good run until now
    return ask_to_end(checked, "unhealthy", StopRequested(), now)


def note_health(record: ProcessRecord, event: HealthChecked, now: ProcessContext) -> Outcome:
    """Note how its health stands."""
    return replace(record, health=event.health), []


def keep_stop_output(record: ProcessRecord, event: StopCommandEnded, now: ProcessContext) -> Outcome:
    """Keep what the command that stopped the run has printed."""
    return replace(record, stop_output=event.output) if event.output else record, []


def signal_instead(record: ProcessRecord, event: StopCommandEnded, now: ProcessContext) -> Outcome:
    """Send the signal after all, as the command has failed; keep what that has printed."""
    record, _ = keep_stop_output(record, event, now)
    before = running_state(record).ending
    assert before is not None
    ending = replace(before, command=None, error=event.failure)
    # The keeper holds the deadline since the command was begun, and takes the earlier one: the time of day, by which
    # our own is recorded, may have been set meanwhile.
    grace_ms = ending.left_ms(now.ms) if ending.grace_ms is None else ending.grace_ms
    return in_state(record, Running(ending), StopRun(run_of(record).handle, ending.signal, grace_ms))


def close_input(record: ProcessRecord, event: InputClosed, now: ProcessContext) -> Outcome:
    """Close its standard input, and remember that."""
    run = run_of(record)
    return replace(record, run=replace(run, stdin_open=False)), [CloseInput(run.handle)]
