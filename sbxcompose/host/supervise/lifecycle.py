"""The life of a supervised process as a table: what each event leads to in each state (contract 3.4).

`TABLE` has the states, the events, and for each pair the state that follows. Rows are read from above, and the first
that fits counts; an event that no row fits changes nothing. A row that stays in Starting or Running may set what the
run is asked to end for (`ending`), which later rows ask about. Nothing here acts: `lifecycle_steps` makes the records
and the effects, and `lifecycle_driver.LifecycleDriver` reports events and performs the effects.
`tests/unit/host/test_lifecycle.py` has every pair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, get_args

from sbxcompose.host.supervise import describe
from sbxcompose.host.supervise import lifecycle_steps as steps
from sbxcompose.host.supervise.lifecycle_parts import Outcome, why_ending
from sbxcompose.host.supervise.lifecycle_types import (
    BackoffOver,
    HealthChecked,
    HostRestarted,
    InputClosed,
    KillRequested,
    LifecycleEvent,
    ProcessContext,
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
)
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    ProcessState,
    Running,
    Starting,
    Stopped,
    SuspendedBackoff,
)

Condition = Callable[[ProcessRecord, Any], bool]


class ProcessTransition(NamedTuple):
    """An event in one of the states, if all conditions are met, leads to one of the states of `to`."""

    event: type
    states: tuple[type, ...]
    conditions: tuple[Condition, ...]
    to: tuple[type, ...]
    step: Callable[[ProcessRecord, Any, ProcessContext], Outcome]


def transition(record: ProcessRecord, event: LifecycleEvent, now: ProcessContext) -> Outcome:
    """Return the record after an event, and what has to be done. An event that means nothing changes nothing."""
    row = row_of(record, event)
    return (record, []) if row is None else row.step(record, event, now)


def row_of(record: ProcessRecord, event: LifecycleEvent) -> ProcessTransition | None:
    """Return the row of the table that fits, if any."""
    for row in _ROWS.get((type(event), type(record.state)), ()):
        for condition in row.conditions:
            if not condition(record, event):
                break
        else:
            return row
    return None


# -- conditions --------------------------------------------------------------------------------------------


def _awaited(record: ProcessRecord, event: Any) -> bool:
    """Whether the event is about the run that was asked for."""
    return isinstance(record.state, Starting) and record.state.handle == _handle(event)


def _of_this_run(record: ProcessRecord, event: Any) -> bool:
    """Whether the event is about the current or latest run."""
    return record.run is not None and record.run.handle == _handle(event)


def _handle(event: Any) -> int:
    return int(event.run.handle if isinstance(event, RunAdopted) else event.handle)


def _first_start(record: ProcessRecord, event: Any) -> bool:
    return record.run is None


def _asked_to_stop(record: ProcessRecord, event: Any) -> bool:
    return why_ending(record) == "stop"


def _asked_to_restart(record: ProcessRecord, event: Any) -> bool:
    return why_ending(record) == "restart"


def _not_asked_to_end(record: ProcessRecord, event: Any) -> bool:
    return why_ending(record) is None


def _unmanaged(record: ProcessRecord, event: Any) -> bool:
    return not record.request.managed


def _checked(record: ProcessRecord, event: Any) -> bool:
    return record.request.health_check is not None


def _for_good(record: ProcessRecord, event: Any) -> bool:
    return bool(event.for_good)


def _stays_down_if_lost(record: ProcessRecord, event: Any) -> bool:
    """Whether nothing follows a run that was lost: it was the host that failed, so that no restart is counted."""
    unwanted = _asked_to_stop(record, event) or not may_be_repeated(record)
    return bool(event.for_good) or (unwanted and not _asked_to_restart(record, event))


def _without_signal(record: ProcessRecord, event: StopRequested) -> bool:
    return event.signal is None


def _told_otherwise(record: ProcessRecord, event: StopRequested | KillRequested) -> bool:
    """Whether it was stopped on request, and this request says something else about a run that follows."""
    state = record.state
    return isinstance(state, Stopped) and state.requested and state.replaced != steps.replaces(event)


def _unhealthy(record: ProcessRecord, event: HealthChecked) -> bool:
    return event.health.status == "unhealthy"


def _command_failed(record: ProcessRecord, event: StopCommandEnded) -> bool:
    """Whether the command that was to end the run, and still was to, has failed."""
    ending = record.state.ending if isinstance(record.state, Running) else None
    return event.failure is not None and ending is not None and bool(ending.command)


def _input_open(record: ProcessRecord, event: Any) -> bool:
    return record.run is not None and record.run.stdin_open


def may_be_repeated(record: ProcessRecord) -> bool:
    """Return whether a run that may have begun may be begun once more without a word: its policy restarts it anyway."""
    return record.request.managed and describe.policy(record).policy != "never"


def may_have_begun(record: ProcessRecord, keeper: str) -> bool:
    """Return whether a run recorded as starting, which `keeper` does not hold, may have been started by another one."""
    return isinstance(record.state, Starting) and record.state.keeper != keeper


# -- the table ---------------------------------------------------------------------------------------------


def _row(event: type, states: Any, *conditions: Condition, to: Any, by: Callable[..., Outcome]) -> ProcessTransition:
    """Return a row; `states` and `to` are a state or a union of states."""
    return ProcessTransition(event, get_args(states) or (states,), conditions, get_args(to) or (to,), by)


class Same:
    """The state that a process is in."""


_ANY: Final = ProcessState
_ALIVE: Final = Starting | Running
_PAUSE: Final = BackingOff | SuspendedBackoff
"""Waiting for the next run; the latter in a paused sandbox."""
_AGAIN: Final = Starting | SuspendedBackoff
"""A new run at once; the latter in a paused sandbox, until it is resumed."""
_RULE: Final = BackingOff | SuspendedBackoff | Stopped
"""Restarted or not, as `restart.after_exit` decides."""

TABLE: Final = (
    # A run begins. One that no request waits for would be a second one, and is killed.
    _row(RunStarted, Starting, _awaited, to=Running, by=steps.begin_run),
    _row(RunStarted, Running, _of_this_run, to=Same, by=steps.change_nothing),
    _row(RunStarted, _ANY, to=Same, by=steps.kill_second_run),
    _row(RunAdopted, Starting, _awaited, to=Running, by=steps.adopt_new_run),
    _row(RunAdopted, Running, _of_this_run, to=Same, by=steps.adopt_run),
    _row(RunAdopted, _ANY, to=Same, by=steps.kill_second_run),
    _row(StartFailed, Starting, _first_start, to=Stopped, by=steps.forget_failed_start),
    _row(StartFailed, Starting, _asked_to_stop, to=Stopped, by=steps.stop_failed_start),
    _row(StartFailed, Starting, _asked_to_restart, to=_AGAIN, by=steps.repeat_failed_start),
    _row(StartFailed, Starting, to=_RULE, by=steps.count_failed_start),
    _row(StartLost, Starting, _awaited, _stays_down_if_lost, to=Stopped, by=steps.leave_lost_start),
    _row(StartLost, Starting, _awaited, to=_AGAIN, by=steps.repeat_lost_start),
    # A run ends.
    _row(RunExited, Running, _of_this_run, _asked_to_stop, to=Stopped, by=steps.leave_exited),
    _row(RunExited, Running, _of_this_run, _unmanaged, to=Stopped, by=steps.leave_exited),
    _row(RunExited, Running, _of_this_run, _asked_to_restart, to=_AGAIN, by=steps.begin_after_exit),
    _row(RunExited, Running, _of_this_run, to=_RULE, by=steps.restart_by_policy),
    _row(RunExited, _ANY, to=Same, by=steps.release_run),
    _row(RunLost, Running, _stays_down_if_lost, to=Stopped, by=steps.leave_lost),
    _row(RunLost, Running, to=_AGAIN, by=steps.repeat_lost),
    # Between runs.
    _row(BackoffOver, BackingOff, to=_AGAIN, by=steps.begin_next_run),
    _row(HostRestarted, Starting, _first_start, to=Stopped, by=steps.forget_start),
    _row(HostRestarted, Starting, _asked_to_stop, to=Stopped, by=steps.stop_start),
    _row(HostRestarted, Starting | _PAUSE, _for_good, to=Stopped, by=steps.stay_down),
    _row(HostRestarted, Starting, to=_AGAIN, by=steps.begin_next_run),
    _row(HostRestarted, _PAUSE, to=_PAUSE, by=steps.wait_for_rest),
    _row(SandboxPaused, Running, to=Same, by=steps.end_checks),
    _row(SandboxPaused, BackingOff, to=SuspendedBackoff, by=steps.suspend_backoff),
    _row(SandboxResumed, SuspendedBackoff, to=_PAUSE, by=steps.wait_for_rest),
    _row(SandboxResumed, Running, _not_asked_to_end, _checked, to=Same, by=steps.check_anew),
    # Requests, and health. A run that is alive is asked to end, and what follows is decided when it has.
    _row(StopRequested, _PAUSE, to=Stopped, by=steps.cancel_backoff),
    _row(StopRequested, _ALIVE, _unmanaged, _without_signal, to=Same, by=steps.kill_unmanaged),
    _row(StopRequested, _ALIVE, to=Same, by=steps.ask_to_stop),
    _row(StopRequested, Stopped, _told_otherwise, to=Same, by=steps.note_replacement),
    _row(KillRequested, _PAUSE, to=Stopped, by=steps.cancel_backoff),
    _row(KillRequested, _ALIVE, to=Same, by=steps.kill_run),
    _row(KillRequested, Stopped, _told_otherwise, to=Same, by=steps.note_replacement),
    _row(RestartRequested, _ALIVE, to=Same, by=steps.ask_to_restart),
    _row(RestartRequested, _PAUSE | Stopped, to=_AGAIN, by=steps.begin_as_asked),
    _row(HealthChecked, Running, _not_asked_to_end, _unhealthy, to=Same, by=steps.end_unhealthy),
    _row(HealthChecked, Running, _not_asked_to_end, to=Same, by=steps.note_health),
    _row(StopCommandEnded, Running, _of_this_run, _command_failed, to=Same, by=steps.signal_instead),
    _row(StopCommandEnded, _ANY, _of_this_run, to=Same, by=steps.keep_stop_output),
    _row(InputClosed, Running, _input_open, to=Same, by=steps.close_input),
)


def _index() -> dict[tuple[type, type], list[ProcessTransition]]:
    found: dict[tuple[type, type], list[ProcessTransition]] = {}
    for row in TABLE:
        for state in row.states:
            found.setdefault((row.event, state), []).append(row)
    return found


_ROWS: Final = _index()
