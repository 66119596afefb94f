"""What the process list shows of a row: its record in the contract's words (section 3.3 and 3.4)."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.api.models import (
    HealthCheckConfig,
    ManagedInfo,
    ManagedStatus,
    ProcessInfo,
    ProcessStatus,
    RestartConfig,
)
from sbxcompose.clock import wall_ms
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    ProcessState,
    Run,
    Running,
    Starting,
    Stopped,
    SuspendedBackoff,
)

_DEFAULT_POLICY = RestartConfig()


def describe(record: ProcessRecord, next_run: int = 1, blocked: str | None = None) -> ProcessInfo:
    """Return the row of a record. `next_run` is the number of the run that is being started, if it is the first one;
    `blocked` is why its output cannot be written.
    """
    run, request = record.run, record.request
    if run is None:
        return _starting(record, next_run)
    ended = run.ended
    return ProcessInfo(
        pid=run.pid,
        handle=run.handle,
        status=_status(run),
        exit_code=ended.exit_code if ended else None,
        signal=ended.signal if ended else None,
        oom_killed=ended.oom_killed if ended else False,
        oom_kills=ended.oom_kills if ended else 0,
        stdin_writable=run.stdin_open and ended is None,
        command=request.command,
        args=request.args,
        started_at=run.started_at,
        ended_at=ended.ended_at if ended else None,
        managed=_managed(record, blocked) if request.managed else None,
        run=run.number,
        log=record.log,
        beside=request.beside,
        end_unwatched=request.end_unwatched,
        stop_reason=record.stop_reason,
    )


def _starting(record: ProcessRecord, next_run: int) -> ProcessInfo:
    """Return the row of a process whose first run is being started: it has no PID yet."""
    request = record.request
    return ProcessInfo(
        pid=0,
        handle=record.id,
        status="running",
        command=request.command,
        args=request.args,
        started_at=record.asked_at or wall_ms(),  # a record of an older version does not know
        managed=_managed(record) if request.managed else None,
        run=next_run,
        log=record.log,
        beside=request.beside,
        end_unwatched=request.end_unwatched,
    )


def policy(record: ProcessRecord) -> RestartConfig:
    """Its restart policy; the default one if only a name or a check was given."""
    return record.request.restart or _DEFAULT_POLICY


def _status(run: Run) -> ProcessStatus:
    if run.ended is None:
        return "running"
    if run.ended.oom_killed:
        return "oom_killed"
    return "exited" if run.ended.signal is None else "signaled"


def _managed(record: ProcessRecord, blocked: str | None = None) -> ManagedInfo:
    state = record.state
    return ManagedInfo(
        id=record.request.name or f"@{record.id}",
        name=record.request.name,
        status=_managed_status(state),
        restart_count=record.restarts,
        restart=policy(record),
        health_check=_filled(record.request.health_check),
        health_status=record.health.status,
        consecutive_health_failures=record.health.failures,
        last_exit=record.last_exit,
        last_error=record.last_error,
        next_restart_at=state.until if isinstance(state, BackingOff) else None,
        last_check=record.health.last_check,
        stop_signal=record.request.stop_signal,
        stop_grace_ms=record.request.stop_grace_ms,
        stop_command=record.request.stop_command,
        stop_output=record.stop_output,
        left_behind=record.left_behind,
        stop_requested=isinstance(state, Stopped) and state.requested,
        replaced=isinstance(state, Stopped) and state.replaced,
        failed_runs=record.failed_runs,
        output_blocked=blocked,
    )


def _filled(check: HealthCheckConfig | None) -> HealthCheckConfig | None:
    """Return the check with its defaults, also the one that depends on its type."""
    if check is None or check.type != "http" or check.path is not None:
        return check
    return replace(check, path="/")


def _managed_status(state: ProcessState) -> ManagedStatus:
    match state:
        case Starting():
            return "starting"
        case Running():
            return "running"
        case BackingOff() | SuspendedBackoff():
            return "backing_off"
        case Stopped():
            return "stopped"
