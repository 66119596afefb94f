"""What several transitions of a process have in common: a run's end in the record, and what comes after it."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.api.models import LastExit
from sbxcompose.host.supervise import describe, restart
from sbxcompose.host.supervise.lifecycle_types import CancelTimer, Effect, Now, SetTimer, SpawnRun
from sbxcompose.host.supervise.state import BackingOff, Paused, ProcessRecord, ProcessState, Run, Starting, Stopped

Outcome = tuple[ProcessRecord, list[Effect]]


def with_end(record: ProcessRecord, run: Run, end: LastExit, error: str | None) -> ProcessRecord:
    """Return the record with the end of its run."""
    run = replace(run, ended=end, stdin_open=False)
    return replace(record, run=run, last_exit=end, last_error=error, left_behind=[])


def after_failure(record: ProcessRecord, now: Now, *, failed: bool, ran_ms: int) -> Outcome:
    """Restart or stay down, as the policy has it, after a run that ended without being asked to."""
    ending = restart.RunEnding(failed, ran_ms)
    good = restart.was_good(ran_ms, record.health.status)
    record = replace(record, failed_runs=0 if good else record.failed_runs + 1)
    match restart.after_exit(describe.policy(record), record.tally, ending):
        case restart.RestartAfter(delay_ms, tally):
            return back_off(replace(record, tally=tally), delay_ms, now)
        case restart.StayDown(because):
            error = "; ".join(filter(None, (record.last_error, because))) or None
            return stopped(replace(record, last_error=error), now)


def stopped(record: ProcessRecord, now: Now, *effects: Effect, requested: bool = False) -> Outcome:
    """Nothing runs or will run; `requested`: it was stopped on request."""
    return replace(record, state=Stopped(now.log_end, requested)), list(effects)


def back_off(record: ProcessRecord, delay_ms: int, now: Now) -> Outcome:
    """Wait before the next run; in a paused sandbox that time does not pass."""
    if now.paused:
        return in_state(record, Paused(delay_ms))
    return in_state(record, BackingOff(now.ms + delay_ms), SetTimer(delay_ms))


def begin_again(record: ProcessRecord, now: Now) -> Outcome:
    """Start a run now, or once the sandbox is resumed."""
    if now.paused:
        return in_state(record, Paused(0), CancelTimer())
    starting = Starting(now.next_handle, keeper=now.keeper)
    return in_state(record, starting, CancelTimer(), SpawnRun(now.next_handle))


def may_be_repeated(record: ProcessRecord) -> bool:
    """Return whether a run that may have begun may be begun once more without a word: its policy restarts it anyway."""
    return record.request.managed and describe.policy(record).policy != "never"


def may_have_begun(record: ProcessRecord, keeper: str) -> bool:
    """Return whether a run recorded as starting, which `keeper` does not hold, may have been started by another one."""
    return isinstance(record.state, Starting) and record.state.keeper != keeper


def in_state(record: ProcessRecord, state: ProcessState, *effects: Effect) -> Outcome:
    """Return the record in a state, and the effects."""
    return replace(record, state=state), list(effects)


def with_run(runs: list[list[int]], number: int) -> list[list[int]]:
    """Add a run's number to ranges of numbers, [first, last] each."""
    if runs and number <= runs[-1][1] + 1:
        first, last = runs[-1]
        return [*runs[:-1], [first, max(number, last)]]
    return [*runs, [number, number]]
